//! The keys of the configuration: each is asked for once, with its default and what is allowed.
//!
//! Knows no key by its name. A value that is not allowed becomes an error that names where it came from.

use std::fmt::Display;
use std::ops::RangeInclusive;
use std::time::Duration;

use super::layers::{ConfigError, Layers, Origin};

/// A key, the value that is in force, and where it came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setting {
    /// The key.
    pub key: &'static str,
    /// Its value as it was written; a secret is hidden.
    pub value: String,
    /// Where the value came from.
    pub origin: Origin,
}

/// The layers, and the settings that were read from them so far.
pub(super) struct Keys {
    layers: Layers,
    settings: Vec<Setting>,
    warnings: Vec<String>,
}

impl Keys {
    /// Begins with no key read.
    pub(super) fn new(layers: Layers) -> Self {
        Self {
            layers,
            settings: Vec::new(),
            warnings: Vec::new(),
        }
    }

    /// Reads the key's value with `parse`. `default` is what a user would write, empty for none; `allowed` says what is valid.
    pub(super) fn get<T>(
        &mut self,
        key: &'static str,
        allowed: &str,
        default: &str,
        parse: impl Fn(&str) -> Option<T>,
    ) -> Result<T, ConfigError> {
        let (value, origin) = self.take(key, default);
        let parsed = parse(value.trim()).ok_or_else(|| {
            let hint = hint(&value);
            ConfigError(format!(
                "{origin}: {key} is '{value}', allowed is {allowed}{hint}"
            ))
        });
        self.settings.push(Setting { key, value, origin });
        parsed
    }

    /// Reads a value that may hold a secret, as [`get`](Self::get) does. An error of `parse` says why it cannot be
    /// used; `masked` returns what may be shown of it.
    pub(super) fn secret<T>(
        &mut self,
        key: &'static str,
        default: &str,
        parse: impl Fn(&str, &Origin) -> Result<T, String>,
        masked: impl Fn(&str) -> String,
    ) -> Result<T, ConfigError> {
        let (value, origin) = self.take(key, default);
        let parsed = parse(value.trim(), &origin)
            .map_err(|why| ConfigError(format!("{origin}: {key} cannot be used: {why}")));
        let value = masked(value.trim());
        self.settings.push(Setting { key, value, origin });
        parsed
    }

    /// Reads a value that may be left out.
    pub(super) fn optional<T>(
        &mut self,
        key: &'static str,
        allowed: &str,
        parse: impl Fn(&str) -> Option<T>,
    ) -> Result<Option<T>, ConfigError> {
        self.get(key, allowed, "", |text| match text {
            "" => Some(None),
            text => parse(text).map(Some),
        })
    }

    /// Returns whether a key that was read is set in some layer.
    pub(super) fn is_set(&self, key: &str) -> bool {
        let mut settings = self.settings.iter();
        settings.any(|setting| setting.key == key && setting.origin != Origin::Default)
    }

    /// Adds a sentence to what an operator is warned about.
    pub(super) fn warn(&mut self, warning: String) {
        self.warnings.push(warning);
    }

    /// Takes a variable of the environment that is no key of this program.
    pub(super) fn variable(&mut self, name: &str) -> Option<String> {
        self.layers.variable(name)
    }

    fn take(&mut self, key: &str, default: &str) -> (String, Origin) {
        self.layers
            .take(key)
            .unwrap_or_else(|| (default.to_owned(), Origin::Default))
    }

    /// Reads a whole number within `range`.
    pub(super) fn number<T: TryFrom<u32> + Display>(
        &mut self,
        key: &'static str,
        default: T,
        range: RangeInclusive<u32>,
    ) -> Result<T, ConfigError> {
        let allowed = format!("a whole number from {} to {}", range.start(), range.end());
        self.get(key, &allowed, &default.to_string(), |text| {
            let number = text.parse().ok().filter(|number| range.contains(number))?;
            T::try_from(number).ok()
        })
    }

    /// Reads a duration within a range of milliseconds.
    pub(super) fn duration(
        &mut self,
        key: &'static str,
        default: Duration,
        millis: RangeInclusive<u64>,
    ) -> Result<Duration, ConfigError> {
        let range = Duration::from_millis(*millis.start())..=Duration::from_millis(*millis.end());
        let (from, to) = (range.start(), range.end());
        let allowed = format!("a duration such as 500ms, 2s or 1m, from {from:?} to {to:?}");
        self.get(key, &allowed, &format!("{default:?}"), |text| {
            humantime::parse_duration(text)
                .ok()
                .filter(|duration| range.contains(duration))
        })
    }

    /// Returns the settings in the order in which they were read, and the warnings.
    ///
    /// # Errors
    /// A flag sets an unknown key.
    pub(super) fn finish(self) -> Result<(Vec<Setting>, Vec<String>), ConfigError> {
        let mut warnings = self.layers.into_warnings()?;
        warnings.extend(self.warnings);
        Ok((self.settings, warnings))
    }
}

/// Returns what to add to the error about a value: advice, if it looks like one that an orchestrator has set.
fn hint(value: &str) -> &'static str {
    match value.starts_with("tcp://") {
        true => {
            "; an orchestrator sets such a value for a service of the name server: give the service another name, or \
             switch these variables off (enableServiceLinks: false)"
        }
        false => "",
    }
}

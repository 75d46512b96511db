//! The keys, wherever they stand: in the environment, which has the last word, or in the INI file.
//!
//! Knows no key by its name. Whoever asks for one says what is allowed; a value that is not becomes a sentence with
//! its source, and what nobody has asked for a warning.

use std::ops::RangeInclusive;
use std::time::Duration;

use configparser::ini::{Ini, IniDefault};

use super::error::ConfigError;

/// The section that holds all keys, as the parser names it.
const SECTION: &str = "default";

/// The keys of the file and of the environment; what is not asked for is unknown.
pub(super) struct Keys<E> {
    file: String,
    values: Vec<(String, Option<String>)>,
    warnings: Vec<String>,
    env: E,
}

impl<E: Fn(&str) -> Option<String>> Keys<E> {
    pub(super) fn read(text: &str, file: &str, env: E) -> Result<Self, ConfigError> {
        let mut defaults: IniDefault = Ini::new().defaults();
        // `SERVER_DATA_DIR = /srv/a#1` is a path, not a path and a comment.
        defaults.enable_inline_comments = false;
        let mut ini = Ini::new_from_defaults(defaults);
        let sections = ini
            .read(text.to_owned())
            .map_err(|e| ConfigError(format!("{file}: {e}")))?;
        let mut keys = Self {
            file: file.to_owned(),
            values: Vec::new(),
            warnings: Vec::new(),
            env,
        };
        for (section, pairs) in sections {
            if section == SECTION {
                keys.values = pairs.into_iter().collect();
            } else {
                keys.warnings.push(format!(
                    "{file}: section [{section}] is unknown and passed over"
                ));
            }
        }
        Ok(keys)
    }

    /// The key's value, read by `parse`: from the environment, the file, or the default.
    pub(super) fn get<T>(
        &mut self,
        key: &str,
        allowed: &str,
        default: T,
        parse: impl Fn(&str) -> Option<T>,
    ) -> Result<T, ConfigError> {
        let Some((value, source)) = self.take(key) else {
            return Ok(default);
        };
        parse(value.trim()).ok_or_else(|| {
            ConfigError(format!(
                "{source}: {key} is '{value}', allowed is {allowed}"
            ))
        })
    }

    /// As [`get`](Self::get), for a value that no error may show; `parse` says why it cannot be used.
    pub(super) fn secret<T>(
        &mut self,
        key: &str,
        default: T,
        parse: impl Fn(&str) -> Result<T, String>,
    ) -> Result<T, ConfigError> {
        let Some((value, source)) = self.take(key) else {
            return Ok(default);
        };
        parse(value.trim())
            .map_err(|why| ConfigError(format!("{source}: {key} cannot be used: {why}")))
    }

    /// A variable of the environment that is no key of this program; an empty one counts as not set.
    pub(super) fn variable(&self, name: &str) -> Option<String> {
        (self.env)(name).filter(|value| !value.is_empty())
    }

    /// The key's value, and where it comes from.
    fn take(&mut self, key: &str) -> Option<(String, String)> {
        let at = self
            .values
            .iter()
            .position(|(name, _)| name.eq_ignore_ascii_case(key));
        let in_file = at.map(|at| self.values.swap_remove(at).1.unwrap_or_default());
        match (self.variable(key), in_file) {
            (Some(value), _) => Some((value, "the environment".to_owned())),
            (None, Some(value)) => Some((value, self.file.clone())),
            (None, None) => None,
        }
    }

    pub(super) fn number(
        &mut self,
        key: &str,
        default: u32,
        range: RangeInclusive<u32>,
    ) -> Result<u32, ConfigError> {
        let allowed = format!("a whole number from {} to {}", range.start(), range.end());
        self.get(key, &allowed, default, |text| {
            text.parse().ok().filter(|number| range.contains(number))
        })
    }

    pub(super) fn size(
        &mut self,
        key: &str,
        default: usize,
        range: RangeInclusive<u32>,
    ) -> Result<usize, ConfigError> {
        // The defaults are small, and a usize has 32 bits at least.
        self.number(key, default as u32, range)
            .map(|size| size as usize)
    }

    pub(super) fn duration(
        &mut self,
        key: &str,
        default: Duration,
        millis: RangeInclusive<u64>,
    ) -> Result<Duration, ConfigError> {
        let range = Duration::from_millis(*millis.start())..=Duration::from_millis(*millis.end());
        let (from, to) = (range.start(), range.end());
        let allowed = format!("a duration such as 500ms, 2s or 1m, from {from:?} to {to:?}");
        self.get(key, &allowed, default, |text| {
            humantime::parse_duration(text)
                .ok()
                .filter(|duration| range.contains(duration))
        })
    }

    pub(super) fn into_warnings(mut self) -> Vec<String> {
        let mut unknown: Vec<String> = self.values.into_iter().map(|(key, _)| key).collect();
        unknown.sort();
        for key in unknown {
            let key = key.to_uppercase();
            self.warnings.push(format!(
                "{}: key {key} is unknown and passed over",
                self.file
            ));
        }
        self.warnings
    }
}

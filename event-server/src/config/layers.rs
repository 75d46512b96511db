//! The layers of the configuration, highest precedence first: flags, environment, file, default.

use std::fmt;

use configparser::ini::{Ini, IniDefault};

/// Why the configuration cannot be used. Displays as one sentence.
#[derive(Debug, PartialEq, Eq)]
pub struct ConfigError(pub(super) String);

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for ConfigError {}

/// The section that holds all keys, as the parser names it.
const SECTION: &str = "default";

/// Prefixes of variables that an orchestrator sets for a service named `server`.
const INJECTED: [&str; 2] = ["SERVER_SERVICE_", "SERVER_PORT_"];

/// Where a value came from. Displays as it is named in messages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// A flag of the command line, by its name.
    Flag(String),
    /// A variable of the environment.
    Environment,
    /// The configuration file, by its path.
    File(String),
    /// The default: no layer sets the key.
    Default,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flag(flag) => write!(f, "the argument {flag}"),
            Self::Environment => f.write_str("the environment"),
            Self::File(path) => f.write_str(path),
            Self::Default => f.write_str("default"),
        }
    }
}

/// A value that a flag of the command line sets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Flag {
    /// The flag, as it is written: `--port`.
    pub name: String,
    /// The key that it sets.
    pub key: String,
    /// Its value.
    pub value: String,
}

/// All values of all layers. Which keys exist is not known here.
#[derive(Debug)]
pub(super) struct Layers {
    flags: Vec<Flag>,
    environment: Vec<(String, String)>,
    path: String,
    file: Vec<(String, String)>,
    warnings: Vec<String>,
}

impl Layers {
    /// Collects the values of all layers; `text` is that of the file `path`.
    ///
    /// # Errors
    /// The text is no INI file.
    pub(super) fn read(
        flags: &[Flag],
        environment: impl IntoIterator<Item = (String, String)>,
        text: &str,
        path: &str,
    ) -> Result<Self, ConfigError> {
        // Editors of some systems begin a file with a byte order mark.
        let text = text.trim_start_matches('\u{feff}');
        let mut defaults: IniDefault = Ini::new().defaults();
        // `SERVER_DATA_DIR = /srv/a#1` is a path, not a path and a comment.
        defaults.enable_inline_comments = false;
        let mut ini = Ini::new_from_defaults(defaults);
        let sections = ini
            .read(text.to_owned())
            .map_err(|e| ConfigError(format!("{path}: {e}")))?;
        let mut layers = Self {
            flags: flags.to_vec(),
            environment: environment
                .into_iter()
                .filter(|(_, value)| !value.is_empty())
                .collect(),
            path: path.to_owned(),
            file: Vec::new(),
            warnings: repeated(text)
                .map(|key| format!("{path}: key {key} is given twice, the last value counts"))
                .collect(),
        };
        for (section, pairs) in sections {
            if section == SECTION {
                let pairs = pairs.into_iter();
                layers.file = pairs
                    .map(|(key, value)| (key.to_uppercase(), value.unwrap_or_default()))
                    .collect();
            } else {
                layers.warnings.push(format!(
                    "{path}: section [{section}] is unknown and passed over"
                ));
            }
        }
        Ok(layers)
    }

    /// Removes a key from all layers. Returns the value that wins, and where it came from.
    pub(super) fn take(&mut self, key: &str) -> Option<(String, Origin)> {
        let flag = self.flags.iter().rposition(|flag| flag.key == key);
        let flag = flag.map(|at| self.flags[at].clone());
        self.flags.retain(|flag| flag.key != key);
        let variable = self.variable(key);
        let at = self.file.iter().position(|(name, _)| name == key);
        let in_file = at.map(|at| self.file.swap_remove(at).1);
        flag.map(|flag| (flag.value, Origin::Flag(flag.name)))
            .or(variable.map(|value| (value, Origin::Environment)))
            .or(in_file.map(|value| (value, Origin::File(self.path.clone()))))
    }

    /// Removes a variable of the environment and returns its value. An empty one counts as not set.
    pub(super) fn variable(&mut self, name: &str) -> Option<String> {
        let at = self.environment.iter().position(|(key, _)| key == name)?;
        Some(self.environment.swap_remove(at).1)
    }

    /// Returns one sentence for each value, key or section that is ignored.
    ///
    /// # Errors
    /// A flag sets an unknown key.
    pub(super) fn into_warnings(mut self) -> Result<Vec<String>, ConfigError> {
        if let Some(flag) = self.flags.first() {
            let Flag { name, key, .. } = flag;
            return Err(ConfigError(format!(
                "the argument {name}: there is no key {key}; event-server config lists all"
            )));
        }
        self.file.sort();
        for (key, _) in &self.file {
            let path = &self.path;
            let warning = format!("{path}: key {key} is unknown and passed over");
            self.warnings.push(warning);
        }
        let ours = |name: &&str| name.starts_with("SERVER_") || name.starts_with("LOTTERY_");
        let names = self.environment.iter().map(|(name, _)| name.as_str());
        let mut names: Vec<&str> = names.filter(ours).collect();
        names.sort_unstable();
        let injected = |name: &&str| INJECTED.iter().any(|prefix| name.starts_with(prefix));
        let (injected, unknown): (Vec<&str>, Vec<&str>) = names.into_iter().partition(injected);
        for name in unknown {
            self.warnings.push(format!(
                "the environment: variable {name} is unknown and passed over"
            ));
        }
        if let [first, ..] = injected[..] {
            self.warnings.push(format!(
                "the environment: {first} and the like are passed over: an orchestrator sets them for a service of the name server"
            ));
        }
        Ok(self.warnings)
    }
}

/// Returns the keys that a section of an INI text has more than once, each once.
fn repeated(text: &str) -> impl Iterator<Item = String> {
    let (mut section, mut seen, mut repeated) = (String::new(), Vec::new(), Vec::new());
    for line in text.lines().map(str::trim) {
        if line.starts_with(['#', ';']) {
            continue;
        }
        if line.starts_with('[') {
            section = line.to_lowercase();
            continue;
        }
        let key = line.split(['=', ':']).next().unwrap_or_default().trim();
        let place = (section.clone(), key.to_uppercase());
        if key.is_empty() {
            continue;
        }
        if seen.contains(&place) && !repeated.contains(&place.1) {
            repeated.push(place.1.clone());
        }
        seen.push(place);
    }
    repeated.into_iter()
}

//! The configuration: the environment over the file, the file over the defaults.
//!
//! In come the text of `config.yaml`, its keys nested or dotted, and the variables that begin with `CLI_`;
//! out comes a [`Config`] whose every value is within its range, with a warning for each key that nobody
//! knows. Reads the file it is told to and nothing else.

use std::collections::BTreeMap;
use std::fmt;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::Duration;

use frame::Agency;
use frame::line::Level;
use serde_yaml::Value;

use crate::duration::GoDuration;

/// Where the configuration is looked for when nobody says.
pub const DEFAULT_FILE: &str = "config.yaml";

/// What the names of our environment variables begin with.
const PREFIX: &str = "CLI_";

/// Every key, and its default where there is one.
const KEYS: [(&str, Option<&str>); 11] = [
    ("id", None),
    ("server.address", Some("server:12345")),
    ("server.protocol", Some("resume")),
    ("server.timeout", Some("10s")),
    ("server.retry", Some("5m")),
    ("loop.amount", Some("5")),
    ("loop.period", Some("5s")),
    ("log.level", Some("INFO")),
    ("batch.maxAmount", Some("86")),
    ("batch.window", Some("64")),
    ("batch.file", Some("/data/agency.csv")),
];

const DAY: Duration = Duration::from_secs(24 * 3_600);
const YEAR: Duration = Duration::from_secs(365 * 24 * 3_600);

/// What the client is to do, and with whom.
#[derive(Clone, Debug)]
pub struct Config {
    /// `id`: which agency this is.
    pub agency: Agency,
    /// `server.*`
    pub server: Server,
    /// `loop.amount`: how many messages mode echo sends.
    pub loop_amount: u32,
    /// `loop.period`: the time between them, and between two questions to a server that says "not yet".
    pub loop_period: GoDuration,
    /// `log.level`: the lowest level that is written.
    pub log_level: Level,
    /// `batch.*`
    pub batch: Batch,
}

/// The central, and how patient to be with it.
#[derive(Clone, Debug)]
pub struct Server {
    /// `server.address`: `host:port`.
    pub address: String,
    /// `server.protocol`: what it speaks.
    pub protocol: Protocol,
    /// `server.timeout`: for a connect, and for a reply other than held winners.
    pub timeout: Duration,
    /// `server.retry`: how long to go on reconnecting without progress.
    pub retry: Duration,
}

/// What a server speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// All types of messages, with resumed uploads.
    Resume,
    /// Types 1 to 6, one request per connection.
    Plain,
}

/// The agency's bets, and how they are sent.
#[derive(Clone, Debug)]
pub struct Batch {
    /// `batch.maxAmount`: bets per batch, at least 1; a batch is closed by 8 kB as well.
    pub max_amount: u32,
    /// `batch.window`: batches in flight, at least 1.
    pub window: usize,
    /// `batch.file`: the agency's CSV file.
    pub file: PathBuf,
}

/// A configuration, and what in it was passed over.
#[derive(Debug)]
pub struct Loaded {
    /// The configuration.
    pub config: Config,
    /// One sentence for each unknown key.
    pub warnings: Vec<String>,
}

/// Why there is no configuration.
#[derive(Debug)]
pub enum ConfigError {
    /// The file cannot be read, or is no YAML mapping.
    File {
        /// Which file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// A key without a default is not set.
    Missing {
        /// Which key.
        key: &'static str,
        /// What it may be.
        allowed: &'static str,
    },
    /// A value outside its range.
    Invalid {
        /// Which key.
        key: &'static str,
        /// What it was set to.
        value: String,
        /// Where.
        origin: String,
        /// What it may be.
        allowed: &'static str,
    },
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File { path, reason } => {
                write!(f, "{} cannot be used: {reason}", path.display())
            }
            Self::Missing { key, allowed } => {
                let variable = variable(key);
                write!(f, "{key} is not set: set {variable} to {allowed}")
            }
            Self::Invalid {
                key,
                value,
                origin,
                allowed,
            } => write!(f, "{key} is \"{value}\" in {origin}: allowed is {allowed}"),
        }
    }
}

impl std::error::Error for ConfigError {}

impl Config {
    /// Reads the file and the variables. `file` is the one that the user named; without one, a missing
    /// [`DEFAULT_FILE`] is as good as an empty one. Variables without a value do not count.
    ///
    /// # Errors
    /// The file cannot be read, a value is outside its range, or `id` is not set.
    pub fn load(
        file: Option<&Path>,
        variables: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Loaded, ConfigError> {
        let path = file.unwrap_or(Path::new(DEFAULT_FILE));
        let text = match std::fs::read_to_string(path) {
            Ok(text) => text,
            Err(e) if e.kind() == ErrorKind::NotFound && file.is_none() => String::new(),
            Err(e) => return Err(unusable(path, e)),
        };
        let mut settings = Settings::default();
        settings.add_file(path, &text)?;
        settings.add_variables(variables);
        Ok(Loaded {
            config: settings.config()?,
            warnings: settings.warnings,
        })
    }
}

/// What was set, under the keys as [`KEYS`] writes them.
#[derive(Default)]
struct Settings {
    values: BTreeMap<&'static str, Setting>,
    warnings: Vec<String>,
}

struct Setting {
    value: String,
    origin: String,
}

impl Settings {
    fn add_file(&mut self, path: &Path, text: &str) -> Result<(), ConfigError> {
        let tree: Value = serde_yaml::from_str(text).map_err(|e| unusable(path, e))?;
        if !matches!(tree, Value::Null | Value::Mapping(_)) {
            return Err(unusable(path, "it is no list of keys and values"));
        }
        let origin = path.display().to_string();
        for (name, value) in flatten(tree).map_err(|reason| unusable(path, reason))? {
            match KEYS.iter().find(|(key, _)| key.eq_ignore_ascii_case(&name)) {
                Some((key, _)) => {
                    let origin = origin.clone();
                    if self.values.insert(key, Setting { value, origin }).is_some() {
                        return Err(unusable(path, format_args!("it sets {key} twice")));
                    }
                }
                None => self
                    .warnings
                    .push(format!("{origin} sets {name}, which nobody reads")),
            }
        }
        Ok(())
    }

    fn add_variables(&mut self, variables: impl IntoIterator<Item = (String, String)>) {
        for (name, value) in variables {
            if !name.starts_with(PREFIX) || value.is_empty() {
                continue;
            }
            match KEYS.iter().find(|(key, _)| variable(key) == name) {
                Some((key, _)) => {
                    let origin = format!("the variable {name}");
                    self.values.insert(key, Setting { value, origin });
                }
                None => self
                    .warnings
                    .push(format!("the variable {name} is set, which nobody reads")),
            }
        }
    }

    fn config(&self) -> Result<Config, ConfigError> {
        Ok(Config {
            agency: self.get("id", "a whole number from 1 to 4294967295", |v| {
                Agency::parse(v.as_bytes()).ok()
            })?,
            server: Server {
                address: self.get(
                    "server.address",
                    "host:port, the port from 1 to 65535",
                    address,
                )?,
                protocol: self.get("server.protocol", "resume or plain", protocol)?,
                timeout: self.get(
                    "server.timeout",
                    "a duration such as 10s, from 1ms to 24h",
                    |v| duration(v, Duration::from_millis(1), DAY).map(|d| d.length()),
                )?,
                retry: self.get(
                    "server.retry",
                    "a duration such as 5m, from 0s to 8760h",
                    |v| duration(v, Duration::ZERO, YEAR).map(|d| d.length()),
                )?,
            },
            loop_amount: self.get("loop.amount", "a whole number from 0 to 4294967295", |v| {
                number(v, 0, u32::MAX)
            })?,
            loop_period: self.get(
                "loop.period",
                "a duration such as 100ms, 1.5h or 1m30s, from 0s to 8760h",
                |v| duration(v, Duration::ZERO, YEAR),
            )?,
            log_level: self.get(
                "log.level",
                "DEBUG, INFO, NOTICE, WARNING, ERROR or CRITICAL",
                level,
            )?,
            batch: Batch {
                max_amount: self.get(
                    "batch.maxAmount",
                    "a whole number from 1 to 1000000",
                    |v| number(v, 1, 1_000_000),
                )?,
                window: self.get("batch.window", "a whole number from 1 to 1024", |v| {
                    number(v, 1, 1_024).map(|n| n as usize)
                })?,
                file: self.get("batch.file", "the path of a file", |v| {
                    (!v.is_empty()).then(|| v.into())
                })?,
            },
        })
    }

    fn get<T>(
        &self,
        key: &'static str,
        allowed: &'static str,
        parse: impl Fn(&str) -> Option<T>,
    ) -> Result<T, ConfigError> {
        let invalid = |value: &str, origin: &str| ConfigError::Invalid {
            key,
            value: value.to_owned(),
            origin: origin.to_owned(),
            allowed,
        };
        if let Some(Setting { value, origin }) = self.values.get(key) {
            return parse(value).ok_or_else(|| invalid(value, origin));
        }
        let default = KEYS.iter().find(|(name, _)| *name == key);
        match default.and_then(|(_, default)| *default) {
            Some(default) => parse(default).ok_or_else(|| invalid(default, "the defaults")),
            None => Err(ConfigError::Missing { key, allowed }),
        }
    }
}

/// The environment variable of a key.
fn variable(key: &str) -> String {
    format!("{PREFIX}{}", key.to_ascii_uppercase().replace('.', "_"))
}

fn unusable(path: &Path, reason: impl fmt::Display) -> ConfigError {
    ConfigError::File {
        path: path.to_owned(),
        reason: reason.to_string(),
    }
}

/// The leaves of a tree of mappings under their dotted names; those without a value are left out.
fn flatten(tree: Value) -> Result<Vec<(String, String)>, String> {
    let mut leaves = Vec::new();
    let mut waiting = vec![(String::new(), tree)];
    while let Some((name, value)) = waiting.pop() {
        match value {
            Value::Null => {}
            Value::Bool(value) => leaves.push((name, value.to_string())),
            Value::Number(value) => leaves.push((name, value.to_string())),
            Value::String(value) => leaves.push((name, value)),
            Value::Mapping(entries) => {
                for (key, value) in entries {
                    let Value::String(key) = key else {
                        return Err(format!("a key below \"{name}\" is no text"));
                    };
                    let dot = if name.is_empty() { "" } else { "." };
                    waiting.push((format!("{name}{dot}{key}"), value));
                }
            }
            Value::Sequence(_) | Value::Tagged(_) => {
                return Err(format!("{name} is no plain value"));
            }
        }
    }
    leaves.sort();
    Ok(leaves)
}

fn number(text: &str, min: u32, max: u32) -> Option<u32> {
    let number = frame::payload::parse_number(text.as_bytes())?;
    u32::try_from(number)
        .ok()
        .filter(|n| (min..=max).contains(n))
}

fn duration(text: &str, min: Duration, max: Duration) -> Option<GoDuration> {
    GoDuration::parse(text).filter(|d| (min..=max).contains(&d.length()))
}

fn address(text: &str) -> Option<String> {
    let (host, port) = text.rsplit_once(':')?;
    let host_is_plain = !host.is_empty() && !host.contains(char::is_whitespace);
    (host_is_plain && number(port, 1, 65_535).is_some()).then(|| text.to_owned())
}

fn protocol(text: &str) -> Option<Protocol> {
    match text {
        "resume" => Some(Protocol::Resume),
        "plain" => Some(Protocol::Plain),
        _ => None,
    }
}

fn level(text: &str) -> Option<Level> {
    Level::ALL
        .into_iter()
        .find(|level| level.name().eq_ignore_ascii_case(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(yaml: &str, variables: &[(&str, &str)]) -> Result<Loaded, String> {
        let mut settings = Settings::default();
        settings
            .add_file(Path::new("config.yaml"), yaml)
            .map_err(|e| e.to_string())?;
        settings.add_variables(
            variables
                .iter()
                .map(|(k, v)| (k.to_string(), v.to_string())),
        );
        Ok(Loaded {
            config: settings.config().map_err(|e| e.to_string())?,
            warnings: settings.warnings,
        })
    }

    #[test]
    fn every_key_but_the_id_has_a_default_that_works() {
        let config = load("id: 1", &[]).unwrap().config;
        assert_eq!(config.server.address, "server:12345");
        assert_eq!(config.server.protocol, Protocol::Resume);
        assert_eq!(config.server.timeout, Duration::from_secs(10));
        assert_eq!(config.server.retry, Duration::from_secs(300));
        assert_eq!((config.loop_amount, config.batch.max_amount), (5, 86));
        assert_eq!(config.loop_period.to_string(), "5s");
        assert_eq!(config.log_level, Level::Info);
        assert_eq!(config.batch.window, 64);
        assert_eq!(config.batch.file, Path::new("/data/agency.csv"));
        assert_eq!(
            load("", &[]).unwrap_err(),
            "id is not set: set CLI_ID to a whole number from 1 to 4294967295"
        );
    }

    #[test]
    fn the_environment_wins_over_the_file_whose_keys_are_nested_or_dotted() {
        let yaml = "id: \"7\"\nserver:\n  address: a:1\n  protocol: plain\nloop.amount: 3\nloop:\n  period: 1m30s\nlog: {level: debug}\nbatch:\n  maxAmount: 10\n  file:\n";
        let config = load(
            yaml,
            &[
                ("CLI_ID", "8"),
                ("CLI_BATCH_MAXAMOUNT", "20"),
                ("CLI_LOOP_PERIOD", ""),
            ],
        )
        .unwrap()
        .config;
        assert_eq!((config.agency.get(), config.batch.max_amount), (8, 20));
        assert_eq!(config.server.address, "a:1");
        assert_eq!(config.server.protocol, Protocol::Plain);
        assert_eq!((config.loop_amount, config.log_level), (3, Level::Debug));
        assert_eq!(config.loop_period.to_string(), "1m30s");
        assert_eq!(config.batch.file, Path::new("/data/agency.csv"));
    }

    #[test]
    fn a_value_outside_its_range_is_named_with_its_key_and_what_is_allowed() {
        for (key, value) in [
            ("id", "0"),
            ("id", "agency"),
            ("id", "4294967296"),
            ("server.address", "12345"),
            ("server.address", ":12345"),
            ("server.address", "server:0"),
            ("server.address", "server:65536"),
            ("server.protocol", "other"),
            ("server.timeout", "0s"),
            ("server.timeout", "25h"),
            ("server.retry", "5"),
            ("loop.amount", "-1"),
            ("loop.amount", "4294967296"),
            ("loop.period", "five"),
            ("log.level", "LOUD"),
            ("batch.maxAmount", "0"),
            ("batch.maxAmount", "1.5"),
            ("batch.window", "1025"),
        ] {
            let expected = |origin: &str| format!("{key} is \"{value}\" in {origin}: allowed is ");
            let id = if key == "id" { "" } else { "id: 1\n" };
            let error = load(&format!("{id}{key}: \"{value}\""), &[]).unwrap_err();
            assert!(error.starts_with(&expected("config.yaml")), "{error}");
            let name = variable(key);
            let error = load("id: 1", &[(&name, value)]).unwrap_err();
            assert!(
                error.starts_with(&expected(&format!("the variable {name}"))),
                "{error}"
            );
        }
    }

    #[test]
    fn unknown_keys_are_warned_about_and_their_values_not_told() {
        let loaded = load(
            "id: 1\nserver: {adress: x}\n",
            &[("CLI_NAME", "y"), ("PATH", "z")],
        )
        .unwrap();
        assert_eq!(
            loaded.warnings,
            [
                "config.yaml sets server.adress, which nobody reads",
                "the variable CLI_NAME is set, which nobody reads"
            ]
        );
    }

    #[test]
    fn a_file_that_is_no_mapping_of_plain_values_cannot_be_used() {
        for yaml in [
            "- id",
            "id",
            "id: [1]",
            "id: 1\nid: 2",
            "1: 2",
            "id: {",
            "log.level: INFO\nlog: {level: INFO}",
        ] {
            let error = load(yaml, &[]).unwrap_err();
            assert!(error.starts_with("config.yaml cannot be used: "), "{error}");
        }
    }
}

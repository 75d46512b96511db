//! Which value each key has, and what set it: a flag, a variable of the environment, the file or the defaults; and why a
//! configuration cannot be used.
//!
//! Flags, variables, file and defaults are layers: a layer that is added later wins over those before it. Knows no allowed
//! values: the caller gives the function that reads a value.

use std::collections::BTreeMap;
use std::fmt;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use frame::small_file;

use super::keys::{KEYS, Key, PREFIX, variable};
use super::yaml::{self, Value};

/// The configuration file, where the user names none.
pub const DEFAULT_FILE: &str = "config.yaml";

/// What gave a key its value. Displays as words for an error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Nothing: it is the default.
    Default,
    /// The configuration file.
    File(PathBuf),
    /// The variable of the environment with this name.
    Variable(String),
    /// The command line: the flag, as it was written.
    Flag(String),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("the defaults"),
            Self::File(path) => path.display().fmt(f),
            Self::Variable(name) => write!(f, "the variable {name}"),
            Self::Flag(flag) => write!(f, "the argument {flag}"),
        }
    }
}

/// A value that the command line gives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Flag {
    /// How the command line names it: `--id`.
    pub flag: String,
    /// The key that it sets, in any case.
    pub key: String,
    /// The value.
    pub value: String,
}

/// The value of each key that is set.
#[derive(Debug, Default)]
pub struct Settings {
    values: BTreeMap<&'static str, Setting>,
    warnings: Vec<String>,
}

#[derive(Debug)]
struct Setting {
    value: String,
    origin: Origin,
}

impl Settings {
    /// Reads the file, the variables and the flags, each of which wins over those before it. `file` is the file that the
    /// user named. Without it [`DEFAULT_FILE`] is read, where there is one. An empty variable counts as not set.
    ///
    /// # Errors
    /// The file cannot be read, or a flag sets an unknown key.
    pub fn read(
        file: Option<&Path>,
        variables: impl IntoIterator<Item = (String, String)>,
        flags: impl IntoIterator<Item = Flag>,
    ) -> Result<Self, ConfigError> {
        let mut settings = Self::default();
        settings.add_file(file)?;
        settings.add_variables(variables);
        settings.add_flags(flags)?;
        Ok(settings)
    }

    /// Returns one sentence for each unknown key, and for each one that is set twice by the same layer.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// Returns every key with the value that is in force, secrets masked, and what set it. The value is `None` where the
    /// key has no default and nothing sets it.
    pub fn in_force(&self) -> impl Iterator<Item = (&'static str, Option<String>, Origin)> {
        KEYS.iter().map(|key| match self.values.get(key.name) {
            Some(Setting { value, origin }) => (key.name, Some(masked(value)), origin.clone()),
            None => (key.name, key.default.map(str::to_owned), Origin::Default),
        })
    }

    /// Adds the values of the file. Its keys may be nested, or written with dots, and upper case and lower case are the
    /// same.
    fn add_file(&mut self, named: Option<&Path>) -> Result<(), ConfigError> {
        let path = named.unwrap_or(Path::new(DEFAULT_FILE));
        let text = match small_file::read_text(path) {
            Ok(text) => text,
            Err(e) if e.kind() == ErrorKind::NotFound && named.is_none() => return Ok(()),
            Err(e) => return Err(ConfigError::file(path, e)),
        };
        let entries = yaml::entries(&text).map_err(|reason| ConfigError::file(path, reason))?;
        let shown = path.display();
        let mut seen = Vec::new();
        for (name, value) in entries {
            match known(&name) {
                None => self
                    .warnings
                    .push(format!("{shown} sets {name}, which is not a known key")),
                Some(key) => {
                    if seen.contains(&key.name) {
                        self.warn_twice(&shown, key.name);
                    }
                    seen.push(key.name);
                    let value = match value {
                        Value::Scalar(_) if key.is_text() => {
                            let name = key.name;
                            return Err(ConfigError::file(
                                path,
                                format!(
                                    "{name} is a number or a truth value, and a text is needed: put it in quotes"
                                ),
                            ));
                        }
                        Value::Text(value) | Value::Scalar(value) => value,
                    };
                    self.set(key, value, Origin::File(path.to_owned()));
                }
            }
        }
        Ok(())
    }

    /// Adds the variables that begin with `CLI_` and are not empty.
    fn add_variables(&mut self, variables: impl IntoIterator<Item = (String, String)>) {
        for (name, value) in variables {
            if !name.starts_with(PREFIX) || value.is_empty() {
                continue;
            }
            match KEYS.iter().find(|key| variable(key.name) == name) {
                Some(key) => self.set(key, value, Origin::Variable(name)),
                None => self.warnings.push(format!(
                    "the variable {name} is set, but is not the variable of a known key"
                )),
            }
        }
    }

    fn add_flags(&mut self, flags: impl IntoIterator<Item = Flag>) -> Result<(), ConfigError> {
        let mut seen = Vec::new();
        for Flag { flag, key, value } in flags {
            let Some(key) = known(&key) else {
                return Err(ConfigError::UnknownKey { flag });
            };
            if seen.contains(&key.name) {
                self.warn_twice(&"the command line", key.name);
            }
            seen.push(key.name);
            self.set(key, value, Origin::Flag(flag));
        }
        Ok(())
    }

    fn warn_twice(&mut self, place: &dyn fmt::Display, key: &str) {
        let warning = format!("{place} sets {key} twice; the last value counts");
        self.warnings.push(warning);
    }

    fn set(&mut self, key: &Key, value: String, origin: Origin) {
        self.values.insert(key.name, Setting { value, origin });
    }

    /// Returns the value of a key, or else its default, as `parse` reads it.
    pub(super) fn get<T>(
        &self,
        name: &'static str,
        parse: impl Fn(&str) -> Option<T>,
    ) -> Result<T, ConfigError> {
        let default = KEYS.iter().find(|key| key.name == name);
        self.get_or(name, default.and_then(|key| key.default), parse)
    }

    /// Returns the value of a key, or else this default, as `parse` reads it.
    pub(super) fn get_or<T>(
        &self,
        name: &'static str,
        default: Option<&str>,
        parse: impl Fn(&str) -> Option<T>,
    ) -> Result<T, ConfigError> {
        let key = KEYS.iter().find(|key| key.name == name);
        let allowed = key.map_or("", |key| key.allowed);
        let (value, origin) = match (self.values.get(name), default) {
            (Some(setting), _) => (setting.value.as_str(), setting.origin.clone()),
            (None, Some(default)) => (default, Origin::Default),
            (None, None) => return Err(ConfigError::Missing { key: name, allowed }),
        };
        parse(value).ok_or_else(|| ConfigError::Invalid {
            key: name,
            value: masked(value),
            origin: origin.to_string(),
            allowed,
        })
    }
}

/// Returns the key of this name, in upper or lower case.
fn known(name: &str) -> Option<&'static Key> {
    KEYS.iter().find(|key| key.name.eq_ignore_ascii_case(name))
}

/// Returns the value with `***` for a password as URLs have them: `http://user:password@host`.
fn masked(value: &str) -> String {
    let masked = value.split(',').map(|part| {
        let Some((user, host)) = part.rsplit_once('@') else {
            return part.to_owned();
        };
        let begin = user.find("://").map_or(0, |at| at + "://".len());
        let (scheme, user) = user.split_at(begin);
        match user.split_once(':') {
            Some((name, _)) => format!("{scheme}{name}:***@{host}"),
            None => part.to_owned(),
        }
    });
    masked.collect::<Vec<_>>().join(",")
}

/// Why a configuration cannot be used. Displays as one sentence.
#[derive(Debug)]
pub enum ConfigError {
    /// The file cannot be read, or is not a YAML mapping.
    File {
        /// The path of the file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// A key without a default is not set.
    Missing {
        /// The name of the key.
        key: &'static str,
        /// The values that it may have.
        allowed: &'static str,
    },
    /// A value is not allowed.
    Invalid {
        /// The name of the key.
        key: &'static str,
        /// Its value.
        value: String,
        /// What set it.
        origin: String,
        /// The values that it may have.
        allowed: &'static str,
    },
    /// A value is not text in UTF-8.
    NotUtf8 {
        /// What sets it.
        origin: String,
    },
    /// The command line sets an unknown key.
    UnknownKey {
        /// The argument that sets it.
        flag: String,
    },
    /// A file of mutual TLS cannot be read, or does not hold what it should.
    Tls {
        /// The key that names it.
        key: &'static str,
        /// The path of the file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File { path, reason } => {
                write!(f, "{} cannot be used: {reason}", path.display())
            }
            Self::NotUtf8 { origin } => write!(
                f,
                "the value of {origin} is not text in UTF-8: rename a file whose name is not, or give what it holds on standard input (-)"
            ),
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
            Self::UnknownKey { flag } => write!(
                f,
                "the argument {flag} names no known key: batch-client config lists all keys"
            ),
            Self::Tls { key, path, reason } => {
                write!(f, "{key}: {} cannot be used: {reason}", path.display())
            }
        }
    }
}

impl std::error::Error for ConfigError {}

impl ConfigError {
    fn file(path: &Path, reason: impl fmt::Display) -> Self {
        Self::File {
            path: path.to_owned(),
            reason: reason.to_string(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_masked_and_everything_else_is_shown_as_it_is() {
        for (value, shown) in [
            ("tcp://ana:s3cret:x@host:1", "tcp://ana:***@host:1"),
            ("ana:s@cret@host:1,b:2", "ana:***@host:1,b:2"),
            ("ana@host:1", "ana@host:1"),
            ("/data/a,b:c.csv", "/data/a,b:c.csv"),
            ("host:1,[::1]:2", "host:1,[::1]:2"),
        ] {
            assert_eq!(masked(value), shown);
        }
    }
}

//! What was set where: the leaves of a YAML file and the environment's variables, under known keys.
//!
//! The only file that names `serde_yaml`. Knows no range: whoever asks for a value brings its parser.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use serde_yaml::Value;

use super::ConfigError;

/// What the names of our environment variables begin with.
const PREFIX: &str = "CLI_";

/// A key of the configuration, as its documentation has it.
pub(super) struct Key {
    pub(super) name: &'static str,
    /// What it is where nobody sets it.
    pub(super) default: Option<&'static str>,
    /// What it may be, for people.
    pub(super) allowed: &'static str,
}

/// The values of keys, the last one set of each.
pub(super) struct Settings {
    keys: &'static [Key],
    values: BTreeMap<&'static str, Setting>,
    /// One sentence for each unknown key.
    pub(super) warnings: Vec<String>,
}

struct Setting {
    value: String,
    origin: String,
}

impl Settings {
    pub(super) fn new(keys: &'static [Key]) -> Self {
        Self {
            keys,
            values: BTreeMap::new(),
            warnings: Vec::new(),
        }
    }

    /// Adds the leaves of a YAML file, whose keys may be nested or dotted, in any case.
    pub(super) fn add_file(&mut self, path: &Path, text: &str) -> Result<(), ConfigError> {
        let tree: Value = serde_yaml::from_str(text).map_err(|e| unusable(path, e))?;
        if !matches!(tree, Value::Null | Value::Mapping(_)) {
            return Err(unusable(path, "it is no list of keys and values"));
        }
        let origin = path.display().to_string();
        for (name, value) in flatten(tree).map_err(|reason| unusable(path, reason))? {
            let known = |key: &&Key| key.name.eq_ignore_ascii_case(&name);
            let Some(key) = self.keys.iter().find(known) else {
                let warning = format!("{origin} sets {name}, which nobody reads");
                self.warnings.push(warning);
                continue;
            };
            let origin = origin.clone();
            if self
                .values
                .insert(key.name, Setting { value, origin })
                .is_some()
            {
                let reason = format!("it sets {} twice", key.name);
                return Err(unusable(path, reason));
            }
        }
        Ok(())
    }

    /// Adds the variables that are ours and not empty, over the file's values.
    pub(super) fn add_variables(&mut self, variables: impl IntoIterator<Item = (String, String)>) {
        for (name, value) in variables {
            if !name.starts_with(PREFIX) || value.is_empty() {
                continue;
            }
            let origin = format!("the variable {name}");
            match self.keys.iter().find(|key| variable(key.name) == name) {
                Some(key) => {
                    self.values.insert(key.name, Setting { value, origin });
                }
                None => self
                    .warnings
                    .push(format!("{origin} is set, which nobody reads")),
            }
        }
    }

    /// The value of a known key, or else its default, as `parse` reads it.
    pub(super) fn get<T>(
        &self,
        name: &'static str,
        parse: impl Fn(&str) -> Option<T>,
    ) -> Result<T, ConfigError> {
        let key = self.keys.iter().find(|key| key.name == name);
        let (default, allowed) = key.map_or((None, ""), |key| (key.default, key.allowed));
        let (value, origin) = match (self.values.get(name), default) {
            (Some(setting), _) => (setting.value.as_str(), setting.origin.as_str()),
            (None, Some(default)) => (default, "the defaults"),
            (None, None) => return Err(ConfigError::Missing { key: name, allowed }),
        };
        parse(value).ok_or_else(|| ConfigError::Invalid {
            key: name,
            value: value.to_owned(),
            origin: origin.to_owned(),
            allowed,
        })
    }
}

/// The environment variable of a key.
pub(super) fn variable(key: &str) -> String {
    format!("{PREFIX}{}", key.to_ascii_uppercase().replace('.', "_"))
}

pub(super) fn unusable(path: &Path, reason: impl fmt::Display) -> ConfigError {
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

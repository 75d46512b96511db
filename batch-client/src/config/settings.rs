//! Which value each key has and what set it: the YAML file or a variable of the environment.
//!
//! The only file that names `serde_yaml`. Knows no allowed values: the caller gives the function that reads a value.

use std::collections::BTreeMap;
use std::path::Path;

use serde_yaml::Value;

use super::error::ConfigError;
use super::keys::{Key, PREFIX, variable};

/// The value of each key that is set. A value that is added later replaces one that was added before.
pub(super) struct Settings {
    keys: &'static [Key],
    values: BTreeMap<&'static str, Setting>,
    /// One sentence for each key that is not known.
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

    /// Adds the values of a YAML file. Its keys may be nested, or written with dots, and upper case and lower case are the
    /// same.
    pub(super) fn add_file(&mut self, path: &Path, text: &str) -> Result<(), ConfigError> {
        let tree: Value = serde_yaml::from_str(text).map_err(|e| ConfigError::file(path, e))?;
        if !matches!(tree, Value::Null | Value::Mapping(_)) {
            return Err(ConfigError::file(
                path,
                "it is not a list of keys and values",
            ));
        }
        let origin = path.display().to_string();
        for (name, value) in flatten(tree).map_err(|reason| ConfigError::file(path, reason))? {
            let known = |key: &&Key| key.name.eq_ignore_ascii_case(&name);
            let Some(key) = self.keys.iter().find(known) else {
                let warning = format!("{origin} sets {name}, which is not a known key");
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
                return Err(ConfigError::file(path, reason));
            }
        }
        Ok(())
    }

    /// Adds the variables that begin with `CLI_` and are not empty.
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
                None => self.warnings.push(format!(
                    "{origin} is set, but is not the variable of a known key"
                )),
            }
        }
    }

    /// The value of a key, or else its default, as `parse` reads it.
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

/// The values in a tree of mappings, each with its path as a name with dots; keys without a value are left out.
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
                        return Err(format!("a key below \"{name}\" is not a text"));
                    };
                    let dot = if name.is_empty() { "" } else { "." };
                    waiting.push((format!("{name}{dot}{key}"), value));
                }
            }
            Value::Sequence(_) | Value::Tagged(_) => {
                return Err(format!("{name} is not a single value"));
            }
        }
    }
    leaves.sort();
    Ok(leaves)
}

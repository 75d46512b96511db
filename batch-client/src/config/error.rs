//! Why a configuration cannot be used. Each error displays as one sentence.

use std::fmt;
use std::path::{Path, PathBuf};

use super::keys::variable;

/// Why there is no configuration.
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
    /// The command line sets a key that is not known.
    UnknownKey {
        /// The argument that does.
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
    pub(super) fn file(path: &Path, reason: impl fmt::Display) -> Self {
        Self::File {
            path: path.to_owned(),
            reason: reason.to_string(),
        }
    }
}

//! The keys of the store: `SERVER_STORE` and what goes with it.

use std::path::PathBuf;
use std::time::Duration;

use frame::small_file;

use super::error::ConfigError;
use super::keys::Keys;
use super::layers::Source;
use super::limits::CommitKind;
use super::name::{ALLOWED, parse as parse_name};
use crate::store::local::Durability;
use crate::store::postgres::{CommitMode, DatabaseUrl, LinkOptions, Secret, masked};

/// Why a password may not stand in an argument.
const SHOWN: &str = "every user of this machine can read a password in an argument: put it into the variable PGPASSWORD, \
                     into the file that SERVER_STORE_PASSWORD_FILE names, or write SERVER_STORE into config.ini";

/// Where bets are kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StoreConfig {
    /// In a folder of this machine.
    Files {
        /// `SERVER_DATA_DIR`.
        data_dir: PathBuf,
        /// `SERVER_DURABILITY`.
        durability: Durability,
    },
    /// In a database.
    Postgres(LinkOptions),
}

/// `SERVER_DURABILITY`, before it is known for which store.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Wanted {
    Always,
    Never,
    Replicated,
}

impl StoreConfig {
    /// Reads the keys; all of them in any case, so that none passes for unknown.
    ///
    /// # Errors
    /// A value is not allowed, or the password's file cannot be read.
    pub(super) fn read(
        keys: &mut Keys,
        agencies: u32,
        central: String,
    ) -> Result<Self, ConfigError> {
        let data_dir = keys.get("SERVER_DATA_DIR", "a folder's path", "data", |text| {
            (!text.is_empty()).then(|| PathBuf::from(text))
        })?;
        let wanted = keys.get(
            "SERVER_DURABILITY",
            "always, never or replicated",
            "always",
            |text| match text {
                "always" => Some(Wanted::Always),
                "never" => Some(Wanted::Never),
                "replicated" => Some(Wanted::Replicated),
                _ => None,
            },
        )?;
        let parse = |text: &str, source: &Source| match (text, source) {
            ("files", _) => Ok(None),
            (url, Source::Flag(_)) => match DatabaseUrl::parse(url)? {
                url if url.password.is_some() => Err(SHOWN.to_owned()),
                url => Ok(Some(url)),
            },
            (url, _) => DatabaseUrl::parse(url).map(Some),
        };
        let url = keys.secret("SERVER_STORE", "files", parse, masked)?;
        let password_file =
            keys.optional("SERVER_STORE_PASSWORD_FILE", "a file's path", |text| {
                Some(PathBuf::from(text))
            })?;
        let timeout = keys.duration(
            "SERVER_STORE_TIMEOUT",
            Duration::from_secs(10),
            100..=600_000,
        )?;
        let lottery = keys.get("SERVER_LOTTERY", ALLOWED, "lottery", parse_name)?;
        let Some(mut url) = url else {
            let durability = match wanted {
                Wanted::Always => Durability::Always,
                Wanted::Never => Durability::Never,
                Wanted::Replicated => {
                    return Err(ConfigError(
                        "SERVER_DURABILITY is replicated, and SERVER_STORE keeps bets in files of this machine: \
                         set SERVER_STORE to a postgresql:// URL, or SERVER_DURABILITY to always"
                            .to_owned(),
                    ));
                }
            };
            return Ok(Self::Files {
                data_dir,
                durability,
            });
        };
        if url.password.is_none() {
            url.password = match (keys.variable("PGPASSWORD"), password_file) {
                (Some(password), _) => Some(Secret(password)),
                (None, Some(path)) => {
                    let password = small_file::read_text(&path).map_err(|e| {
                        let path = path.display();
                        ConfigError(format!("SERVER_STORE_PASSWORD_FILE: {path}: {e}"))
                    })?;
                    Some(Secret(password.trim_end_matches(['\r', '\n']).to_owned()))
                }
                (None, None) => None,
            };
        }
        Ok(Self::Postgres(LinkOptions {
            url,
            lottery,
            central,
            agencies,
            commit: match wanted {
                Wanted::Always => CommitMode::AsSet,
                Wanted::Never => CommitMode::Off,
                Wanted::Replicated => CommitMode::Replicated,
            },
            timeout,
        }))
    }

    /// How a commit goes.
    pub(super) fn commit_kind(&self) -> CommitKind {
        match self {
            Self::Files {
                durability: Durability::Always,
                ..
            } => CommitKind::Synced,
            Self::Files {
                durability: Durability::Never,
                ..
            } => CommitKind::Unsynced,
            Self::Postgres(_) => CommitKind::Remote,
        }
    }
}

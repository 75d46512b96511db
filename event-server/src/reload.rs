//! What a running central reads again, when SIGHUP asks for it: the files of mutual TLS, the authority and the password of a
//! database, and the level of the log.
//!
//! In come the places that the configuration came from; out comes all that is new, or one sentence about the first file that is
//! wrong, and then nothing has changed. Every other key needs a restart: one that has another value is warned about.

use std::fs;
use std::path::{Path, PathBuf};

use frame::log::Level;

use crate::config::{DEFAULT_FILE, Loaded, Setting, Sources, StoreConfig, TlsFiles};
use crate::report;
use crate::store::postgres::Access;
use crate::tls::TlsAcceptor;

/// The key of the lowest level that is logged: in force at once.
const LEVEL: &str = "LOGGING_LEVEL";

/// The key of the file that holds the database's password: in force from the next session on.
const PASSWORD_FILE: &str = "SERVER_STORE_PASSWORD_FILE";

/// What the keys of mutual TLS begin with: in force at once, but for whether it is on.
const TLS: &str = "SERVER_TLS_";

/// Reads again what may change while the central runs.
pub struct Reload {
    sources: Sources,
    /// What was in force at the start.
    settings: Vec<Setting>,
    /// Frames are exchanged over TLS; whether they are, does not change.
    with_tls: bool,
    /// What sessions with a database begin with.
    database: Option<Access>,
}

/// What was read again.
pub struct Fresh {
    /// The lowest level that is logged.
    pub level: Level,
    /// Where sessions begin; `None` without TLS.
    pub acceptor: Option<TlsAcceptor>,
}

impl Reload {
    /// Begins with what was loaded at the start. `database`: what its sessions begin with.
    pub fn new(sources: Sources, loaded: &Loaded, database: Option<Access>) -> Self {
        Self {
            sources,
            settings: loaded.settings.clone(),
            with_tls: loaded.config.tls.is_some(),
            database,
        }
    }

    /// Reads everything again. What sessions with a database begin with is in force at once, the rest is returned.
    ///
    /// # Errors
    /// A file cannot be used: one sentence. Nothing has changed.
    pub fn read(&self) -> Result<Fresh, String> {
        let settings = self.sources.file.as_deref();
        expect_plain([settings.unwrap_or(Path::new(DEFAULT_FILE))])?;
        expect_plain(self.setting(PASSWORD_FILE).map(Path::new))?;
        let loaded = self.sources.load().map_err(|e| e.to_string())?;
        let acceptor = match &loaded.config.tls {
            Some(files) if self.with_tls => Some(open(files)?),
            _ => None,
        };
        if let Some(access) = &self.database {
            expect_plain(access.files())?;
            access.read_again(match &loaded.config.store {
                StoreConfig::Postgres(options) => Some(&options.url),
                StoreConfig::Files { .. } => None,
            })?;
        }
        for warning in &loaded.warnings {
            report::config_warning(warning);
        }
        for key in self.waiting(&loaded) {
            report::config_warning(&format!(
                "{key} has another value than at the start, which is in force after a restart"
            ));
        }
        Ok(Fresh {
            level: loaded.config.logging_level,
            acceptor,
        })
    }

    /// Returns what a key was set to at the start.
    fn setting(&self, key: &str) -> Option<&str> {
        let setting = self.settings.iter().find(|setting| setting.key == key)?;
        Some(&setting.value)
            .filter(|value| !value.is_empty())
            .map(String::as_str)
    }

    /// Returns the keys that have another value than at the start, which a reload does not put in force.
    fn waiting(&self, loaded: &Loaded) -> impl Iterator<Item = &'static str> {
        let switches_tls = loaded.config.tls.is_some() != self.with_tls;
        let changed = loaded.settings.iter().filter(|now| {
            let mut settings = self.settings.iter();
            settings.any(|then| then.key == now.key && then.value != now.value)
        });
        changed.map(|now| now.key).filter(move |key| {
            let is_in_force =
                matches!(*key, LEVEL | PASSWORD_FILE) || key.starts_with(TLS) && !switches_tls;
            !is_in_force
        })
    }
}

/// Refuses files that are there and not plain: the loop must not wait for whoever writes into a pipe.
fn expect_plain<'p>(paths: impl IntoIterator<Item = &'p Path>) -> Result<(), String> {
    for path in paths {
        if fs::metadata(path).is_ok_and(|metadata| !metadata.is_file()) {
            return Err(format!(
                "{} is no plain file: reading it could keep the central waiting",
                path.display()
            ));
        }
    }
    Ok(())
}

fn open(files: &TlsFiles) -> Result<TlsAcceptor, String> {
    let TlsFiles {
        cert,
        key,
        client_ca,
    } = files;
    expect_plain([cert, key, client_ca].map(PathBuf::as_path))?;
    TlsAcceptor::open(files).map_err(|e| e.to_string())
}

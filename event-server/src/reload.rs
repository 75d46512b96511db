//! What a running central reads again, when SIGHUP asks for it: the files of mutual TLS, the authority and the password of a
//! database, and the level of the log.
//!
//! It takes the places that the configuration came from, and returns all that is new; or one sentence about the first
//! file that cannot be used, and then nothing has changed. Every other key needs a restart: a warning names each that
//! has a new value.

use frame::log::Level;
use frame::small_file;

use crate::config::{Loaded, Setting, Sources, StoreConfig};
use crate::report;
use crate::store::postgres::Access;
use crate::tls::TlsAcceptor;

/// The key of the lowest level that is logged: a new value is in force at once.
const LEVEL: &str = "LOGGING_LEVEL";

/// The key of the file that holds the database's password: a new one is in force from the next session on.
const PASSWORD_FILE: &str = "SERVER_STORE_PASSWORD_FILE";

/// What the keys of mutual TLS begin with: new values are in force at once, but they do not switch TLS on or off.
const TLS: &str = "SERVER_TLS_";

/// Reads again what may change while the central runs.
pub struct Reload {
    sources: Sources,
    /// What was in force at the start.
    settings: Vec<Setting>,
    /// Frames are exchanged over TLS. A reload does not change that.
    with_tls: bool,
    /// The authority and the passwords that sessions with a database begin with.
    database: Option<Access>,
}

/// What was read again.
pub struct Fresh {
    /// The lowest level that is logged.
    pub level: Level,
    /// Begins TLS sessions; `None` without TLS.
    pub acceptor: Option<TlsAcceptor>,
}

impl Reload {
    /// Begins with what was loaded at the start. `database` is what sessions with it begin with, if there is one.
    pub fn new(sources: Sources, loaded: &Loaded, database: Option<Access>) -> Self {
        Self {
            sources,
            settings: loaded.settings.clone(),
            with_tls: loaded.config.tls.is_some(),
            database,
        }
    }

    /// Reads everything again, from regular files alone: the loop must not wait for the writer of a pipe. The
    /// database's authority and passwords are in force at once, the rest is returned.
    ///
    /// # Errors
    /// One sentence about the first file that cannot be used. Nothing has changed.
    pub fn read(&self) -> Result<Fresh, String> {
        let loaded = self.sources.load(small_file::read_regular);
        let loaded = loaded.map_err(|e| e.to_string())?;
        let files = loaded.config.tls.as_ref().filter(|_| self.with_tls);
        let acceptor = files.map(|files| TlsAcceptor::open(files, small_file::read_regular));
        let acceptor = acceptor.transpose().map_err(|e| e.to_string())?;
        if let Some(access) = &self.database {
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

    /// Returns the keys whose values have changed since the start and need a restart.
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

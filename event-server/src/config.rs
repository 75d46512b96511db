//! The configuration: flags over the environment over `config.ini` over defaults.
//!
//! Every key has a range; a value outside it is an error that names key, value, where it came from and what is allowed.
//! An unknown key is a warning, or an error if a flag sets it. Opens no files but config.ini and those that may hold
//! the database's password.

mod central;
mod keys;
mod layers;
mod store;

use std::io::ErrorKind;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use frame::log::{Format, Level};
use frame::{Number, small_file};

pub use self::central::TlsFiles;
use self::keys::Keys;
pub use self::keys::Setting;
use self::layers::Layers;
pub use self::layers::{ConfigError, Flag, Origin};
pub use self::store::StoreConfig;
use crate::limits::Limits;
use crate::lottery::MAX_AGENCIES;

/// The configuration file if no other one is named.
pub const DEFAULT_FILE: &str = "config.ini";

/// All values of the configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// `SERVER_BIND` and `SERVER_PORT`: where to listen; port 0 lets the system choose.
    pub address: SocketAddr,
    /// `SERVER_LISTEN_BACKLOG`: passed to listen(2).
    pub listen_backlog: u32,
    /// `SERVER_NAME`: the name that tells this central from others.
    pub name: String,
    /// `SERVER_HTTP`: where the HTTP port listens; `None`: it is off.
    pub http: Option<SocketAddr>,
    /// `SERVER_TRACE`: the file of a trace that begins with the central; `None`: none begins.
    pub trace: Option<PathBuf>,
    /// `SERVER_TRACE_BYTES`: the largest size of a trace, in bytes.
    pub trace_bytes: u64,
    /// The host names that requests to the HTTP port may name: the host's, `SERVER_NAME` and those of
    /// `SERVER_HTTP_HOSTS`.
    pub http_hosts: Vec<String>,
    /// `LOGGING_LEVEL`: the lowest level that is logged.
    pub logging_level: Level,
    /// `LOGGING_FORMAT`: log lines as text or as JSON.
    pub logging_format: Format,
    /// `SERVER_AGENCIES`: 1 to this number take part; 0: anyone, no draw.
    pub agencies: u32,
    /// `SERVER_STORE`, and the keys that go with it.
    pub store: StoreConfig,
    /// `SERVER_MAX_…`, `SERVER_TURN_…` and `SERVER_IDLE_TIMEOUT`.
    pub limits: Limits,
    /// `SERVER_SHUTDOWN_GRACE`: how long a server that stops waits for its connections to end.
    pub shutdown_grace: Duration,
    /// `LOTTERY_WINNER_NUMBER`: the number that wins.
    pub winner: Number,
    /// `SERVER_TLS_…`: the files of mutual TLS; `None`: frames are exchanged in the clear.
    pub tls: Option<TlsFiles>,
}

/// The places that a configuration is read from. A reload reads them again: the file may have changed.
#[derive(Clone)]
pub struct Sources {
    /// The file that a flag names; `None`: [`DEFAULT_FILE`], which may be missing.
    pub file: Option<PathBuf>,
    /// The variables of the environment, which do not change while the program runs.
    pub environment: Vec<(String, String)>,
    /// The flags of the command line.
    pub flags: Vec<Flag>,
}

impl Sources {
    /// Reads every layer. `read` reads the configuration file, and the files that keys name.
    ///
    /// # Errors
    /// A file cannot be read, or is no INI file; or a value is not allowed; or a flag sets an unknown key.
    pub fn load(&self, read: small_file::Read) -> Result<Loaded, ConfigError> {
        let path = self.file.as_deref().unwrap_or(Path::new(DEFAULT_FILE));
        let text = match read(path).and_then(small_file::text) {
            Ok(text) => text,
            Err(e) if e.kind() == ErrorKind::NotFound && self.file.is_none() => String::new(),
            Err(e) => {
                return Err(ConfigError(format!(
                    "{}: cannot be read: {e}",
                    path.display()
                )));
            }
        };
        let path = path.display().to_string();
        let environment = self.environment.iter().cloned();
        let layers = Layers::read(&self.flags, environment, &text, &path)?;
        Config::parse(layers, read)
    }
}

/// A configuration, and where it came from.
#[derive(Debug)]
pub struct Loaded {
    /// The configuration.
    pub config: Config,
    /// Every key, with the value that is in force and where it came from.
    pub settings: Vec<Setting>,
    /// One sentence for each thing that an operator should know, such as an unknown key, which is ignored.
    pub warnings: Vec<String>,
}

impl Config {
    fn parse(layers: Layers, read: small_file::Read) -> Result<Loaded, ConfigError> {
        let mut keys = Keys::new(layers);
        let bind = keys.get(
            "SERVER_BIND",
            "an IP address such as 127.0.0.1 or 0.0.0.0",
            "127.0.0.1",
            ip_address,
        )?;
        let port = keys.number("SERVER_PORT", 12_345_u16, 0..=65_535)?;
        keys.get("SERVER_IP", "anything", "server", |_| Some(()))?;
        let agencies = keys.number("SERVER_AGENCIES", 5, 0..=MAX_AGENCIES)?;
        let name = central::name(&mut keys)?;
        let store = StoreConfig::read(&mut keys, agencies, name.clone(), read)?;
        let config = Self {
            address: SocketAddr::new(bind, port),
            listen_backlog: keys.number("SERVER_LISTEN_BACKLOG", 1_024, 1..=65_535)?,
            http: central::http(&mut keys)?,
            trace: central::trace(&mut keys)?,
            trace_bytes: central::trace_bytes(&mut keys)?,
            http_hosts: central::http_hosts(&mut keys, [central::host_name(), name.clone()])?,
            name,
            logging_level: central::logging_level(&mut keys)?,
            logging_format: central::logging_format(&mut keys)?,
            agencies,
            limits: store::limits(&mut keys, &store)?,
            store,
            shutdown_grace: keys.duration(
                "SERVER_SHUTDOWN_GRACE",
                Duration::from_secs(2),
                0..=3_600_000,
            )?,
            winner: keys.get(
                "LOTTERY_WINNER_NUMBER",
                "1 to 9 decimal digits",
                "7574",
                |text| Number::parse(text.as_bytes()).ok(),
            )?,
            tls: central::tls(&mut keys)?,
        };
        let (settings, warnings) = keys.finish()?;
        Ok(Loaded {
            config,
            settings,
            warnings,
        })
    }
}

/// Parses an IP address. An IPv6 address may stand in brackets, as before a port.
fn ip_address(text: &str) -> Option<IpAddr> {
    let bare = text
        .strip_prefix('[')
        .and_then(|text| text.strip_suffix(']'));
    match bare {
        Some(text) => text.parse().ok().map(IpAddr::V6),
        None => text.parse().ok(),
    }
}

#[cfg(test)]
mod tests;

//! The configuration: flags over the environment, the environment over the file, the file over the defaults.
//!
//! In come `config.yaml`, the variables that begin with `CLI_` and the flags of the command line, as [`Settings`]; out
//! comes a [`Config`] whose values are all allowed, with a warning for each unknown key. Reads no other file.

mod address;
mod keys;
mod settings;
mod yaml;

use std::path::{Path, PathBuf};
use std::time::Duration;

use frame::Agency;
use frame::log::{Format, Level};

pub use address::{Address, Addresses};
pub use keys::{GoDuration, PREFIX, Protocol};
use keys::{TLS_FILE, agency, boolean, duration, format, level, number, path, protocol};
pub use settings::{ConfigError, DEFAULT_FILE, Flag, Origin, Settings};

const DAY: Duration = Duration::from_secs(24 * 3_600);
const YEAR: Duration = Duration::from_secs(365 * 24 * 3_600);

/// What the client does, and with which servers.
#[derive(Clone, Debug)]
pub struct Config {
    /// `id`: which agency this is.
    pub agency: Agency,
    /// `server.*`
    pub server: Server,
    /// `loop.amount`: how many messages mode echo sends.
    pub loop_amount: u32,
    /// `loop.period`: the time between two of them, and between two winners queries to a server that does not hold them.
    pub loop_period: GoDuration,
    /// `log.level`: the lowest level that is written.
    pub log_level: Level,
    /// `log.format`: the form of the lines.
    pub log_format: Format,
    /// `trace.*`: where the event loop writes a trace.
    pub trace: Option<Trace>,
    /// `batch.*`
    pub batch: Batch,
}

/// A trace of the event loop.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trace {
    /// `trace.file`: where it is written.
    pub file: PathBuf,
    /// `trace.maxBytes`: the most bytes that it may have.
    pub most: u64,
}

/// The centrals, and how long to wait for them.
#[derive(Clone, Debug)]
pub struct Server {
    /// `server.address`: the centrals. The client begins at the place that its number gives.
    pub addresses: Addresses,
    /// `server.protocol`.
    pub protocol: Protocol,
    /// `server.timeout`: for each connect, and for each reply but one to a winners query that is held.
    pub timeout: Duration,
    /// `server.retry`: how long to try again without progress.
    pub retry: Duration,
    /// `server.tls.*`: with these files, frames are exchanged over mutual TLS.
    pub tls: Option<TlsFiles>,
}

/// The files of mutual TLS, each in PEM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsFiles {
    /// `server.tls.ca`: the authority that signs the server's certificate.
    pub ca: PathBuf,
    /// `server.tls.cert`: the agency's certificate, followed by those that lead to its authority.
    pub cert: PathBuf,
    /// `server.tls.key`: the agency's private key.
    pub key: PathBuf,
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
    /// `batch.allowEmpty`: whether a file without bets may be finished.
    pub allow_empty: bool,
    /// `batch.strict`: whether a file with values that look damaged is refused.
    pub strict: bool,
}

/// What mode check needs: how the file is read.
#[derive(Clone, Debug)]
pub struct CheckConfig {
    /// `id`; 1 where it is not set, since rows are judged alike for all agencies.
    pub agency: Agency,
    /// `server.protocol`.
    pub protocol: Protocol,
    /// `log.level`.
    pub log_level: Level,
    /// `batch.file`.
    pub file: PathBuf,
    /// `batch.allowEmpty`.
    pub allow_empty: bool,
    /// `batch.strict`.
    pub strict: bool,
}

impl CheckConfig {
    /// Reads the values of these keys; the others are not looked at.
    ///
    /// # Errors
    /// A value is not allowed.
    pub fn from_settings(settings: &Settings) -> Result<Self, ConfigError> {
        Ok(Self {
            agency: settings.get_or("id", Some("1"), agency)?,
            protocol: settings.get("server.protocol", protocol)?,
            log_level: settings.get("log.level", level)?,
            file: settings.get("batch.file", path)?,
            allow_empty: settings.get("batch.allowEmpty", boolean)?,
            strict: settings.get("batch.strict", boolean)?,
        })
    }
}

/// A configuration, and warnings about it.
#[derive(Debug)]
pub struct Loaded {
    /// The configuration.
    pub config: Config,
    /// One sentence for each key that is unknown, or that is set twice.
    pub warnings: Vec<String>,
}

impl Config {
    /// Reads the file and the variables, without flags: see [`Settings::read`].
    ///
    /// # Errors
    /// The file cannot be read, a value is not allowed, or `id` is not set.
    pub fn load(
        file: Option<&Path>,
        variables: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Loaded, ConfigError> {
        let settings = Settings::read(file, variables, [])?;
        Ok(Loaded {
            config: Self::from_settings(&settings)?,
            warnings: settings.warnings().to_vec(),
        })
    }

    /// Reads the values of all keys.
    ///
    /// # Errors
    /// A value is not allowed, or `id` is not set.
    pub fn from_settings(settings: &Settings) -> Result<Self, ConfigError> {
        let millisecond = Duration::from_millis(1);
        Ok(Self {
            agency: settings.get("id", agency)?,
            server: Server {
                addresses: settings.get("server.address", Addresses::parse)?,
                protocol: settings.get("server.protocol", protocol)?,
                timeout: settings
                    .get("server.timeout", |v| duration(v, millisecond, DAY))?
                    .length(),
                retry: settings
                    .get("server.retry", |v| duration(v, Duration::ZERO, YEAR))?
                    .length(),
                tls: tls_files(settings)?,
            },
            loop_amount: settings.get("loop.amount", |v| number(v, 0, u32::MAX))?,
            loop_period: settings.get("loop.period", |v| duration(v, Duration::ZERO, YEAR))?,
            log_level: settings.get("log.level", level)?,
            log_format: settings.get("log.format", format)?,
            trace: trace(settings)?,
            batch: Batch {
                max_amount: settings.get("batch.maxAmount", |v| number(v, 1, 1_000_000))?,
                window: settings.get("batch.window", |v| number(v, 1, 1_024))? as usize,
                file: settings.get("batch.file", path)?,
                allow_empty: settings.get("batch.allowEmpty", boolean)?,
                strict: settings.get("batch.strict", boolean)?,
            },
        })
    }
}

/// Returns where a trace goes; `None` where none is wanted.
fn trace(settings: &Settings) -> Result<Option<Trace>, ConfigError> {
    let most = settings.get("trace.maxBytes", |v| number(v, 65_536, u32::MAX))?;
    let file = settings.get("trace.file", |v| Some(path(v)))?;
    Ok(file.map(|file| Trace {
        file,
        most: most.into(),
    }))
}

/// Returns the three files of mutual TLS, of which all are set or none.
fn tls_files(settings: &Settings) -> Result<Option<TlsFiles>, ConfigError> {
    let keys = ["server.tls.ca", "server.tls.cert", "server.tls.key"];
    let paths = keys.map(|key| settings.get(key, |v| Some(path(v))));
    let [ca, cert, key] = paths;
    match [ca?, cert?, key?] {
        [None, None, None] => Ok(None),
        [Some(ca), Some(cert), Some(key)] => Ok(Some(TlsFiles { ca, cert, key })),
        paths => {
            let missing = keys
                .into_iter()
                .zip(&paths)
                .find(|(_, path)| path.is_none());
            Err(ConfigError::Missing {
                key: missing.map_or(keys[0], |(key, _)| key),
                allowed: TLS_FILE,
            })
        }
    }
}

//! The configuration: the environment over the file, the file over the defaults.
//!
//! In come `config.yaml` and the variables that begin with `CLI_`; out comes a [`Config`] whose every value
//! is within its range, with a warning for each key that nobody knows. Reads the file it is told to and
//! nothing else.

mod settings;

use std::fmt;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::Duration;

use frame::Agency;
use frame::log::Level;

use crate::duration::GoDuration;
use settings::{Key, Settings, unusable, variable};

/// Where the configuration is looked for when nobody says.
pub const DEFAULT_FILE: &str = "config.yaml";

/// Every key there is.
const KEYS: [Key; 14] = [
    Key {
        name: "id",
        default: None,
        allowed: "a whole number from 1 to 4294967295",
    },
    Key {
        name: "server.address",
        default: Some("server:12345"),
        allowed: "host:port, the port from 1 to 65535",
    },
    Key {
        name: "server.protocol",
        default: Some("resume"),
        allowed: "resume or plain",
    },
    Key {
        name: "server.timeout",
        default: Some("10s"),
        allowed: "a duration such as 10s, from 1ms to 24h",
    },
    Key {
        name: "server.retry",
        default: Some("5m"),
        allowed: "a duration such as 5m, from 0s to 8760h",
    },
    Key {
        name: "server.tls.ca",
        default: Some(""),
        allowed: TLS_FILE,
    },
    Key {
        name: "server.tls.cert",
        default: Some(""),
        allowed: TLS_FILE,
    },
    Key {
        name: "server.tls.key",
        default: Some(""),
        allowed: TLS_FILE,
    },
    Key {
        name: "loop.amount",
        default: Some("5"),
        allowed: "a whole number from 0 to 4294967295",
    },
    Key {
        name: "loop.period",
        default: Some("5s"),
        allowed: "a duration such as 100ms, 1.5h or 1m30s, from 0s to 8760h",
    },
    Key {
        name: "log.level",
        default: Some("INFO"),
        allowed: "DEBUG, INFO, NOTICE, WARNING, ERROR or CRITICAL",
    },
    Key {
        name: "batch.maxAmount",
        default: Some("86"),
        allowed: "a whole number from 1 to 1000000",
    },
    Key {
        name: "batch.window",
        default: Some("64"),
        allowed: "a whole number from 1 to 1024",
    },
    Key {
        name: "batch.file",
        default: Some("/data/agency.csv"),
        allowed: "the path of a file",
    },
];

const TLS_FILE: &str = "the path of a file; mutual TLS needs all of server.tls.ca, server.tls.cert and server.tls.key, or none";

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
    /// `server.tls.*`: frames are exchanged over mutual TLS.
    pub tls: Option<TlsFiles>,
}

/// The files of mutual TLS, each in PEM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsFiles {
    /// `server.tls.ca`: the authority that signs the server's certificate.
    pub ca: PathBuf,
    /// `server.tls.cert`: the agency's certificate, and those that lead to its authority.
    pub cert: PathBuf,
    /// `server.tls.key`: the agency's private key.
    pub key: PathBuf,
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
    /// A file of mutual TLS cannot be read, or does not hold what it should.
    Tls {
        /// Which key names it.
        key: &'static str,
        /// Which file.
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
            Self::Tls { key, path, reason } => {
                write!(f, "{key}: {} cannot be used: {reason}", path.display())
            }
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
        let mut settings = Settings::new(&KEYS);
        settings.add_file(path, &text)?;
        settings.add_variables(variables);
        Ok(Loaded {
            config: Self::from_settings(&settings)?,
            warnings: settings.warnings,
        })
    }

    fn from_settings(settings: &Settings) -> Result<Self, ConfigError> {
        let millisecond = Duration::from_millis(1);
        Ok(Self {
            agency: settings.get("id", |v| Agency::parse(v.as_bytes()).ok())?,
            server: Server {
                address: settings.get("server.address", address)?,
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
            batch: Batch {
                max_amount: settings.get("batch.maxAmount", |v| number(v, 1, 1_000_000))?,
                window: settings.get("batch.window", |v| number(v, 1, 1_024))? as usize,
                file: settings.get("batch.file", path)?,
            },
        })
    }
}

/// All three, or none.
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

fn path(text: &str) -> Option<PathBuf> {
    (!text.is_empty()).then(|| text.into())
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

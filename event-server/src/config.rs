//! The configuration: environment over `config.ini` over defaults.
//!
//! Every key has a range; a value outside it is an error that names key, value and what is allowed. What
//! is unknown is warned about. Opens nothing but the one file.

mod error;
mod keys;
mod limits;
mod tls;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use frame::Number;
use frame::log::Level;

pub use self::error::ConfigError;
use self::keys::Keys;
use self::limits::limits;
pub use self::tls::TlsFiles;
use self::tls::tls;
use crate::limits::Limits;
use crate::lottery::MAX_AGENCIES;
use crate::store::local::Durability;

/// Where the configuration is looked for if nobody says where.
pub const DEFAULT_FILE: &str = "config.ini";

/// All that can be set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// `SERVER_BIND` and `SERVER_PORT`: where to listen; port 0 lets the system choose.
    pub address: SocketAddr,
    /// `SERVER_LISTEN_BACKLOG`: passed to listen(2).
    pub listen_backlog: u32,
    /// `LOGGING_LEVEL`.
    pub logging_level: Level,
    /// `SERVER_AGENCIES`: 1 to this number take part; 0: anyone, no draw.
    pub agencies: u32,
    /// `SERVER_DATA_DIR`: the store's folder.
    pub data_dir: PathBuf,
    /// `SERVER_DURABILITY`.
    pub durability: Durability,
    /// `SERVER_MAX_…`, `SERVER_TURN_…` and `SERVER_IDLE_TIMEOUT`.
    pub limits: Limits,
    /// `SERVER_SHUTDOWN_GRACE`.
    pub shutdown_grace: Duration,
    /// `LOTTERY_WINNER_NUMBER`.
    pub winner: Number,
    /// `SERVER_TLS_…`: frames are exchanged over mutual TLS.
    pub tls: Option<TlsFiles>,
}

/// A configuration, and what in it was passed over.
#[derive(Debug)]
pub struct Loaded {
    /// The configuration.
    pub config: Config,
    /// One sentence for each thing that was passed over.
    pub warnings: Vec<String>,
}

impl Config {
    /// Reads `file`, or [`DEFAULT_FILE`] where there is one, and asks `env` for each key.
    ///
    /// # Errors
    /// The file named cannot be read, or is no INI file, or a value is not allowed.
    pub fn load(
        file: Option<&Path>,
        env: impl Fn(&str) -> Option<String>,
    ) -> Result<Loaded, ConfigError> {
        let path = file.unwrap_or(Path::new(DEFAULT_FILE));
        let text = match std::fs::read_to_string(path) {
            Ok(text) => text,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound && file.is_none() => String::new(),
            Err(e) => {
                return Err(ConfigError(format!(
                    "{}: cannot be read: {e}",
                    path.display()
                )));
            }
        };
        Self::parse(&text, &path.display().to_string(), env)
    }

    fn parse(
        text: &str,
        file: &str,
        env: impl Fn(&str) -> Option<String>,
    ) -> Result<Loaded, ConfigError> {
        let mut keys = Keys::read(text, file, env)?;
        let bind = keys.get(
            "SERVER_BIND",
            "an IP address such as 127.0.0.1 or 0.0.0.0",
            IpAddr::V4(Ipv4Addr::LOCALHOST),
            |text| text.parse().ok(),
        )?;
        let port = keys.number("SERVER_PORT", 12_345, 0..=65_535)?;
        keys.get("SERVER_IP", "anything", (), |_| Some(()))?;
        let durability = keys.get(
            "SERVER_DURABILITY",
            "always or never",
            Durability::Always,
            durability,
        )?;
        let config = Self {
            address: SocketAddr::new(bind, port as u16),
            listen_backlog: keys.number("SERVER_LISTEN_BACKLOG", 1_024, 1..=65_535)?,
            logging_level: keys.get(
                "LOGGING_LEVEL",
                "DEBUG, INFO, WARNING, ERROR or CRITICAL",
                Level::Info,
                level,
            )?,
            agencies: keys.number("SERVER_AGENCIES", 5, 0..=MAX_AGENCIES)?,
            data_dir: keys.get(
                "SERVER_DATA_DIR",
                "a folder's path",
                "data".into(),
                |text| (!text.is_empty()).then(|| text.into()),
            )?,
            durability,
            limits: limits(&mut keys, durability)?,
            shutdown_grace: keys.duration(
                "SERVER_SHUTDOWN_GRACE",
                Duration::from_secs(2),
                0..=3_600_000,
            )?,
            winner: keys.get(
                "LOTTERY_WINNER_NUMBER",
                "1 to 9 decimal digits",
                DEFAULT_WINNER,
                |text| Number::parse(text.as_bytes()).ok(),
            )?,
            tls: tls(&mut keys)?,
        };
        Ok(Loaded {
            config,
            warnings: keys.into_warnings(),
        })
    }
}

/// The number that wins if nobody says another.
const DEFAULT_WINNER: Number = match Number::new(7_574) {
    Some(number) => number,
    None => panic!("a number above Number::MAX"),
};

fn level(text: &str) -> Option<Level> {
    let known = |level: &Level| *level != Level::Notice && level.name().eq_ignore_ascii_case(text);
    Level::ALL.into_iter().find(known)
}

fn durability(text: &str) -> Option<Durability> {
    match text {
        "always" => Some(Durability::Always),
        "never" => Some(Durability::Never),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str, env: &[(&str, &str)]) -> Result<Loaded, ConfigError> {
        Config::parse(text, "config.ini", |key| {
            env.iter()
                .find(|(name, _)| *name == key)
                .map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn without_a_file_every_key_has_its_default() {
        let loaded = parse("", &[]).unwrap();
        assert!(loaded.warnings.is_empty());
        let config = loaded.config;
        assert_eq!(config.address, "127.0.0.1:12345".parse().unwrap());
        assert_eq!((config.listen_backlog, config.agencies), (1_024, 5));
        let limits = config.limits;
        assert_eq!((limits.max_frame, limits.max_connections), (65_536, 10_000));
        assert_eq!(limits.idle_timeout, Duration::from_secs(60));
        assert_eq!(limits, Limits::default());
        assert_eq!(config.shutdown_grace, Duration::from_secs(2));
        assert_eq!(config.winner.get(), 7_574);
        assert_eq!(config.data_dir, Path::new("data"));
        assert_eq!(config.durability, Durability::Always);
        assert_eq!(config.logging_level, Level::Info);
        assert_eq!(config.tls, None);
    }

    #[test]
    fn the_files_of_tls_are_set_all_or_none() {
        let (cert, key, ca) = (
            ("SERVER_TLS_CERT", "c"),
            ("SERVER_TLS_KEY", "k"),
            ("SERVER_TLS_CLIENT_CA", "a"),
        );
        let files = parse("[DEFAULT]\nSERVER_TLS_KEY = k\n", &[cert, ca]).unwrap();
        let (cert_path, key_path, client_ca) = ("c".into(), "k".into(), "a".into());
        assert_eq!(
            files.config.tls,
            Some(TlsFiles {
                cert: cert_path,
                key: key_path,
                client_ca
            })
        );
        let empty = parse("", &[("SERVER_TLS_CERT", "")]).unwrap();
        assert_eq!(empty.config.tls, None);
        for (set, missing) in [
            (&[cert][..], "SERVER_TLS_KEY"),
            (&[key, ca], "SERVER_TLS_CERT"),
            (&[cert, key], "SERVER_TLS_CLIENT_CA"),
        ] {
            let error = parse("", set).unwrap_err().to_string();
            assert!(
                error.starts_with(&format!("{missing} is not set: mutual TLS needs")),
                "{error}"
            );
        }
    }

    #[test]
    fn turns_without_a_sync_are_short_unless_somebody_says_otherwise() {
        let turn_bytes = |text| parse(text, &[]).unwrap().config.limits.turn_bytes;
        assert_eq!(turn_bytes(""), 131_072);
        assert_eq!(turn_bytes("[DEFAULT]\nSERVER_DURABILITY=never"), 16_384);
        let said = "[DEFAULT]\nSERVER_DURABILITY=never\nSERVER_TURN_BYTES=65536";
        assert_eq!(turn_bytes(said), 65_536);
    }

    #[test]
    fn environment_wins_over_the_file_and_the_file_over_the_default() {
        let file = "[DEFAULT]\nSERVER_PORT = 1\nserver_ip = server\nLOGGING_LEVEL = debug\nSERVER_DATA_DIR = /a b#1;2\n";
        let config = parse(file, &[("SERVER_PORT", "2"), ("SERVER_BIND", "::")])
            .unwrap()
            .config;
        assert_eq!(config.address, "[::]:2".parse().unwrap());
        assert_eq!(config.logging_level, Level::Debug);
        assert_eq!(config.data_dir, Path::new("/a b#1;2"));
    }

    #[test]
    fn each_limit_has_its_key() {
        let keys = [
            ("SERVER_MAX_CONNECTIONS", "1"),
            ("SERVER_MAX_FRAME", "8192"),
            ("SERVER_MAX_INBOX", "8193"),
            ("SERVER_MAX_OUTBOX", "1024"),
            ("SERVER_MAX_BUFFERED", "1048576"),
            ("SERVER_TURN_BYTES", "1025"),
            ("SERVER_TURN_REQUESTS", "2"),
            ("SERVER_IDLE_TIMEOUT", "50ms"),
        ];
        let expected = Limits {
            max_connections: 1,
            max_frame: 8_192,
            max_inbox: 8_193,
            max_outbox: 1_024,
            max_buffered: 1_048_576,
            turn_bytes: 1_025,
            turn_requests: 2,
            idle_timeout: Duration::from_millis(50),
        };
        assert_eq!(parse("", &keys).unwrap().config.limits, expected);
    }

    #[test]
    fn a_bad_value_names_source_key_value_and_what_is_allowed() {
        for (key, value, allowed) in [
            ("SERVER_PORT", "65536", "a whole number from 0 to 65535"),
            ("SERVER_PORT", "-1", "a whole number from 0 to 65535"),
            (
                "SERVER_BIND",
                "localhost",
                "an IP address such as 127.0.0.1 or 0.0.0.0",
            ),
            (
                "LOGGING_LEVEL",
                "NOTICE",
                "DEBUG, INFO, WARNING, ERROR or CRITICAL",
            ),
            ("SERVER_DURABILITY", "maybe", "always or never"),
            (
                "SERVER_MAX_FRAME",
                "8191",
                "a whole number from 8192 to 16777215",
            ),
            (
                "SERVER_IDLE_TIMEOUT",
                "1ms",
                "a duration such as 500ms, 2s or 1m, from 50ms to 86400s",
            ),
            ("LOTTERY_WINNER_NUMBER", "x", "1 to 9 decimal digits"),
        ] {
            let error = ConfigError(format!(
                "the environment: {key} is '{value}', allowed is {allowed}"
            ));
            assert_eq!(parse("", &[(key, value)]).unwrap_err(), error);
            let error = ConfigError(format!(
                "config.ini: {key} is '{value}', allowed is {allowed}"
            ));
            assert_eq!(
                parse(&format!("[DEFAULT]\n{key}={value}"), &[]).unwrap_err(),
                error
            );
        }
        let error = parse("[DEFAULT]\nSERVER_PORT\n", &[])
            .unwrap_err()
            .to_string();
        assert!(
            error.starts_with("config.ini: SERVER_PORT is ''"),
            "{error}"
        );
    }

    #[test]
    fn unknown_keys_and_sections_are_warned_about() {
        let warnings = parse("[DEFAULT]\nSERVER_PROT = 1\n[other]\nx = 1\n", &[])
            .unwrap()
            .warnings;
        assert_eq!(
            warnings,
            [
                "config.ini: section [other] is unknown and passed over",
                "config.ini: key SERVER_PROT is unknown and passed over",
            ]
        );
    }

    #[test]
    fn a_missing_file_is_an_error_only_where_it_was_named() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("none.ini");
        let error = Config::load(Some(&file), |_| None).unwrap_err().to_string();
        assert!(error.contains("none.ini: cannot be read"), "{error}");
    }
}

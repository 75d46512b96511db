//! The configuration: environment over `config.ini` over defaults.
//!
//! Every key has a range; a value outside it is an error that names key, value and what is allowed. What
//! is unknown is warned about. Opens nothing but that file, and the one with the database's password.

mod error;
mod keys;
mod limits;
mod store;
mod tls;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;
use std::time::Duration;

use frame::Number;
use frame::log::Level;

pub use self::error::ConfigError;
use self::keys::Keys;
use self::limits::limits;
pub use self::store::StoreConfig;
pub use self::tls::TlsFiles;
use self::tls::tls;
use crate::limits::Limits;
use crate::lottery::MAX_AGENCIES;

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
    /// `SERVER_STORE`, and the keys that go with it.
    pub store: StoreConfig,
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
        let agencies = keys.number("SERVER_AGENCIES", 5, 0..=MAX_AGENCIES)?;
        let store = StoreConfig::read(&mut keys, agencies)?;
        let config = Self {
            address: SocketAddr::new(bind, port as u16),
            listen_backlog: keys.number("SERVER_LISTEN_BACKLOG", 1_024, 1..=65_535)?,
            logging_level: keys.get(
                "LOGGING_LEVEL",
                "DEBUG, INFO, WARNING, ERROR or CRITICAL",
                Level::Info,
                level,
            )?,
            agencies,
            limits: limits(&mut keys, store.is_unsynced())?,
            store,
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::local::Durability;
    use crate::store::postgres::{CommitMode, LinkOptions, Secret};

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
        let store = StoreConfig::Files {
            data_dir: "data".into(),
            durability: Durability::Always,
        };
        assert_eq!(config.store, store);
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
        let StoreConfig::Files { data_dir, .. } = config.store else {
            panic!("not in files")
        };
        assert_eq!(data_dir, Path::new("/a b#1;2"));
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
            ("SERVER_DURABILITY", "maybe", "always, never or replicated"),
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
    fn a_database_is_named_by_a_url_and_its_password_comes_from_one_of_three_places() {
        let url = "postgresql://a@h/db?sslmode=disable";
        let options = |env: &[(&str, &str)]| match parse("", env).unwrap().config.store {
            StoreConfig::Postgres(options) => options,
            StoreConfig::Files { .. } => panic!("in files"),
        };
        let LinkOptions {
            lottery,
            commit,
            timeout,
            agencies,
            url: database,
            ..
        } = options(&[("SERVER_STORE", url)]);
        assert_eq!(
            (&*lottery, commit, agencies),
            ("lottery", CommitMode::AsSet, 5)
        );
        assert_eq!(
            (timeout, database.password),
            (Duration::from_secs(10), None)
        );

        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("password");
        std::fs::write(&file, "from file\n").unwrap();
        let file = ("SERVER_STORE_PASSWORD_FILE", file.to_str().unwrap());
        let password = |env: &[(&str, &str)]| options(env).url.password;
        let secret = |text: &str| Some(Secret(text.to_owned()));
        let store = ("SERVER_STORE", url);
        assert_eq!(password(&[store, file]), secret("from file"));
        let variable = ("PGPASSWORD", "from variable");
        assert_eq!(password(&[store, file, variable]), secret("from variable"));
        let own = ("SERVER_STORE", "postgresql://a:own@h/db?sslmode=disable");
        assert_eq!(password(&[own, file, variable]), secret("own"));

        for (env, sentence) in [
            (
                &[("SERVER_STORE", "postgresql://a:secret@h/db")][..],
                "the environment: SERVER_STORE cannot be used: sslmode verify-full needs sslrootcert",
            ),
            (
                &[store, ("SERVER_STORE_PASSWORD_FILE", "/none")],
                "SERVER_STORE_PASSWORD_FILE: /none: ",
            ),
            (
                &[("SERVER_DURABILITY", "replicated")],
                "SERVER_DURABILITY is replicated, and SERVER_STORE keeps",
            ),
            (
                &[("SERVER_LOTTERY", "a b")],
                "the environment: SERVER_LOTTERY is 'a b', allowed is 1 to 63 letters",
            ),
        ] {
            let error = parse("", env).unwrap_err().to_string();
            assert!(error.starts_with(sentence), "{error}");
            assert!(!error.contains("secret"), "{error}");
        }
    }

    #[test]
    fn an_empty_variable_counts_as_not_set() {
        let file = "[DEFAULT]\nSERVER_PORT = 7\n";
        let config = parse(file, &[("SERVER_PORT", ""), ("SERVER_AGENCIES", "")]);
        let config = config.unwrap().config;
        assert_eq!((config.address.port(), config.agencies), (7, 5));
    }

    #[test]
    fn a_missing_file_is_an_error_only_where_it_was_named() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("none.ini");
        let error = Config::load(Some(&file), |_| None).unwrap_err().to_string();
        assert!(error.contains("none.ini: cannot be read"), "{error}");
    }
}

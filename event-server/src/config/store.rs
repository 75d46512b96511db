//! The keys of the store, `SERVER_STORE` and those that go with it; and those of the bounds, whose defaults depend on
//! the store: `SERVER_MAX_…`, `SERVER_TURN_…` and `SERVER_IDLE_TIMEOUT`.

use std::path::PathBuf;
use std::time::Duration;

use frame::{MAX_LENGTH, small_file};

use super::central::{NAME, parse_name};
use super::keys::Keys;
use super::layers::{ConfigError, Origin};
use crate::limits::Limits;
use crate::store::files::Durability;
use crate::store::postgres::{CommitMode, DatabaseUrl, Defaults, LinkOptions, Secret, masked};

/// Why a password must not be in an argument.
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
    Postgres(Box<LinkOptions>),
}

/// `SERVER_DURABILITY`, before it is known for which store.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Wanted {
    Always,
    Never,
    Replicated,
}

impl StoreConfig {
    /// Reads the keys of the store: those of both kinds, so that none is reported as unknown. `read` reads the
    /// password's file.
    ///
    /// # Errors
    /// A value is not allowed, or the password's file cannot be read.
    pub(super) fn read(
        keys: &mut Keys,
        agencies: u32,
        central: String,
        read: small_file::Read,
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
        let defaults = Defaults {
            user: keys.variable("PGUSER"),
            database: keys.variable("PGDATABASE"),
        };
        let parse = |text: &str, origin: &Origin| match (text, origin) {
            ("files", _) => Ok(None),
            (url, Origin::Flag(_)) => match DatabaseUrl::parse(url, &defaults)? {
                url if url.password.is_some() => Err(SHOWN.to_owned()),
                url => Ok(Some(url)),
            },
            (url, _) => DatabaseUrl::parse(url, &defaults).map(Some),
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
        let sessions = keys.number("SERVER_STORE_SESSIONS", 2_u8, 1..=16)?;
        let lottery = keys.get("SERVER_LOTTERY", NAME, "lottery", parse_name)?;
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
            find_password(&mut url, password_file, keys, read)?;
        }
        Ok(Self::Postgres(Box::new(LinkOptions {
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
            sessions,
        })))
    }

    /// Returns how a commit becomes durable.
    fn commit_kind(&self) -> CommitKind {
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

/// Sets the password of a URL that has none, from the first of these that is set: `PGPASSWORD`,
/// `SERVER_STORE_PASSWORD_FILE`, libpq's password file.
fn find_password(
    url: &mut DatabaseUrl,
    file: Option<PathBuf>,
    keys: &mut Keys,
    read: small_file::Read,
) -> Result<(), ConfigError> {
    if let Some(password) = keys.variable("PGPASSWORD") {
        url.password = Some(Secret(password));
        return Ok(());
    }
    if let Some(path) = file {
        let password = read(&path).and_then(small_file::text).map_err(|e| {
            let path = path.display();
            ConfigError(format!("SERVER_STORE_PASSWORD_FILE: {path}: {e}"))
        })?;
        let password = password.trim_end_matches(['\r', '\n']).to_owned();
        url.password = Some(Secret(password));
        return Ok(());
    }
    let named = url.password_file.clone();
    let named = named.or_else(|| keys.variable("PGPASSFILE").map(PathBuf::from));
    let home = || Some(PathBuf::from(keys.variable("HOME")?).join(".pgpass"));
    if let Some(path) = named.or_else(home)
        && let Err(ignored) = url.read_password_file(&path)
    {
        keys.warn(ignored);
    }
    Ok(())
}

/// The default of `SERVER_TURN_BYTES` without syncs. A long turn pays off where many batches share its sync. Without
/// one it gains little, and all other connections wait for its end; [`Limits::gathered_bytes`] lets replies leave
/// together instead.
const UNSYNCED_TURN_BYTES: usize = 16 * 1024;

/// The default of `SERVER_TURN_BYTES` and `SERVER_MAX_INBOX` with a database: a transaction costs the same for few bets
/// and for many, so a turn takes all that an agency sends before it waits for an answer.
const REMOTE_TURN_BYTES: usize = 512 * 1024;

/// How a commit becomes durable: how many bytes a turn should serve depends on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum CommitKind {
    /// Synced before the call returns.
    Synced,
    /// Left to the kernel.
    Unsynced,
    /// A transaction of a database.
    Remote,
}

/// Reads the bounds of connections and turns.
pub(super) fn limits(keys: &mut Keys, store: &StoreConfig) -> Result<Limits, ConfigError> {
    const GIB: u32 = 1024 * 1024 * 1024;
    let Limits {
        max_connections,
        max_frame,
        max_inbox,
        max_outbox,
        max_buffered,
        turn_bytes,
        gathered_bytes,
        turn_requests,
        idle_timeout,
    } = defaults(store.commit_kind());
    Ok(Limits {
        max_connections: keys.number("SERVER_MAX_CONNECTIONS", max_connections, 1..=1_000_000)?,
        max_frame: keys.number("SERVER_MAX_FRAME", max_frame, 8_192..=MAX_LENGTH as u32)?,
        max_inbox: keys.number("SERVER_MAX_INBOX", max_inbox, 8_192..=GIB)?,
        max_outbox: keys.number("SERVER_MAX_OUTBOX", max_outbox, 1_024..=GIB)?,
        max_buffered: keys.number("SERVER_MAX_BUFFERED", max_buffered, 1_048_576..=2 * GIB)?,
        turn_bytes: keys.number("SERVER_TURN_BYTES", turn_bytes, 1_024..=GIB)?,
        gathered_bytes,
        turn_requests: keys.number("SERVER_TURN_REQUESTS", turn_requests, 1..=1_000_000)?,
        idle_timeout: keys.duration("SERVER_IDLE_TIMEOUT", idle_timeout, 50..=86_400_000)?,
    })
}

fn defaults(commit: CommitKind) -> Limits {
    let limits = Limits::default();
    match commit {
        CommitKind::Synced => limits,
        CommitKind::Unsynced => Limits {
            turn_bytes: UNSYNCED_TURN_BYTES,
            // As many bytes as a turn with a sync serves.
            gathered_bytes: limits.turn_bytes,
            ..limits
        },
        CommitKind::Remote => Limits {
            turn_bytes: REMOTE_TURN_BYTES,
            max_inbox: REMOTE_TURN_BYTES,
            ..limits
        },
    }
}

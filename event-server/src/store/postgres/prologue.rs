//! What each transaction begins with: the settings that the store relies on, and whose backend it is.
//!
//! ```text
//! set local …; set local …; select pid, start, standbys;   insert …; copy …
//! '---------------------- prologue --------------------'   '- what is asked -'
//! ```
//!
//! It travels in the same simple query, so it costs no round trip. Nothing is set beyond the end of a transaction: behind a
//! pooler the next one may run for somebody else, and what this one set would reach them.
//!
//! What a role, a database or an administrator has set changes no promise: it is set here, or told.

use std::time::Duration;

use super::sql::parse;

/// Seconds of silence in the middle of a transaction after which a server asks for a sign of life from the central.
const KEEPALIVE_IDLE: u32 = 5;

/// Seconds before it asks again.
const KEEPALIVE_INTERVAL: u32 = 2;

/// When it takes a central that does not answer for gone.
const GONE: Duration = Duration::from_secs(10);

/// Settings that not every server knows; to set one that is unknown is an error.
const OPTIONAL: [&str; 6] = [
    "client_connection_check_interval",
    "idle_in_transaction_session_timeout",
    "tcp_keepalives_idle",
    "tcp_keepalives_interval",
    "tcp_user_timeout",
    "transaction_timeout",
];

/// How commits are to be made durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CommitMode {
    /// As the database is set.
    AsSet,
    /// Without waiting for the database's disk: `synchronous_commit = off`.
    Off,
    /// Only with a synchronous standby.
    Replicated,
}

/// A lock is waited for as long as the store's timeout divided by this, so that clients are answered in time.
const LOCK_SHARE: u32 = 8;

/// The same for a transaction that is likely to wait in vain.
const SHORT_LOCK_SHARE: u32 = 128;

/// The shortest wait for a lock: two centrals that serve one agency at the same time wait so long for each other.
const SHORTEST_LOCK: Duration = Duration::from_millis(10);

/// How long a transaction may wait for a lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LockWait {
    /// As long as usual.
    Usual,
    /// Not long: somebody held the lock a moment ago, and others wait behind this transaction.
    Short,
}

impl LockWait {
    fn time(self, timeout: Duration) -> Duration {
        let share = match self {
            Self::Usual => LOCK_SHARE,
            Self::Short => SHORT_LOCK_SHARE,
        };
        (timeout / share).max(SHORTEST_LOCK)
    }
}

/// The process of the server that serves a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Backend {
    /// Its process.
    pub pid: i32,
    /// When the server started, in seconds since 1970, as it writes them: it tells other servers, and restarts, apart.
    pub server: String,
}

/// What a transaction told about itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Identity {
    pub backend: Backend,
    pub replication: Replication,
}

/// How durable a commit is, as the database is set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Replication {
    /// At least one synchronous standby is named.
    pub named: bool,
    /// At least one is named, and commits wait for it.
    pub synchronous: bool,
}

/// What each transaction of a session begins with.
#[derive(Clone, Debug)]
pub(super) struct Prologue {
    commit: CommitMode,
    timeout: Duration,
    /// Those of [`OPTIONAL`] that the server knows, as it lists them.
    known: String,
}

/// Lifts a time limit for statements, before anything else: what follows may take longer than it allows.
const UNHURRIED: &str = "set local statement_timeout = 0";

/// Whose backend it is, and how durable its commits are: the columns that [`Identity::read`] takes.
const IDENTITY: &str = "pg_catalog.pg_backend_pid(), \
     extract(epoch from pg_catalog.pg_postmaster_start_time()), \
     pg_catalog.current_setting('synchronous_standby_names', true)";

impl Prologue {
    /// The prologue of a session that has not [asked](Self::ask) yet.
    pub(super) fn new(commit: CommitMode, timeout: Duration) -> Self {
        Self {
            commit,
            timeout,
            known: String::new(),
        }
    }

    /// The first query of a session: its identity, which of the settings the server knows, and since when the backend
    /// runs. It sets nothing. Its row is an [`Identity`], and what [`learn`](Self::learn) takes.
    pub(super) fn ask() -> String {
        let names = OPTIONAL.map(|name| format!("'{name}'")).join(", ");
        format!(
            "{}, (select string_agg(name, ',') from pg_catalog.pg_settings where name in ({names})), \
             (select extract(epoch from backend_start) from pg_catalog.pg_stat_activity \
             where pid = pg_catalog.pg_backend_pid())",
            Self::identify()
        )
    }

    /// Takes the row that answers [`ask`](Self::ask).
    pub(super) fn learn(&mut self, columns: &[Option<&[u8]>]) {
        let known = columns.get(4).copied().flatten().unwrap_or_default();
        self.known = String::from_utf8_lossy(known).into_owned();
    }

    /// Asks for an [`Identity`] alone: behind a commit that has to be replicated.
    pub(super) fn identify() -> String {
        format!(
            "{UNHURRIED}; select {IDENTITY}, pg_catalog.current_setting('synchronous_commit', true)"
        )
    }

    /// What stands in front of the statements of a transaction, which `copies` rows or not. Its row is an [`Identity`].
    pub(super) fn begin(&self, lock: LockWait, copies: bool) -> String {
        self.begin_at("read committed", lock, copies)
    }

    /// The same in front of statements that only read: all of them see one moment.
    pub(super) fn begin_look(&self) -> String {
        self.begin_at("repeatable read", LockWait::Usual, false)
    }

    fn begin_at(&self, isolation: &str, lock: LockWait, copies: bool) -> String {
        let mut sql = format!("{UNHURRIED}; set transaction isolation level {isolation}; ");
        let lock = milliseconds(lock.time(self.timeout));
        for (name, value) in [
            // A wait for a standby that was given up is told as a warning.
            ("client_min_messages", "warning"),
            ("lock_timeout", &lock),
        ] {
            sql += &set(name, value);
        }
        for name in self.known.split(',') {
            if let Some(value) = self.optional(name, copies) {
                sql += &set(name, &value);
            }
        }
        let synchronous = "pg_catalog.current_setting('synchronous_commit', true)";
        let commit = match self.commit {
            CommitMode::AsSet => synchronous.to_owned(),
            CommitMode::Off => {
                sql += &set("synchronous_commit", "off");
                synchronous.to_owned()
            }
            // Whoever asks for that relies on it: a lower setting is raised.
            CommitMode::Replicated => format!(
                "pg_catalog.set_config('synchronous_commit', case {synchronous} \
                 when 'remote_apply' then 'remote_apply' else 'on' end, true)"
            ),
        };
        sql + &format!("select {IDENTITY}, {commit}; ")
    }

    fn optional(&self, name: &str, copies: bool) -> Option<String> {
        Some(match name {
            // With it a server notices that its central is gone while it works or waits for a lock.
            "client_connection_check_interval" => "1s".to_owned(),
            "idle_in_transaction_session_timeout" => milliseconds(self.timeout),
            "transaction_timeout" => "0".to_owned(),
            // In the middle of a copy the server waits for the central, with the locks that it holds. To set these takes
            // longer than all the rest.
            _ if !copies => return None,
            "tcp_keepalives_idle" => KEEPALIVE_IDLE.to_string(),
            "tcp_keepalives_interval" => KEEPALIVE_INTERVAL.to_string(),
            "tcp_user_timeout" => milliseconds(GONE),
            _ => return None,
        })
    }
}

impl Identity {
    /// Reads the row of [`begin`](Prologue::begin) or [`identify`](Prologue::identify); `None` where it is no such row.
    /// An engine without these settings replicates in its own way.
    pub(super) fn read(columns: &[Option<&[u8]>]) -> Option<Self> {
        let &[Some(pid), Some(server), names, commit, ..] = columns else {
            return None;
        };
        let named = names.is_none_or(|names| !names.is_empty());
        let synchronous = named && !matches!(commit, Some(b"off" | b"local"));
        Some(Self {
            backend: Backend {
                pid: parse(pid)?,
                server: String::from_utf8_lossy(server).into_owned(),
            },
            replication: Replication { named, synchronous },
        })
    }
}

fn set(name: &str, value: &str) -> String {
    format!("set local {name} = '{value}'; ")
}

fn milliseconds(time: Duration) -> String {
    format!("{}ms", time.as_millis().max(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commits_wait_for_a_standby_only_where_one_is_named_and_waited_for() {
        let of = |names: &'static str, commit: &'static str| {
            let columns = ["7", "1.5", names, commit].map(|text| Some(text.as_bytes()));
            Identity::read(&columns).unwrap().replication.synchronous
        };
        assert!(of("pg2", "on") && of("*", "remote_apply"));
        assert!(!of("", "on") && !of("pg2", "local") && !of("pg2", "off"));
        let bare = [Some(&b"7"[..]), Some(b"1.5"), None, None];
        assert!(Identity::read(&bare).unwrap().replication.synchronous);
        assert_eq!(Identity::read(&bare[1..]), None);
    }

    #[test]
    fn a_setting_that_the_server_does_not_know_is_left_alone() {
        let mut prologue = Prologue::new(CommitMode::AsSet, Duration::from_secs(10));
        assert!(!prologue.begin(LockWait::Usual, true).contains("tcp_"));
        let known = b"tcp_user_timeout,something_else";
        prologue.learn(&[None, None, None, None, Some(known)]);
        let sql = prologue.begin(LockWait::Usual, true);
        assert!(sql.contains("set local tcp_user_timeout = '10000ms'; "));
        assert!(!sql.contains("something_else") && !sql.contains("transaction_timeout"));
        assert!(sql.contains("set local lock_timeout = '1250ms'; "));
        let short = prologue.begin(LockWait::Short, false);
        assert!(short.contains("set local lock_timeout = '78ms'; ") && !short.contains("tcp_"));
    }

    #[test]
    fn every_setting_that_the_server_knows_is_set_and_those_of_a_copy_only_with_one() {
        let mut prologue = Prologue::new(CommitMode::AsSet, Duration::from_secs(10));
        let known = OPTIONAL.join(",");
        prologue.learn(&[None, None, None, None, Some(known.as_bytes())]);
        for (setting, always) in [
            ("client_connection_check_interval = '1s'", true),
            ("idle_in_transaction_session_timeout = '10000ms'", true),
            ("transaction_timeout = '0'", true),
            ("tcp_keepalives_idle = '5'", false),
            ("tcp_keepalives_interval = '2'", false),
            ("tcp_user_timeout = '10000ms'", false),
        ] {
            let setting = format!("set local {setting}; ");
            let begin = |copies| prologue.begin(LockWait::Usual, copies);
            assert!(begin(true).contains(&setting), "{setting}");
            assert_eq!(begin(false).contains(&setting), always, "{setting}");
        }
    }
}

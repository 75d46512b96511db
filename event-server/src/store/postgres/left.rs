//! Sessions that were given up while the server may still work for them, and how they are ended.
//!
//! A backend that waits for a lock or for a standby does not notice that nobody listens any more. It keeps its locks and
//! its place among `max_connections`. So the next session has the server end it before it does anything else, and does
//! not go on until it is gone: a central never has more than its sessions and one more. The backend is terminated, never
//! cancelled: a cancelled wait for a standby looks like a commit.

use std::fmt::Write as _;
use std::time::Duration;

use super::prologue::Backend;

/// The longest that the server is given to end a session.
const LONGEST: Duration = Duration::from_secs(5);

/// The sessions that were given up and were not seen to be gone.
#[derive(Debug, Default)]
pub(super) struct Left(Vec<(Backend, String)>);

impl Left {
    /// A session with this backend, that runs since then, was given up: seconds since 1970, as the server writes them.
    pub(super) fn add(&mut self, backend: Backend, since: String) {
        let is_digit = |c: char| c.is_ascii_digit() || c == '.';
        if !since.is_empty() && since.chars().all(is_digit) {
            self.0.push((backend, since));
        }
    }

    /// Whether none is left.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// They are gone.
    pub(super) fn clear(&mut self) {
        self.0.clear();
    }

    /// A server was met: what was on another one, or in an earlier life of this one, is not to be ended here.
    pub(super) fn keep_those_of(&mut self, server: &str) {
        self.0.retain(|(backend, _)| backend.server == server);
    }

    /// Ends those that still work, and waits for their end: a row `pid, whether it is gone` for each. One that is idle
    /// ends of itself; behind a pooler it may serve somebody else by now.
    pub(super) fn end(&self, patience: Duration) -> String {
        let milliseconds = patience.min(LONGEST).as_millis();
        let mut sql = format!(
            "select pid, pg_terminate_backend(pid, {milliseconds}) from pg_stat_activity \
             where state <> 'idle' and usename = current_user and (false"
        );
        for (Backend { pid, .. }, since) in &self.0 {
            let _ = write!(
                sql,
                " or pid = {pid} and extract(epoch from backend_start) = {since}"
            );
        }
        sql + ")"
    }
}

/// Those that did not end.
#[derive(Debug, Default)]
pub(super) struct Remains(Vec<String>);

impl Remains {
    /// Takes a row of [`Left::end`].
    pub(super) fn row(&mut self, columns: &[Option<&[u8]>]) {
        if let &[Some(pid), ended] = columns
            && ended != Some(b"t")
        {
            self.0.push(String::from_utf8_lossy(pid).into_owned());
        }
    }

    /// Why the new session does not go on, where it may not.
    pub(super) fn why(&self) -> Option<String> {
        let processes = self.0.join(", ");
        (!self.0.is_empty())
            .then(|| format!("a session that was given up does not end there: process {processes}"))
    }
}

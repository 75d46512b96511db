//! The backends of a central, the processes of the server that serve its sessions: how many there may be, and the end of
//! those that were given up.
//!
//! A backend that waits for a lock or for a standby does not notice that nobody listens any more. It keeps its locks and
//! its place among `max_connections`. So the next session has the server end it before it does anything else, and does
//! not go on until it is gone. The backend is terminated, never cancelled: a cancelled wait for a standby looks like a
//! commit. Until it is gone it counts: whatever hangs, a central never has more than its sessions and one more. Where
//! several sessions are lost at once, one of them begins again, has all of those ended, and then the others begin.

use std::cell::RefCell;
use std::fmt::Write as _;
use std::rc::Rc;
use std::time::Duration;

use super::prologue::Backend;

/// The longest that the server is given to end a session.
const LONGEST: Duration = Duration::from_secs(5);

/// A backend that was given up while it worked, and since when it runs: seconds since 1970, as the server writes them.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Left {
    backend: Backend,
    since: String,
}

/// The backends of a central, as its sessions know them together.
#[derive(Clone, Debug)]
pub(super) struct Backends(Rc<RefCell<State>>);

#[derive(Debug)]
struct State {
    /// How many sessions the central has.
    sessions: usize,
    /// How many of these sessions are there, or begin.
    begun: usize,
    /// The backends that were given up, until they are known to be gone.
    left: Vec<Left>,
    /// Why the central may not use the database as it is now. The first session finds that out, and sees when it is over.
    unfit: Option<String>,
}

/// The place of a session that is there, or begins: dropped, it is given back.
#[derive(Debug)]
pub(super) struct Begun(Rc<RefCell<State>>);

impl Drop for Begun {
    fn drop(&mut self) {
        self.0.borrow_mut().begun -= 1;
    }
}

impl Backends {
    /// The backends of a central with this number of sessions, of which none has begun.
    pub(super) fn of(sessions: usize) -> Self {
        Self(Rc::new(RefCell::new(State {
            sessions,
            begun: 0,
            left: Vec::new(),
            unfit: None,
        })))
    }

    /// A place for a session that is to begin. `None`: too many backends that were given up may still be there; another
    /// session ends them. Where there is none, this one has to.
    pub(super) fn begin(&self) -> Option<Begun> {
        let mut state = self.0.borrow_mut();
        let may = state.begun == 0 || state.begun + state.left.len() <= state.sessions;
        may.then(|| {
            state.begun += 1;
            Begun(Rc::clone(&self.0))
        })
    }

    /// Notes why the central may not use the database as it is now; `None`: it may.
    pub(super) fn set_unfit(&self, why: Option<String>) {
        self.0.borrow_mut().unfit = why;
    }

    /// Why the central may not use the database as it is now, where that is so.
    pub(super) fn unfit(&self) -> Option<String> {
        self.0.borrow().unfit.clone()
    }

    /// Notes that a session was given up while its backend worked, which runs since then.
    pub(super) fn give_up(&self, backend: Backend, since: String) {
        let is_digit = |c: char| c.is_ascii_digit() || c == '.';
        if !since.is_empty() && since.chars().all(is_digit) {
            self.0.borrow_mut().left.push(Left { backend, since });
        }
    }

    /// Forgets backends of other servers, and of this one before a restart: they cannot be ended here.
    pub(super) fn keep_those_of(&self, server: &str) {
        let mut state = self.0.borrow_mut();
        state.left.retain(|left| left.backend.server == server);
    }

    /// The backends to be ended now.
    pub(super) fn to_end(&self) -> Ending {
        Ending {
            listed: self.0.borrow().left.clone(),
            remain: Vec::new(),
        }
    }

    /// Forgets the backends that were listed, which are gone. Others may have been given up since.
    pub(super) fn ended(&self, ending: &Ending) {
        let mut state = self.0.borrow_mut();
        state.left.retain(|left| !ending.listed.contains(left));
    }
}

/// The end of backends that were given up.
#[derive(Debug, Default)]
pub(super) struct Ending {
    listed: Vec<Left>,
    /// The processes that did not end.
    remain: Vec<String>,
}

impl Ending {
    /// Whether there is nothing to end.
    pub(super) fn is_empty(&self) -> bool {
        self.listed.is_empty()
    }

    /// Ends those that still work, and waits for their end: a row `pid, whether it is gone` for each. An idle one ends
    /// by itself; behind a pooler it may serve somebody else by now.
    pub(super) fn sql(&self, patience: Duration) -> String {
        let milliseconds = patience.min(LONGEST).as_millis();
        let mut sql = format!(
            "select pid, pg_terminate_backend(pid, {milliseconds}) from pg_stat_activity \
             where state <> 'idle' and usename = current_user and (false"
        );
        for Left { backend, since } in &self.listed {
            let pid = backend.pid;
            let _ = write!(
                sql,
                " or pid = {pid} and extract(epoch from backend_start) = {since}"
            );
        }
        sql + ")"
    }

    /// Takes a row of [`sql`](Self::sql).
    pub(super) fn row(&mut self, columns: &[Option<&[u8]>]) {
        if let &[Some(pid), ended] = columns
            && ended != Some(b"t")
        {
            self.remain.push(String::from_utf8_lossy(pid).into_owned());
        }
    }

    /// Why the new session does not go on, where it may not.
    pub(super) fn why_not(&self) -> Option<String> {
        let processes = self.remain.join(", ");
        (!self.remain.is_empty())
            .then(|| format!("a session that was given up does not end there: process {processes}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn backend(pid: i32) -> Backend {
        let server = "1.5".to_owned();
        Backend { pid, server }
    }

    #[test]
    fn sessions_that_are_lost_together_begin_one_after_the_other_until_the_old_backends_are_gone() {
        let backends = Backends::of(3);
        let begun: Vec<Begun> = (0..3).filter_map(|_| backends.begin()).collect();
        assert_eq!(begun.len(), 3);
        drop(begun);
        (1..=3).for_each(|pid| backends.give_up(backend(pid), "7.5".to_owned()));
        let first = backends.begin();
        assert!(first.is_some() && backends.begin().is_none(), "5 backends");
        let ending = backends.to_end();
        assert!(ending.sql(LONGEST).contains("pid = 3 and"));
        // One more is given up while those are being ended.
        backends.give_up(backend(4), "7.5".to_owned());
        backends.ended(&ending);
        assert!(backends.to_end().sql(LONGEST).contains("pid = 4 and"));
        let others: Vec<Begun> = (0..3).filter_map(|_| backends.begin()).collect();
        assert_eq!(
            others.len(),
            2,
            "with the first and the fourth they are four"
        );
    }

    #[test]
    fn a_backend_that_does_not_end_is_named_and_one_of_another_server_is_forgotten() {
        let backends = Backends::of(1);
        assert!(backends.to_end().is_empty());
        // Only a number goes into the text of a query.
        for since in ["", "1.5) or (true", "now"] {
            backends.give_up(backend(1), since.to_owned());
            assert!(backends.to_end().is_empty(), "{since}");
        }
        backends.give_up(backend(2), "7.5".to_owned());
        backends.keep_those_of("1.5");
        let mut ending = backends.to_end();
        assert!(!ending.is_empty());
        ending.row(&[Some(b"2"), Some(b"t")]);
        assert_eq!(ending.why_not(), None);
        ending.row(&[Some(b"2"), Some(b"f")]);
        ending.row(&[Some(b"3"), None]);
        let why = ending.why_not().unwrap();
        assert!(why.ends_with("process 2, 3"), "{why}");
        backends.keep_those_of("another");
        assert!(backends.to_end().is_empty());
    }
}

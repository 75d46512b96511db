//! The links of a central over a simulated server that counts its backends: seeded; LINK_SEED runs one seed.
//!
//! ```text
//! link --- stream --- backend: idle, or a commit that waits for a standby
//!                     a stream that is gone does not end a backend that waits
//! ```
//!
//! What happens: standbys that confirm nothing for a while, are no longer named, or are not waited for any more since somebody
//! cancels the wait; connections that end, and servers that start again. What must hold: a central never has more
//! backends than sessions and one; nothing is told as done that no standby has, where that is promised; a lock is waited for as long as
//! the store says; and once all is well, commits are done.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::io::{self, Read, Write};
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::{Duration, Instant};

use event_server::facts::Account;
use event_server::net::Stream;
use event_server::store::postgres::{
    Address, Answer, CommitMode, Database, DatabaseUrl, Defaults, Dial, Link, LinkOptions,
    LockWait, Part, Query, SealedRows,
};
use frame::Agency;

const TIMEOUT: Duration = Duration::from_millis(400);

/// The lock timeouts of a transaction that the store lets wait as usual, and for a short time.
const USUAL: &str = "set local lock_timeout = '50ms'";
const SHORT: &str = "set local lock_timeout = '10ms'";

/// The two directions of a connection.
#[derive(Default)]
struct Pipe {
    to_server: Vec<u8>,
    to_client: VecDeque<u8>,
    /// The server has closed it.
    ended: bool,
    /// The link has dropped its end.
    dropped: bool,
}

struct SimStream(Rc<RefCell<Pipe>>);

impl Read for SimStream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut pipe = self.0.borrow_mut();
        match pipe.to_client.read(buffer)? {
            0 if !pipe.ended => Err(io::ErrorKind::WouldBlock.into()),
            count => Ok(count),
        }
    }
}

impl Write for SimStream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.borrow_mut().to_server.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Stream for SimStream {
    fn shutdown_write(&self) -> io::Result<()> {
        Ok(())
    }

    fn take_error(&self) -> io::Result<Option<io::Error>> {
        Ok(None)
    }
}

impl Drop for SimStream {
    fn drop(&mut self) {
        self.0.borrow_mut().dropped = true;
    }
}

struct Backend {
    pid: i32,
    pipe: Rc<RefCell<Pipe>>,
    /// The first message has no type.
    greeted: bool,
    /// A commit waits for a standby: its version, and the answer that is sent then.
    waits: Option<(i64, Vec<u8>)>,
}

/// A commit, as the server knows it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Durable {
    Replicated,
    /// No standby is named.
    Alone,
    /// The wait for one was cancelled.
    Cancelled,
}

struct Server {
    /// When it started: it differs after a restart.
    life: u32,
    /// A synchronous standby is named.
    named: bool,
    /// It confirms nothing.
    stalled: bool,
    backends: Vec<Backend>,
    last_pid: i32,
    commits: Vec<(i64, Durable)>,
    /// What the next append has to begin with.
    lock_timeout: &'static str,
}

impl Server {
    fn restart(&mut self) {
        for backend in self.backends.drain(..) {
            backend.pipe.borrow_mut().ended = true;
        }
        self.life += 1;
    }

    /// Serves all backends as far as they come.
    fn serve(&mut self) {
        if !self.stalled || !self.named {
            let durable = if self.named {
                Durable::Replicated
            } else {
                Durable::Alone
            };
            self.release(durable);
        }
        for i in 0..self.backends.len() {
            while self.backends[i].waits.is_none() && self.serve_message(i) {}
        }
        self.backends
            .retain(|backend| backend.waits.is_some() || !backend.pipe.borrow().dropped);
    }

    /// Ends all waits for a standby.
    fn release(&mut self, durable: Durable) {
        for backend in &mut self.backends {
            if let Some((version, answer)) = backend.waits.take() {
                self.commits.push((version, durable));
                let mut pipe = backend.pipe.borrow_mut();
                if durable == Durable::Cancelled {
                    let warning =
                        b"SWARNING\0VWARNING\0C01000\0Mcanceling wait\0RSyncRepWaitForLSN\0\0";
                    pipe.to_client.extend(message(b'N', warning));
                }
                pipe.to_client.extend(answer);
            }
        }
    }

    /// Serves the next message of a backend, where there is one.
    fn serve_message(&mut self, i: usize) -> bool {
        let pipe = Rc::clone(&self.backends[i].pipe);
        let header = usize::from(self.backends[i].greeted);
        let bytes = pipe.borrow().to_server.clone();
        let Some(length) = bytes.get(header..header + 4) else {
            return false;
        };
        let length = header + u32::from_be_bytes(length.try_into().unwrap()) as usize;
        let Some(body) = bytes.get(header + 4..length) else {
            return false;
        };
        pipe.borrow_mut().to_server.drain(..length);
        if header == 0 {
            self.backends[i].greeted = true;
            let greeting = [
                message(b'R', &[0; 4]),
                message(b'S', b"server_encoding\0UTF8\0"),
                message(b'S', b"server_version\x0015.0\0"),
                message(b'Z', b"I"),
            ];
            pipe.borrow_mut().to_client.extend(greeting.concat());
        } else if bytes[0] == b'Q' {
            let sql = String::from_utf8_lossy(body).into_owned();
            self.serve_query(i, &sql);
        }
        true
    }

    fn serve_query(&mut self, i: usize, sql: &str) {
        assert!(
            !sql.contains("pg_cancel_backend"),
            "a cancelled wait looks like a commit"
        );
        let pid = self.backends[i].pid;
        let names = if self.named { "pg2" } else { "" };
        let mut identity = vec![
            pid.to_string(),
            self.life.to_string(),
            names.to_owned(),
            "on".to_owned(),
        ];
        if sql.contains("pg_settings") {
            identity.extend([String::new(), format!("{pid}.5")]);
        }
        let mut answer = row(&identity);
        if sql.contains("select format, agencies") {
            answer.extend(row(&["2".to_owned(), "1".to_owned()]));
        } else if sql.contains("pg_terminate_backend(pid, ") {
            for backend in &mut self.backends {
                let named = format!(
                    "pid = {} and extract(epoch from backend_start) = {0}.5)",
                    backend.pid
                );
                let listed = sql.contains(named.trim_end_matches(')'));
                // It waits, so it works. What it has committed stays, on this machine alone.
                if listed && let Some((version, _)) = backend.waits.take() {
                    self.commits.push((version, Durable::Alone));
                    answer.extend(row(&[backend.pid.to_string(), "t".to_owned()]));
                    let mut pipe = backend.pipe.borrow_mut();
                    (pipe.ended, pipe.dropped) = (true, true);
                }
            }
        }
        answer.extend([message(b'C', b"DONE\0"), message(b'Z', b"I")].concat());
        let appends = sql.contains("/* append */");
        if appends {
            assert!(
                sql.contains(self.lock_timeout),
                "another lock timeout: {sql}"
            );
        }
        let version = version_of(sql);
        if appends || sql.contains(".centrals ") {
            self.backends[i].waits = Some((version, answer));
            if !self.named {
                self.release(Durable::Alone);
            }
        } else {
            self.backends[i].pipe.borrow_mut().to_client.extend(answer);
        }
    }
}

/// The version that a query appends; 0: none.
fn version_of(sql: &str) -> i64 {
    let values = sql.split_once("(values (1, ").map(|(_, values)| values);
    let version = values.and_then(|values| values.split_once(',')?.0.parse().ok());
    version.unwrap_or(0)
}

fn message(kind: u8, body: &[u8]) -> Vec<u8> {
    let length = body.len() as u32 + 4;
    [&[kind][..], &length.to_be_bytes(), body].concat()
}

fn row(columns: &[String]) -> Vec<u8> {
    let mut body = (columns.len() as u16).to_be_bytes().to_vec();
    for column in columns {
        body.extend((column.len() as u32).to_be_bytes());
        body.extend(column.as_bytes());
    }
    message(b'D', &body)
}

struct SimDial(Rc<RefCell<Server>>);

impl Dial for SimDial {
    type Stream = SimStream;

    fn resolve(&mut self, _name: &str, _port: u16) {
        unreachable!("the host is an address");
    }

    fn resolved(&mut self) -> Option<io::Result<Vec<SocketAddr>>> {
        None
    }

    fn connect(&mut self, _address: &Address) -> io::Result<SimStream> {
        let mut server = self.0.borrow_mut();
        let pipe = Rc::default();
        server.last_pid += 1;
        let backend = Backend {
            pid: server.last_pid,
            pipe: Rc::clone(&pipe),
            greeted: false,
            waits: None,
        };
        server.backends.push(backend);
        Ok(SimStream(pipe))
    }

    fn is_connected(&self, _stream: &SimStream) -> io::Result<bool> {
        Ok(true)
    }
}

/// A link, and what was asked over it.
struct Asking {
    link: Link<SimDial>,
    /// The last version that was asked for.
    version: i64,
    asked: bool,
    done: u32,
}

struct World {
    rng: fastrand::Rng,
    server: Rc<RefCell<Server>>,
    sessions: Vec<Asking>,
    mode: CommitMode,
    now: Instant,
    /// The last version that was asked for.
    version: i64,
    printed: bool,
}

impl World {
    fn new(seed: u64, sessions: u8, printed: bool) -> Self {
        let mut rng = fastrand::Rng::with_seed(seed);
        let server = Rc::new(RefCell::new(Server {
            life: 1,
            named: rng.u8(..4) > 0,
            stalled: false,
            backends: Vec::new(),
            last_pid: 100,
            commits: Vec::new(),
            lock_timeout: USUAL,
        }));
        let mode = [CommitMode::AsSet, CommitMode::Replicated][rng.usize(..2)];
        let options = LinkOptions {
            url: DatabaseUrl::parse(
                "postgresql://a@127.0.0.1/a?sslmode=disable",
                &Defaults::default(),
            )
            .unwrap(),
            lottery: "lottery".to_owned(),
            central: "c".to_owned(),
            agencies: 1,
            commit: mode,
            timeout: TIMEOUT,
            sessions,
        };
        let now = Instant::now();
        let dials = (0..sessions).map(|_| SimDial(Rc::clone(&server)));
        let links = Link::several(dials.collect(), &options, rng.fork(), now).unwrap();
        let asking = |link| Asking {
            link,
            version: 0,
            asked: false,
            done: 0,
        };
        Self {
            sessions: links.into_iter().map(asking).collect(),
            rng,
            server,
            mode,
            now,
            version: 0,
            printed,
        }
    }

    fn note(&self, what: std::fmt::Arguments<'_>) {
        if self.printed {
            println!("{what}");
        }
    }

    /// Something happens to the server.
    fn fate(&mut self) {
        let mut server = self.server.borrow_mut();
        let fate = self.rng.u8(..200);
        match fate {
            0..8 => server.stalled ^= true,
            8..14 => server.named ^= true,
            14..18 => server.release(Durable::Cancelled),
            18..22 => {
                for backend in &server.backends {
                    backend.pipe.borrow_mut().ended = true;
                }
            }
            22 => server.restart(),
            _ => return,
        }
        drop(server);
        self.note(format_args!("fate {fate}"));
    }

    /// Time passes, and everybody does what it can.
    fn step(&mut self) {
        self.now += Duration::from_millis(self.rng.u64(..30));
        for at in 0..self.sessions.len() {
            let Asking { link, .. } = &mut self.sessions[at];
            link.mark(true, true, false);
            link.advance(self.now).unwrap();
            while let Some(answer) = self.sessions[at].link.poll() {
                self.note(format_args!("{at}: {answer:?}"));
                match answer {
                    Answer::Done => self.check_done(at),
                    Answer::Down(_) | Answer::Failed(_) => self.sessions[at].asked = false,
                    _ => {}
                }
            }
            if self.sessions[at].link.is_idle() && self.rng.bool() {
                self.ask(at);
            }
            let mut server = self.server.borrow_mut();
            let (count, most) = (server.backends.len(), self.sessions.len() + 1);
            assert!(count <= most, "{count} backends of one central");
            // What one of them asks is served before another one asks.
            server.serve();
        }
    }

    fn ask(&mut self, at: usize) {
        self.version += 1;
        let (wait, lock_timeout) =
            [(LockWait::Usual, USUAL), (LockWait::Short, SHORT)][self.rng.usize(..2)];
        self.server.borrow_mut().lock_timeout = lock_timeout;
        let part = Part {
            agency: Agency::new(1).unwrap(),
            version: self.version,
            account: Account::default(),
            bets: 0,
        };
        let asking = &mut self.sessions[at];
        asking
            .link
            .submit(&Query::Append(&[&part], &SealedRows::default(), wait));
        (asking.version, asking.asked) = (part.version, true);
    }

    /// Checks a commit that is told as done.
    fn check_done(&mut self, at: usize) {
        let asking = &mut self.sessions[at];
        assert!(std::mem::take(&mut asking.asked), "nothing was asked");
        asking.done += 1;
        let asked = asking.version;
        let server = self.server.borrow();
        let commit = server
            .commits
            .iter()
            .rfind(|(version, _)| *version == asked);
        let (_, durable) = commit.expect("it is not committed");
        let kept = match self.mode {
            CommitMode::Replicated => *durable == Durable::Replicated,
            _ => *durable != Durable::Cancelled,
        };
        assert!(
            kept,
            "version {asked} is told as done, and no standby has it"
        );
    }

    fn run(mut self) {
        for _ in 0..self.rng.u32(100..800) {
            self.fate();
            self.step();
        }
        {
            let mut server = self.server.borrow_mut();
            (server.named, server.stalled) = (true, false);
        }
        self.note(format_args!("calm"));
        self.sessions.iter_mut().for_each(|asking| asking.done = 0);
        for _ in 0..2_000 {
            self.step();
            if self.sessions.iter().all(|asking| asking.done > 3) {
                return;
            }
        }
        panic!("no commit is done though all is well");
    }
}

#[test]
fn whatever_a_server_does_a_central_has_two_backends_at_most_and_tells_nothing_untrue() {
    each_seed(1);
}

#[test]
fn whatever_a_server_does_to_three_sessions_their_central_has_four_backends_at_most() {
    each_seed(3);
}

fn each_seed(sessions: u8) {
    if let Ok(seed) = std::env::var("LINK_SEED") {
        return World::new(seed.parse().unwrap(), sessions, true).run();
    }
    for seed in 0..2_000 {
        let run = std::panic::AssertUnwindSafe(|| World::new(seed, sessions, false).run());
        if let Err(panic) = std::panic::catch_unwind(run) {
            eprintln!(
                "again: LINK_SEED={seed} cargo test -p event-server --test postgres_link -- --nocapture"
            );
            std::panic::resume_unwind(panic);
        }
    }
}

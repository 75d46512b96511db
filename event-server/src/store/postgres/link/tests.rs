//! A link over a network and a server that do what a test says, at the moments that it says.

use std::cell::RefCell;
use std::io::{self, Read, Write};
use std::rc::Rc;

use super::*;
use crate::store::postgres::Defaults;

mod asking;
mod connecting;

const TIMEOUT: Duration = Duration::from_secs(4);
const MOMENT: Duration = Duration::from_millis(1);

/// The two directions of a connection.
#[derive(Default)]
struct Pipe {
    to_server: Vec<u8>,
    to_link: VecDeque<u8>,
    /// The first message, which has no type, was taken.
    greeted: bool,
    /// The server has closed it.
    ended: bool,
    /// It takes no bytes of the link.
    is_stuck: bool,
}

struct TestStream(Rc<RefCell<Pipe>>);

impl Read for TestStream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut pipe = self.0.borrow_mut();
        match pipe.to_link.read(buffer)? {
            0 if !pipe.ended => Err(io::ErrorKind::WouldBlock.into()),
            count => Ok(count),
        }
    }
}

impl Write for TestStream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut pipe = self.0.borrow_mut();
        match pipe.is_stuck {
            true => Err(io::ErrorKind::WouldBlock.into()),
            false => pipe.to_server.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Stream for TestStream {
    fn shutdown_write(&self) -> io::Result<()> {
        Ok(())
    }

    fn take_error(&self) -> io::Result<Option<io::Error>> {
        Ok(None)
    }
}

/// The network, and a server as it is now.
#[derive(Default)]
struct Net {
    resolved: Option<io::Result<Vec<SocketAddr>>>,
    /// Hosts that refuse every connection: a part of their address.
    refusing: Vec<&'static str>,
    /// No connection is made.
    is_deaf: bool,
    connected: Vec<String>,
    pipes: Vec<Rc<RefCell<Pipe>>>,
    /// The SQLSTATE with which the server refuses sessions.
    refuses_with: Option<&'static str>,
    /// It says nothing.
    is_silent: bool,
    /// It asks for a password in the clear.
    wants_password: bool,
    agencies: &'static str,
    standbys: &'static str,
    /// What was asked of the server, but for the set-up of sessions.
    asked: Vec<String>,
    /// All that it was sent.
    heard: Vec<u8>,
}

struct TestDial(Rc<RefCell<Net>>);

impl Dial for TestDial {
    type Stream = TestStream;

    fn resolve(&mut self, _name: &str, _port: u16) {}

    fn resolved(&mut self) -> Option<io::Result<Vec<SocketAddr>>> {
        self.0.borrow_mut().resolved.take()
    }

    fn connect(&mut self, address: &Address) -> io::Result<TestStream> {
        let mut net = self.0.borrow_mut();
        let address = match address {
            Address::Tcp(address) => address.to_string(),
            Address::Unix(path) => path.display().to_string(),
        };
        net.connected.push(address.clone());
        if net.refusing.iter().any(|part| address.contains(part)) {
            return Err(io::ErrorKind::ConnectionRefused.into());
        }
        net.pipes.push(Rc::default());
        Ok(TestStream(Rc::clone(net.pipes.last().unwrap())))
    }

    fn is_connected(&self, _stream: &TestStream) -> io::Result<bool> {
        Ok(!self.0.borrow().is_deaf)
    }
}

struct World {
    net: Rc<RefCell<Net>>,
    links: Vec<Link<TestDial>>,
    now: Instant,
}

impl World {
    /// Links to the hosts of this URL.
    fn new(url: &str, sessions: u8, commit: CommitMode) -> Self {
        let net = Rc::new(RefCell::new(Net {
            agencies: "5",
            ..Net::default()
        }));
        let url = format!("postgresql://a:secret@{url}sslmode=disable");
        let options = LinkOptions {
            url: DatabaseUrl::parse(&url, &Defaults::default()).unwrap(),
            lottery: "lottery".to_owned(),
            central: "c".to_owned(),
            agencies: 5,
            commit,
            timeout: TIMEOUT,
            sessions,
        };
        let now = Instant::now();
        let dials = (0..sessions).map(|_| TestDial(Rc::clone(&net))).collect();
        let rng = fastrand::Rng::with_seed(7);
        let links = Link::several(dials, &options, rng, now).unwrap();
        Self { net, links, now }
    }

    /// A link whose session is ready.
    fn ready(commit: CommitMode) -> Self {
        let mut world = Self::new("127.0.0.1/a?", 1, commit);
        let told = world.run(0);
        assert!(
            told.iter().any(|told| matches!(told, Answer::Up(_))),
            "{told:?}"
        );
        world
    }

    /// So much time passes; returns what the link tells then, while the server serves.
    fn after(&mut self, time: Duration, link: usize) -> Vec<Answer> {
        self.now += time;
        self.run(link)
    }

    /// As far as it goes now.
    fn run(&mut self, link: usize) -> Vec<Answer> {
        self.try_run(link).unwrap()
    }

    fn try_run(&mut self, link: usize) -> Result<Vec<Answer>, Unusable> {
        let mut answers = Vec::new();
        for _ in 0..20 {
            let link = &mut self.links[link];
            link.mark(true, true, false);
            link.advance(self.now)?;
            answers.extend(std::iter::from_fn(|| link.poll()));
            self.serve();
        }
        Ok(answers)
    }

    /// What it tells when its pause is over.
    fn after_pause(&mut self, link: usize) -> Vec<Answer> {
        self.now = self.links[link].deadline().unwrap();
        self.run(link)
    }

    /// Asserts that nothing is told until this much time has passed; returns what is told then.
    fn told_after(&mut self, time: Duration) -> Answer {
        assert_eq!(self.links[0].deadline(), Some(self.now + time));
        assert_eq!(self.after(time - MOMENT, 0), [], "too early");
        let mut told = self.after(MOMENT, 0);
        assert_eq!(told.len(), 1, "{told:?}");
        told.remove(0)
    }

    /// How long the link pauses.
    fn pause(&self, link: usize) -> Duration {
        assert!(matches!(self.links[link].state, State::Pausing { .. }));
        self.links[link].deadline().unwrap() - self.now
    }

    fn pipe(&self) -> Rc<RefCell<Pipe>> {
        Rc::clone(self.net.borrow().pipes.last().unwrap())
    }

    /// Ends the last connection that was made.
    fn cut(&self) {
        self.pipe().borrow_mut().ended = true;
    }

    /// The server answers what it was asked, on every connection.
    fn serve(&self) {
        let pipes = self.net.borrow().pipes.clone();
        for (pid, pipe) in pipes.iter().enumerate() {
            while let Some((kind, body)) = take_message(pipe) {
                self.net.borrow_mut().heard.extend(&body);
                let answer = self.answer(kind, &body, pid);
                pipe.borrow_mut().to_link.extend(answer);
            }
        }
    }

    fn answer(&self, kind: u8, body: &[u8], pid: usize) -> Vec<u8> {
        let mut net = self.net.borrow_mut();
        if net.is_silent {
            return Vec::new();
        }
        if let Some(code) = net.refuses_with {
            return error("FATAL", code);
        }
        if kind == 0 && net.wants_password {
            return message(b'R', &[0, 0, 0, 3]);
        }
        if kind == 0 || kind == b'p' {
            return [
                message(b'R', &[0; 4]),
                message(b'S', b"server_encoding\0UTF8\0"),
                message(b'S', b"server_version\x0015.0\0"),
                message(b'Z', b"I"),
            ]
            .concat();
        }
        let sql = String::from_utf8_lossy(body).into_owned();
        if kind != b'Q' {
            return Vec::new();
        }
        // What a test answers itself: a query of the store, or what the link asks behind it.
        let is_asked = sql.starts_with("/* ")
            || sql.contains("select count(pg_terminate_backend")
            || sql.ends_with("'synchronous_commit', true)\0");
        if is_asked || sql.contains("pg_terminate_backend") {
            net.asked.push(sql.clone());
        }
        if is_asked {
            return Vec::new();
        }
        let mut answer = identity(pid, net.standbys);
        if sql.contains("select format, agencies") {
            answer.extend(row(&[Some("2"), Some(net.agencies)]));
        }
        answer.extend(done());
        answer
    }

    /// The server answers the query under way with these rows, and then so.
    fn reply(&mut self, rows: &[Vec<u8>], end: Vec<u8>) -> Vec<Answer> {
        let pid = self.net.borrow().pipes.len() - 1;
        let identity = identity(pid, self.net.borrow().standbys);
        let pipe = self.pipe();
        pipe.borrow_mut().to_link.extend(identity);
        (pipe.borrow_mut().to_link).extend(rows.iter().flatten().chain(&end));
        self.run(0)
    }

    /// Asks the first session.
    fn ask(&mut self, query: &Query<'_>) {
        assert!(self.links[0].is_idle());
        self.links[0].submit(query);
        assert!(!self.links[0].is_idle());
        self.serve();
    }

    /// The last query that was asked.
    fn asked(&self) -> String {
        self.net.borrow().asked.last().cloned().unwrap_or_default()
    }
}

/// Takes the next message that the server was sent: its type, 0 for the first one, and its body.
fn take_message(pipe: &RefCell<Pipe>) -> Option<(u8, Vec<u8>)> {
    let mut pipe = pipe.borrow_mut();
    let header = usize::from(pipe.greeted);
    let length: [u8; 4] = pipe.to_server.get(header..header + 4)?.try_into().ok()?;
    let end = header + u32::from_be_bytes(length) as usize;
    let body = pipe.to_server.get(header + 4..end)?.to_vec();
    let kind = if header == 1 { pipe.to_server[0] } else { 0 };
    pipe.greeted = true;
    pipe.to_server.drain(..end);
    Some((kind, body))
}

/// The row that tells whose backend it is, with what the first query of a session asks for, too.
fn identity(pid: usize, standbys: &str) -> Vec<u8> {
    let since = format!("{pid}.5");
    let pid = pid.to_string();
    let columns = [&pid, "1", standbys, "on", "", &since];
    row(&columns.map(Some))
}

fn message(kind: u8, body: &[u8]) -> Vec<u8> {
    let length = body.len() as u32 + 4;
    [&[kind][..], &length.to_be_bytes(), body].concat()
}

fn row(columns: &[Option<&str>]) -> Vec<u8> {
    let mut body = (columns.len() as u16).to_be_bytes().to_vec();
    for column in columns {
        let length = column.map_or(u32::MAX, |text| text.len() as u32);
        body.extend(length.to_be_bytes());
        body.extend(column.unwrap_or_default().as_bytes());
    }
    message(b'D', &body)
}

fn done() -> Vec<u8> {
    [message(b'C', b"DONE\0"), message(b'Z', b"I")].concat()
}

fn error(severity: &str, code: &str) -> Vec<u8> {
    let body = format!("S{severity}\0V{severity}\0C{code}\0Mwhat happened\0\0");
    message(b'E', body.as_bytes())
}

fn failed(code: &str) -> Vec<u8> {
    [error("ERROR", code), message(b'Z', b"I")].concat()
}

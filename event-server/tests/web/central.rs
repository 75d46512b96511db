//! A central with its HTTP port, and a client that speaks HTTP by hand.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::time::Duration;

use fixtures::programs::{self, Running};
use serde_json::Value;
use tempfile::TempDir;

/// How long to wait for an answer: only a broken program makes anybody wait that long.
const PATIENCE: Duration = Duration::from_secs(60);

/// A central that can be watched.
pub struct Central {
    pub running: Running,
    /// Where agencies find it.
    pub lottery: SocketAddr,
    /// Where it is watched.
    pub http: SocketAddr,
    folder: TempDir,
}

impl Central {
    pub fn start(environment: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut all = vec![("SERVER_HTTP", "127.0.0.1:0")];
        all.extend(environment);
        let (running, lottery) = programs::central(folder.path(), &all).unwrap();
        let line = running.wait_for("action: listen_http").unwrap();
        let (ip, port) = line
            .split_once("ip: ")
            .unwrap()
            .1
            .split_once(" | port: ")
            .unwrap();
        let http = SocketAddr::new(ip.parse().unwrap(), port.parse().unwrap());
        Self {
            running,
            lottery,
            http,
            folder,
        }
    }

    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The folder of its bets.
    pub fn data(&self) -> PathBuf {
        self.folder.path().to_owned()
    }

    pub fn get(&self, path: &str) -> Answer {
        get(self.http, path)
    }

    /// How the lottery stands.
    pub fn standing(&self) -> Value {
        standing(self.http)
    }

    pub fn connect(&self) -> Client {
        Client::connect(self.http)
    }
}

/// Asks once, over a connection of its own.
pub fn get(http: SocketAddr, path: &str) -> Answer {
    let mut client = Client::connect(http);
    client.send(&format!(
        "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    ));
    let answer = client.answer();
    assert!(client.is_closed(), "it said that it would close");
    answer
}

/// How the lottery stands, as this central tells it.
pub fn standing(http: SocketAddr) -> Value {
    let answer = get(http, "/api/lottery");
    assert_eq!(answer.status, 200);
    serde_json::from_slice(&answer.body).unwrap()
}

/// An answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    pub status: u16,
    /// Names in small letters.
    pub fields: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Answer {
    pub fn field(&self, name: &str) -> Option<&str> {
        let mut fields = self.fields.iter().filter(|(other, _)| other == name);
        let found = fields.next().map(|(_, value)| &**value);
        assert!(fields.next().is_none(), "{name} twice: {self:?}");
        found
    }

    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }
}

/// A connection to the port.
pub struct Client {
    pub reader: BufReader<TcpStream>,
}

impl Client {
    pub fn connect(address: SocketAddr) -> Self {
        Self::over(TcpStream::connect(address).unwrap())
    }

    pub fn over(stream: TcpStream) -> Self {
        stream.set_nodelay(true).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let reader = BufReader::new(stream);
        Self { reader }
    }

    pub fn stream(&self) -> &TcpStream {
        self.reader.get_ref()
    }

    pub fn send(&mut self, text: &str) {
        self.stream().write_all(text.as_bytes()).unwrap();
    }

    /// The next answer, to a request that wants a body.
    pub fn answer(&mut self) -> Answer {
        let mut answer = self.head();
        let length = answer.field("content-length").unwrap().parse().unwrap();
        answer.body = vec![0; length];
        self.reader.read_exact(&mut answer.body).unwrap();
        answer
    }

    /// The head of the next answer.
    pub fn head(&mut self) -> Answer {
        let status = self.line();
        let status = status.strip_prefix("HTTP/1.1 ").unwrap();
        let status = status.split(' ').next().unwrap().parse().unwrap();
        let mut fields = Vec::new();
        loop {
            let line = self.line();
            if line.is_empty() {
                break;
            }
            let (name, value) = line.split_once(": ").unwrap();
            fields.push((name.to_ascii_lowercase(), value.to_owned()));
        }
        let body = Vec::new();
        Answer {
            status,
            fields,
            body,
        }
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.reader.read_line(&mut line).unwrap();
        line.strip_suffix("\r\n")
            .unwrap_or_else(|| panic!("no line: {line:?}"))
            .to_owned()
    }

    /// Whether the central closes it without another byte.
    pub fn is_closed(&mut self) -> bool {
        matches!(self.reader.read(&mut [0]), Ok(0))
    }
}

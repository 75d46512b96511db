//! A client for tests, one blocking socket that speaks frames, and what a process looks like from outside.
#![allow(dead_code, reason = "each test file uses its own part")]

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use frame::{Batch, Bet, Inbox, MIN_LENGTH, MessageId, Request};

/// How long to wait for anything: only a broken program makes anybody wait that long.
const PATIENCE: Duration = Duration::from_secs(60);

/// A reply, as it came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    pub kind: u16,
    pub id: MessageId,
    pub payload: String,
}

pub struct Peer {
    pub stream: TcpStream,
    inbox: Inbox,
}

impl Peer {
    pub fn connect(address: SocketAddr) -> Self {
        Self::over(TcpStream::connect(address).unwrap())
    }

    /// A peer whose stream is connected.
    pub fn over(stream: TcpStream) -> Self {
        stream.set_nodelay(true).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        Self {
            stream,
            inbox: Inbox::new(frame::MAX_REPLY, 64 * 1024),
        }
    }

    pub fn send(&mut self, request: &Request<'_>) -> MessageId {
        let (bytes, id) = encode(request);
        self.stream.write_all(&bytes).unwrap();
        id
    }

    /// The next reply; `None` where the server has closed the connection.
    pub fn answer(&mut self) -> Option<Answer> {
        loop {
            if let Some(frame) = self.inbox.frame().unwrap() {
                let payload = String::from_utf8(frame.payload.to_vec()).unwrap();
                return Some(Answer {
                    kind: frame.kind,
                    id: frame.id,
                    payload,
                });
            }
            let stream = &mut self.stream;
            match self.inbox.fill(|space| stream.read(space)) {
                Ok(Some(0)) => return None,
                Ok(_) => {}
                Err(e) if e.kind() == std::io::ErrorKind::ConnectionReset => return None,
                Err(e) => panic!("{e}"),
            }
        }
    }

    /// Sends a request and returns the payload of its reply; `None` where the connection has ended.
    pub fn try_ask(&mut self, request: &Request<'_>) -> Option<String> {
        let (bytes, _) = encode(request);
        self.stream.write_all(&bytes).ok()?;
        Some(self.answer()?.payload)
    }

    /// Sends a request and returns the payload of its reply, which has to carry its id.
    pub fn ask(&mut self, request: &Request<'_>) -> String {
        let id = self.send(request);
        let answer = self.answer().expect("the server closed the connection");
        assert_eq!(answer.id, id);
        answer.payload
    }

    /// Says that nothing more will be sent.
    pub fn finish_sending(&self) {
        self.stream.shutdown(Shutdown::Write).unwrap();
    }
}

/// Closes a connection with a reset.
pub fn reset(stream: TcpStream) {
    socket2::SockRef::from(&stream)
        .set_linger(Some(Duration::ZERO))
        .unwrap();
}

/// A request as a frame.
pub fn encode(request: &Request<'_>) -> (Vec<u8>, MessageId) {
    let mut bytes = Vec::new();
    let id = request.encode(&mut bytes);
    (bytes, id)
}

/// A frame of any type with any payload.
pub fn raw(kind: u16, payload: &[u8]) -> Vec<u8> {
    let length = (MIN_LENGTH + payload.len()) as u32;
    let mut bytes = length.to_be_bytes().to_vec();
    bytes.extend_from_slice(&kind.to_be_bytes());
    bytes.extend_from_slice(&MessageId::of(payload).0);
    bytes.extend_from_slice(payload);
    bytes
}

pub fn agency(number: u32) -> frame::Agency {
    frame::Agency::new(number).unwrap()
}

/// A bet that is told from others by its document.
pub fn bet(number: u32, document: &str, wins: bool) -> String {
    let numero = if wins { 7574 } else { 1 };
    format!(
        "{{agency:{number},nombre:Ana,apellido:Paz,dni:{document},nacimiento:1999-12-31,numero:{numero}}}"
    )
}

/// The row that a [`bet`] is stored as.
pub fn row(number: u32, document: &str, wins: bool) -> String {
    format!(
        "{number},Ana,Paz,{document},1999-12-31,{}",
        if wins { 7574 } else { 1 }
    )
}

/// A request for a single bet.
pub fn one(text: &str) -> Request<'_> {
    let bet = Bet::read(&mut frame::payload::Objects::new(text.as_bytes()));
    Request::Bet(bet.unwrap().unwrap())
}

/// A request for bets joined by `|`.
pub fn batch(text: &str) -> Request<'_> {
    Request::Batch(Batch::new(text.as_bytes()))
}

pub fn finished(number: u32) -> Request<'static> {
    Request::Finished {
        agency: agency(number),
        bets: None,
    }
}

pub fn winners(number: u32) -> Request<'static> {
    Request::Winners {
        agency: agency(number),
    }
}

pub fn resume(number: u32, upload: u8) -> Request<'static> {
    Request::Resume {
        agency: agency(number),
        upload: frame::UploadId([upload; 16]),
    }
}

/// A number of `/proc/PID/status`, by its name; sizes are in kB.
pub fn status_of(pid: u32, name: &str) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let value = status.lines().find_map(|line| line.strip_prefix(name));
    let value = value.expect("no such name").trim_start_matches(':');
    let number = value.split_whitespace().next().unwrap();
    number.parse().unwrap()
}

/// Waits until something is so, where nothing announces it.
pub fn eventually(what: &str, is_so: impl Fn() -> bool) {
    let began = Instant::now();
    while !is_so() {
        assert!(
            began.elapsed() < PATIENCE,
            "not within {PATIENCE:?}: {what}"
        );
        thread::sleep(Duration::from_millis(5));
    }
}

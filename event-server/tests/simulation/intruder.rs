//! A peer that does not keep to the protocol, or does not mean well. Nothing that it sends may be stored, and
//! yet it gets every reply that it is owed, in the order of its requests.

use std::collections::VecDeque;

use frame::{Ack, MessageId, Reply, Request, UploadId, Winners};

use crate::ledger::Ledger;
use crate::net::{ClientConnection, Filled, Net};

/// What is owed to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Owed {
    /// A failed ack.
    Failure,
    /// A refused winners query.
    Refused,
}

pub struct Intruder {
    bytes: Vec<u8>,
    owed: VecDeque<(MessageId, Owed)>,
    /// The line that is owed to one that sends text.
    echo: Option<String>,
    /// The server closes the connection after all that; else the intruder ends its side.
    hangs_up: bool,
    connection: Option<ClientConnection>,
    done: bool,
}

impl Intruder {
    pub fn new(agency: u32, ledger: &mut Ledger, rng: &mut fastrand::Rng) -> Self {
        let mut intruder = Self {
            bytes: Vec::new(),
            owed: VecDeque::new(),
            echo: None,
            hangs_up: true,
            connection: None,
            done: false,
        };
        match rng.u8(..10) {
            0 => {
                let text = "áé 12 ".repeat(rng.usize(..300));
                intruder.bytes = format!("{text} \r\nrest").into_bytes();
                let line = text.as_bytes();
                let line = line[..line.len().min(1024)].trim_ascii_end();
                intruder.echo = Some(String::from_utf8_lossy(line).into_owned() + "\n");
            }
            1 => intruder.bytes = vec![rng.u8(1..9); rng.usize(1..40)],
            _ => intruder.frames(agency, ledger, rng),
        }
        intruder
    }

    /// Frames, each of which is refused, and one last thing.
    fn frames(&mut self, agency: u32, ledger: &mut Ledger, rng: &mut fastrand::Rng) {
        // Sometimes more than a turn's budget of requests.
        let count = if rng.u8(..6) == 0 { 40 } else { rng.usize(..6) };
        for _ in 0..count {
            self.bad_request(agency, ledger, rng);
        }
        match rng.u8(..5) {
            0 => self.frame(9, None, b"no such type", Owed::Failure),
            1 => {
                self.bytes.extend_from_slice(&[0, 0xff, 0xff, 0xff, 1, 2]);
                // Sometimes more than a turn's budget of bytes.
                let rest = if rng.u8(..16) == 0 { 20_000 } else { 100 };
                self.bytes.resize(self.bytes.len() + rng.usize(..rest), 0);
            }
            2 => {
                self.bytes.extend_from_slice(&[0, 0, 0, 40, 0, 3]);
                self.hangs_up = false;
            }
            _ => self.hangs_up = false,
        }
    }

    fn bad_request(&mut self, agency: u32, ledger: &mut Ledger, rng: &mut fastrand::Rng) {
        let parcel = ledger.parcel(agency, 2, true, rng);
        let texts = ledger.parcels[parcel].bets.iter().map(|bet| &*bet.text);
        let [one, other]: [&str; 2] = texts.collect::<Vec<_>>().try_into().unwrap();
        let wrong_id = Some(MessageId(rng.u128(..).to_be_bytes()));
        let elsewhere = one.replace(
            &format!("agency:{agency}"),
            &format!("agency:{}", agency + 1),
        );
        match rng.u8(..8) {
            0 => self.frame(
                3,
                None,
                format!("{one}|{elsewhere}").as_bytes(),
                Owed::Failure,
            ),
            1 => self.frame(3, None, format!("{one}|{other}|").as_bytes(), Owed::Failure),
            2 => self.frame(
                3,
                None,
                format!("{one}|{{{other}").as_bytes(),
                Owed::Failure,
            ),
            3 => self.frame(3, None, b"", Owed::Failure),
            4 => self.frame(1, None, format!("{one}|{other}").as_bytes(), Owed::Failure),
            5 => self.frame(5, None, b"{agency:0}", Owed::Refused),
            6 => self.frame(1, wrong_id, one.as_bytes(), Owed::Failure),
            // Not the connection's first message.
            _ if !self.owed.is_empty() => {
                let mut bytes = Vec::new();
                let agency = frame::Agency::new(agency).unwrap();
                let upload = UploadId([7; 16]);
                let id = Request::Resume { agency, upload }.encode(&mut bytes);
                self.bytes.extend(bytes);
                self.owed.push_back((id, Owed::Failure));
            }
            _ => self.frame(3, wrong_id, one.as_bytes(), Owed::Failure),
        }
    }

    fn frame(&mut self, kind: u16, id: Option<MessageId>, payload: &[u8], owed: Owed) {
        let id = id.unwrap_or_else(|| MessageId::of(payload));
        let length = (frame::MIN_LENGTH + payload.len()) as u32;
        self.bytes.extend_from_slice(&length.to_be_bytes());
        self.bytes.extend_from_slice(&kind.to_be_bytes());
        self.bytes.extend_from_slice(&id.0);
        self.bytes.extend_from_slice(payload);
        self.owed.push_back((id, owed));
    }

    pub fn is_done(&self) -> bool {
        self.done
    }

    pub fn connection(&mut self) -> &mut Option<ClientConnection> {
        &mut self.connection
    }

    /// Sends all it has at once, and reads what comes.
    pub fn act(&mut self, net: &mut Net, ledger: &mut Ledger) {
        if self.done {
            return;
        }
        if self.connection.is_none() {
            self.connection = net.connect();
            let Some(connection) = &mut self.connection else {
                return;
            };
            connection.end.send(&self.bytes);
            if !self.hangs_up {
                connection.end.finish_sending();
            }
        }
        while let Some(connection) = &mut self.connection {
            let number = connection.number;
            let filled = match &self.echo {
                Some(_) => connection.fill(),
                None => {
                    let owed = &mut self.owed;
                    let answered = connection.reply(|id, reply| {
                        ledger.note(format_args!("{number} <- {id} {reply:?}"));
                        let reply = match reply {
                            Reply::Ack(Ack::Failure { .. }) => Owed::Failure,
                            Reply::Winners(Winners::Refused { .. }) => Owed::Refused,
                            other => panic!("a bad request is answered by {other:?}"),
                        };
                        assert_eq!(owed.pop_front(), Some((id, reply)), "replies out of order");
                    });
                    match answered {
                        Ok(()) => Filled::Bytes,
                        Err(filled) => filled,
                    }
                }
            };
            match filled {
                Filled::Bytes => {}
                Filled::NotYet => return,
                Filled::Ended => return self.lose(ledger),
                Filled::Broken => {
                    assert!(connection.end.is_excused(), "closed with input unread");
                    return self.lose(ledger);
                }
            }
        }
    }

    /// The connection is lost: every reply has come, unless the world was at fault.
    pub fn lose(&mut self, ledger: &mut Ledger) {
        let Some(connection) = self.connection.take() else {
            return;
        };
        ledger.note(format_args!("{} lost", connection.number));
        self.done = true;
        if !connection.end.is_excused() {
            assert!(
                self.owed.is_empty(),
                "{} replies are missing",
                self.owed.len()
            );
            if let Some(echo) = &self.echo {
                assert_eq!(String::from_utf8_lossy(connection.inbox.unread()), **echo);
            }
        }
    }
}

//! A client that lets the server wait: it sends nothing, half a frame or half a line, or takes no replies, and has to be
//! closed for it in time. Or it does its part, is silent in between for longer than that, and may not be closed.

use std::time::Duration;

use frame::{MessageId, Reply, Winners};

use crate::ledger::Ledger;
use crate::net::{ClientConnection, Filled, Net};

/// Requests whose replies are more than all buffers on their way take.
const MANY: usize = 600;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Silent,
    HalfFrame,
    HalfLine,
    TakesNothing,
    /// Does its part: a request, silence, and another one.
    Patient,
}

pub struct Idler {
    kind: Kind,
    connection: Option<ClientConnection>,
    /// Replies that a patient one still waits for.
    owed: usize,
    /// It is silent until then.
    silent_until: Option<Duration>,
    done: bool,
}

impl Idler {
    pub fn new(rng: &mut fastrand::Rng) -> Self {
        const KINDS: [Kind; 5] = [
            Kind::Silent,
            Kind::HalfFrame,
            Kind::HalfLine,
            Kind::TakesNothing,
            Kind::Patient,
        ];
        Self {
            kind: KINDS[rng.usize(..KINDS.len())],
            connection: None,
            owed: 2,
            silent_until: None,
            done: false,
        }
    }

    pub fn is_done(&self) -> bool {
        self.done
    }

    pub fn connection(&mut self) -> &mut Option<ClientConnection> {
        &mut self.connection
    }

    /// Sends its bytes once; then looks at what the server does.
    pub fn act(&mut self, net: &mut Net, ledger: &mut Ledger, rng: &mut fastrand::Rng) {
        if self.done {
            return;
        }
        if self.connection.is_none() {
            self.connection = net.connect();
            let Some(connection) = &mut self.connection else {
                return;
            };
            ledger.note(format_args!("{} {:?}", connection.number, self.kind));
            let mut bytes = Vec::new();
            match self.kind {
                Kind::Silent => {}
                Kind::HalfFrame => {
                    (0..rng.usize(..3)).for_each(|_| bytes.extend(refused_query()));
                    let frame = refused_query();
                    bytes.extend(&frame[..rng.usize(1..frame.len())]);
                }
                Kind::HalfLine => bytes.extend(b"no end"),
                Kind::TakesNothing => bytes = refused_query().repeat(MANY),
                Kind::Patient => bytes.extend(refused_query()),
            }
            connection.end.send(&bytes);
        }
        if self.kind == Kind::Patient {
            self.go_on(net.now_since_begin(), ledger);
        } else {
            self.wait(net.now_since_begin(), ledger);
        }
    }

    /// The next step of an idler that does its part.
    fn go_on(&mut self, now: Duration, ledger: &mut Ledger) {
        let Some(connection) = &mut self.connection else {
            return;
        };
        if let Some(until) = self.silent_until {
            if now < until {
                return;
            }
            self.silent_until = None;
            connection.end.duplex().borrow_mut().silent_since = None;
            connection.end.send(&refused_query());
        }
        let answered = connection.reply(|_, reply| {
            assert!(matches!(reply, Reply::Winners(Winners::Refused { .. })));
        });
        match answered {
            Ok(()) => self.owed -= 1,
            Err(Filled::NotYet) => return,
            Err(_) => return self.lose(ledger),
        }
        let duplex = connection.end.duplex();
        duplex.borrow_mut().silent_since = Some(now);
        let timeout = duplex.borrow().idle_timeout();
        self.silent_until = timeout.map(|timeout| now + 3 * timeout);
        if self.owed == 0 {
            self.connection = None;
            self.done = true;
        }
    }

    /// The next step of an idler that lets the server wait.
    fn wait(&mut self, now: Duration, ledger: &mut Ledger) {
        let Some(connection) = &mut self.connection else {
            return;
        };
        let takes_nothing = self.kind == Kind::TakesNothing;
        let duplex = connection.end.duplex();
        let duplex = duplex.borrow();
        let overdue = duplex.overdue(takes_nothing).unwrap_or_default();
        assert!(
            overdue <= duplex.slack(),
            "{:?} is not closed in time: {overdue:?} at {now:?}",
            self.kind
        );
        if takes_nothing && duplex.is_served() {
            return;
        }
        drop(duplex);
        loop {
            match connection.fill() {
                Filled::Bytes => connection.inbox.clear(),
                Filled::NotYet => return,
                Filled::Ended | Filled::Broken => return self.lose(ledger),
            }
        }
    }

    /// The connection is lost, by the server's doing or that of the world.
    pub fn lose(&mut self, ledger: &mut Ledger) {
        let Some(connection) = self.connection.take() else {
            return;
        };
        ledger.note(format_args!("{} lost", connection.number));
        self.done = true;
        assert!(
            connection.end.is_excused(),
            "the server closed a connection without a reason"
        );
    }
}

/// A winners query of no agency.
pub fn refused_query() -> Vec<u8> {
    frame(frame::kind::WINNERS_QUERY, b"{agency:0}")
}

/// A frame of this type, whatever its payload holds.
pub fn frame(kind: u16, payload: &[u8]) -> Vec<u8> {
    let length = (frame::MIN_LENGTH + payload.len()) as u32;
    let mut bytes = length.to_be_bytes().to_vec();
    bytes.extend(kind.to_be_bytes());
    bytes.extend(MessageId::of(payload).0);
    bytes.extend(payload);
    bytes
}

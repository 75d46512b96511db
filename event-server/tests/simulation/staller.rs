//! A peer that takes no replies. It asks for some, and then for what brings its connection into a state of its own; the
//! stream to it takes next to nothing, so that even one reply stays with the server.
//!
//! It comes to its end only by the server's doing: in time, whatever state the connection is in.

use std::time::Duration;

use frame::{Agency, Batch, Request, kind};

use crate::idler::{frame, refused_query};
use crate::ledger::Ledger;
use crate::net::{ClientConnection, Filled, Net};

/// Bytes that each part of the way to it takes at most: less than half of the shortest reply.
const WINDOW: usize = 8;

/// Requests whose replies are more than any outbox takes.
const MANY: usize = 600;

/// What it ends with, and where its connection waits then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Last {
    /// A line of text: it is echoed, and the connection closes.
    Line,
    /// More requests than are served: open.
    Requests,
    /// A query of its winners: held.
    Query,
    /// A bet: with a remote store its agency is read, and then it is committed.
    Bet,
    /// What is no request: the last reply goes out, and the connection closes.
    NoRequest,
    /// The end of its stream: the last reply goes out, and the connection closes.
    End,
}

pub struct Staller {
    agency: u32,
    last: Last,
    /// Requests before the last one; their replies fit into the outbox, or not.
    before: usize,
    /// Requests behind the last one.
    behind: usize,
    window: usize,
    connection: Option<ClientConnection>,
    done: bool,
}

impl Staller {
    pub fn new(agency: u32, rng: &mut fastrand::Rng) -> Self {
        const ALL: [Last; 6] = [
            Last::Line,
            Last::Requests,
            Last::Query,
            Last::Bet,
            Last::NoRequest,
            Last::End,
        ];
        Self {
            agency,
            last: ALL[rng.usize(..ALL.len())],
            before: rng.usize(1..12),
            behind: [0, 3, MANY][rng.usize(..3)],
            window: rng.usize(..=WINDOW),
            connection: None,
            done: false,
        }
    }

    pub fn is_done(&self) -> bool {
        self.done
    }

    pub fn connection(&mut self) -> &mut Option<ClientConnection> {
        &mut self.connection
    }

    /// Sends all that it has at once; then looks at what the server does.
    pub fn act(&mut self, net: &mut Net, ledger: &mut Ledger, rng: &mut fastrand::Rng) {
        if self.done {
            return;
        }
        if self.connection.is_none() {
            let Some(connection) = net.connect() else {
                return;
            };
            ledger.note(format_args!(
                "{} stalls after {:?}",
                connection.number, self.last
            ));
            connection.end.duplex().borrow_mut().narrow(self.window);
            self.send(connection, ledger, rng);
        }
        let Some(connection) = &mut self.connection else {
            return;
        };
        let duplex = connection.end.duplex();
        let duplex = duplex.borrow();
        // While its bet is committed, it is not the peer's fault that nothing is sent. A query may have waited for its
        // agency to be read, or for the draw: when the server comes back to it, the time begins again, once.
        let may_wait = match self.last {
            Last::Bet if ledger.lives[connection.life].remote => Duration::MAX,
            Last::Query => duplex.idle_timeout().unwrap_or_default(),
            _ => Duration::ZERO,
        };
        let overdue = duplex.overdue(true).unwrap_or_default();
        assert!(
            overdue <= duplex.slack().saturating_add(may_wait),
            "{:?}: replies that nobody takes are kept for {overdue:?} too long",
            self.last
        );
        if duplex.is_served() {
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

    fn send(
        &mut self,
        mut connection: ClientConnection,
        ledger: &mut Ledger,
        rng: &mut fastrand::Rng,
    ) {
        if self.last == Last::Line {
            connection
                .end
                .send(b"longer than all that is taken of it\n");
            self.connection = Some(connection);
            return;
        }
        connection.end.send(&refused_query().repeat(self.before));
        let agency = Agency::new(self.agency).expect("a number from 1 on");
        match self.last {
            Last::Line | Last::Requests => connection.end.send(&refused_query().repeat(MANY)),
            Last::Query => drop(connection.request(&Request::Winners { agency })),
            Last::Bet => {
                let parcel = ledger.parcel(self.agency, 1, false, rng);
                ledger.send_parcel(connection.life, parcel);
                let text = ledger.parcels[parcel].bets[0].text.clone();
                let bet = Batch::new(text.as_bytes()).bets().next().expect("a bet");
                connection.request(&Request::Bet(bet.expect("a valid one")));
            }
            Last::NoRequest => connection
                .end
                .send(&frame(kind::RESUMED + 1, b"no such type")),
            Last::End => {}
        }
        match self.last {
            Last::End => connection.finish_sending(),
            _ => connection.end.send(&refused_query().repeat(self.behind)),
        }
        self.connection = Some(connection);
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

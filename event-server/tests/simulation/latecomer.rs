//! A client that sends single bets for agencies which have said that they finished, one agency after the other on one
//! connection. It belongs to none of them as long as all is refused; and what it is told of each has to stay true.

use std::collections::VecDeque;

use frame::{Ack, Batch, MessageId, Reply, Request};

use crate::ledger::{Ledger, What};
use crate::net::{ClientConnection, Filled, Net};

struct Sent {
    id: MessageId,
    agency: u32,
    parcel: usize,
    /// It must not be taken.
    late: bool,
}

pub struct Latecomer {
    /// Agencies 1 to this number take part.
    agencies: u32,
    /// Bets to send.
    left: usize,
    window: usize,
    connection: Option<ClientConnection>,
    flight: VecDeque<Sent>,
}

impl Latecomer {
    pub fn new(agencies: u32, rng: &mut fastrand::Rng) -> Self {
        Self {
            agencies,
            left: rng.usize(1..12),
            window: rng.usize(1..5),
            connection: None,
            flight: VecDeque::new(),
        }
    }

    pub fn is_done(&self) -> bool {
        self.left == 0 && self.flight.is_empty()
    }

    pub fn connection(&mut self) -> &mut Option<ClientConnection> {
        &mut self.connection
    }

    /// Does what it can do now.
    pub fn act(&mut self, net: &mut Net, ledger: &mut Ledger, rng: &mut fastrand::Rng) {
        if self.is_done() {
            self.connection = None;
            return;
        }
        if self.flight.is_empty() && !(1..=self.agencies).any(|agency| ledger.is_closing(agency)) {
            return;
        }
        if self.connection.is_none() {
            self.connection = net.connect();
        }
        self.send(ledger, rng);
        self.receive(ledger);
    }

    fn send(&mut self, ledger: &mut Ledger, rng: &mut fastrand::Rng) {
        let Some(connection) = &mut self.connection else {
            return;
        };
        // A bet after one that was taken would be refused for another reason.
        while !connection.bound
            && self.left > 0
            && self.flight.len() < self.window
            && rng.u8(..6) > 0
        {
            let agency = rng.u32(1..=self.agencies);
            if !ledger.is_closing(agency) {
                return;
            }
            let parcel = ledger.parcel(agency, 1, false, rng);
            let late = ledger.send_parcel(connection.life, parcel);
            let text = ledger.parcels[parcel].bets[0].text.clone();
            let bet = Batch::new(text.as_bytes()).bets().next().expect("a bet");
            let id = connection.request(&Request::Bet(bet.expect("a valid one")));
            ledger.note(format_args!(
                "{} late bet of {agency} {id}",
                connection.number
            ));
            self.left -= 1;
            self.flight.push_back(Sent {
                id,
                agency,
                parcel,
                late,
            });
        }
    }

    fn receive(&mut self, ledger: &mut Ledger) {
        while let Some(connection) = &mut self.connection {
            let (life, bound, flight) = (connection.life, connection.bound, &mut self.flight);
            let answered = connection.reply(|id, reply| {
                ledger.note(format_args!("<- {id} {reply:?}"));
                let sent = flight.pop_front().expect("a reply that nobody asked for");
                assert_eq!(sent.id, id, "replies out of order");
                let stored = match reply {
                    Reply::Ack(Ack::Success) => true,
                    Reply::Ack(Ack::Failure { .. }) => false,
                    other => panic!("a bet is answered by {other:?}"),
                };
                assert!(
                    !(stored && sent.late),
                    "a bet is taken after it was all over"
                );
                if !stored && !bound {
                    ledger.refused(life, sent.agency, What::Bet);
                }
                ledger.parcel_answered(sent.parcel, stored);
                stored
            });
            match answered {
                Ok(stored) => connection.bound |= stored,
                Err(Filled::NotYet) if connection.bound && self.flight.is_empty() => {
                    self.connection = None
                }
                Err(Filled::NotYet) => return,
                Err(_) => return self.lose(ledger),
            }
        }
    }

    /// The connection is lost, by the server's doing or that of the world.
    pub fn lose(&mut self, ledger: &mut Ledger) {
        let Some(connection) = self.connection.take() else {
            return;
        };
        ledger.note(format_args!("{} lost", connection.number));
        self.flight.clear();
        assert!(
            connection.end.is_excused(),
            "the server closed a connection without a reason"
        );
    }
}

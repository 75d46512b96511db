//! A client that knows types 1 to 6: batches, single bets, finished, the winners query.
//!
//! It opens one connection for each request, or keeps one for all and sends ahead. A bet in doubt is never sent
//! again; finished and the query are, until they are answered.

use std::collections::VecDeque;

use frame::{Ack, Agency, Batch, MessageId, Reply, Request, Winners};

use crate::ledger::{Ledger, What};
use crate::net::{ClientConnection, Filled, Net};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Task {
    /// The ledger's parcel of this number.
    Parcel(usize),
    Finished,
    Query,
    /// Says that another agency has finished, on a connection that speaks for this one.
    OtherAgency,
}

struct Sent {
    id: MessageId,
    task: Task,
    /// It must not be taken.
    late: bool,
}

pub struct Plain {
    agency: u32,
    tasks: VecDeque<Task>,
    /// It may never take part: what is refused is not tried again.
    stranger: bool,
    /// It says when its agency has finished.
    finishes: bool,
    /// One connection per request.
    one_each: bool,
    /// How many requests it sends ahead.
    window: usize,
    connection: Option<ClientConnection>,
    flight: VecDeque<Sent>,
    pause: u32,
}

impl Plain {
    pub fn new(agency: u32, tasks: Vec<Task>, stranger: bool, rng: &mut fastrand::Rng) -> Self {
        Self {
            agency,
            finishes: tasks.contains(&Task::Finished),
            tasks: tasks.into(),
            stranger,
            one_each: rng.bool(),
            window: rng.usize(1..6),
            connection: None,
            flight: VecDeque::new(),
            pause: 0,
        }
    }

    pub fn is_done(&self) -> bool {
        self.tasks.is_empty() && self.flight.is_empty()
    }

    pub fn connection(&mut self) -> &mut Option<ClientConnection> {
        &mut self.connection
    }

    /// Does what it can do now.
    pub fn act(&mut self, net: &mut Net, ledger: &mut Ledger, rng: &mut fastrand::Rng) {
        if self.is_done() {
            self.connection = None;
        } else if self.pause > 0 {
            self.pause -= 1;
        } else if self.connection.is_some() {
            self.send(ledger, rng);
            self.receive(ledger, rng);
        } else {
            self.connection = net.connect();
            self.pause = rng.u32(..if self.connection.is_some() { 2 } else { 20 });
        }
    }

    /// Sends ahead as far as it may. A query waits for everything before it: behind one that is held nothing is
    /// served.
    fn send(&mut self, ledger: &mut Ledger, rng: &mut fastrand::Rng) {
        let Some(connection) = &mut self.connection else {
            return;
        };
        let window = if self.one_each { 1 } else { self.window };
        let agency = Agency::new(self.agency).unwrap();
        while self.flight.len() < window && rng.u8(..6) > 0 {
            let querying = matches!(self.flight.back(), Some(sent) if sent.task == Task::Query);
            let Some(task) = self.tasks.front().copied() else {
                break;
            };
            if querying || task == Task::Query && !self.flight.is_empty() {
                break;
            }
            let task = if connection.bound && task != Task::Query && rng.u8(..8) == 0 {
                Task::OtherAgency
            } else {
                self.tasks.pop_front();
                task
            };
            let mut late = false;
            let id = match task {
                Task::Parcel(parcel) => {
                    late = ledger.send_parcel(connection.life, parcel);
                    let parcel = &ledger.parcels[parcel];
                    let texts: Vec<&str> = parcel.bets.iter().map(|b| &*b.text).collect();
                    let payload = texts.join("|");
                    let batch = Batch::new(payload.as_bytes());
                    if parcel.batch {
                        connection.request(&Request::Batch(batch))
                    } else {
                        let bet = batch.bets().next().expect("a bet");
                        connection.request(&Request::Bet(bet.expect("a valid one")))
                    }
                }
                Task::Finished => {
                    ledger.send_finished(self.agency);
                    connection.request(&Request::Finished { agency, bets: None })
                }
                Task::OtherAgency => {
                    let agency = Agency::new(self.agency + 1).unwrap();
                    connection.request(&Request::Finished { agency, bets: None })
                }
                Task::Query => connection.request(&Request::Winners { agency }),
            };
            ledger.note(format_args!("{} {task:?} {id}", connection.number));
            self.flight.push_back(Sent { id, task, late });
            if (self.one_each || self.tasks.is_empty()) && rng.u8(..4) == 0 {
                connection.finish_sending();
                break;
            }
        }
    }

    fn receive(&mut self, ledger: &mut Ledger, rng: &mut fastrand::Rng) {
        while let Some(connection) = &mut self.connection {
            let (life, number) = (connection.life, connection.number);
            let (flight, agency) = (&mut self.flight, self.agency);
            let answered = connection.reply(|id, reply| {
                ledger.note(format_args!("{number} <- {id} {reply:?}"));
                let sent = flight.pop_front().expect("a reply that nobody asked for");
                assert_eq!(sent.id, id, "replies out of order");
                let again = take(ledger, life, agency, &sent, reply);
                (sent.task, again)
            });
            let finished = connection.finished;
            match answered {
                Ok((task, again)) => {
                    connection.bound |= !again && matches!(task, Task::Parcel(_) | Task::Finished);
                    if again && !self.stranger && !ledger.is_left_out(life, agency) {
                        self.retry(task, rng);
                    }
                    // Until it connects again, another client may take its place.
                    if self.one_each || again && (finished || rng.bool()) {
                        return self.hang_up();
                    }
                    if self.is_done() {
                        self.connection = None;
                    }
                }
                Err(Filled::NotYet) => return,
                Err(_) => return self.lose(ledger),
            }
        }
    }

    /// What was refused, or is to be asked again, is sent again later; a bet not for ever.
    fn retry(&mut self, task: Task, rng: &mut fastrand::Rng) {
        self.pause = rng.u32(1..10);
        if !matches!(task, Task::Parcel(_)) || rng.u8(..4) > 0 {
            self.tasks.push_front(task);
        }
    }

    /// The connection is closed while requests may be under way: they are in doubt.
    fn hang_up(&mut self) {
        self.connection = None;
        for sent in self.flight.drain(..).rev() {
            if matches!(sent.task, Task::Finished | Task::Query) {
                self.tasks.push_front(sent.task);
            }
        }
    }

    /// Says once more that the agency has finished, and asks for the winners, as if nothing was acknowledged.
    pub fn begin_anew(&mut self, ledger: &mut Ledger) {
        self.lose(ledger);
        let ends = |task: &Task| matches!(task, Task::Finished | Task::Query);
        self.tasks.retain(|task| !ends(task));
        self.tasks.extend(self.finishes.then_some(Task::Finished));
        self.tasks.push_back(Task::Query);
    }

    /// The connection is lost, by the server's doing or that of the world.
    pub fn lose(&mut self, ledger: &mut Ledger) {
        if let Some(connection) = &self.connection {
            ledger.note(format_args!("{} lost", connection.number));
            assert!(
                connection.end.is_excused(),
                "the server closed a connection without a reason"
            );
        }
        self.hang_up();
    }
}

/// Writes down what a reply says; returns whether to ask again.
fn take(ledger: &mut Ledger, life: usize, agency: u32, sent: &Sent, reply: Reply<'_>) -> bool {
    match (sent.task, reply) {
        (Task::Parcel(parcel), Reply::Ack(Ack::Success)) => {
            assert!(!sent.late, "a bet is taken after it was all over");
            ledger.taken(life, agency);
            ledger.parcel_answered(parcel, true);
            false
        }
        (Task::Finished, Reply::Ack(Ack::Success)) => {
            ledger.taken(life, agency);
            ledger.finished(agency);
            false
        }
        (Task::Query, Reply::Winners(Winners::Drawn(documents))) => {
            let winners = documents.to_vec().expect("documents");
            let winners = winners.iter().map(|d| d.to_string()).collect();
            ledger.told(life, agency, winners);
            false
        }
        (Task::Query, Reply::Winners(Winners::InProgress)) => {
            ledger.turned_away(life);
            true
        }
        (Task::OtherAgency, Reply::Ack(Ack::Failure { reason: None })) => false,
        (task, Reply::Ack(Ack::Failure { reason: None })) => {
            let what = match task {
                Task::Parcel(parcel) if ledger.parcels[parcel].batch => What::Batch,
                Task::Parcel(_) => What::Bet,
                _ => What::Finished { upload: false },
            };
            ledger.refused(life, agency, what);
            if let Task::Parcel(parcel) = task {
                ledger.parcel_answered(parcel, false);
            }
            true
        }
        (Task::Query, Reply::Winners(Winners::Refused { .. })) => {
            ledger.refused(life, agency, What::Query);
            true
        }
        (task, reply) => panic!("{task:?} is answered by {reply:?}"),
    }
}

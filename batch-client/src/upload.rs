//! The state of an upload in the client: what may be sent next, and what each reply means.
//!
//! ```text
//!  Idle -- resume --> Resuming -- resumed --> Sending -- all acknowledged, finished --> Asking -- winners
//!   ^                    |                       |                                       |  ^
//!   +------ begin -------+-----------------------+---------------------------------------+  | ask_again
//!                                                                        in_progress -> NotYet
//! ```
//!
//! Uses no socket, no file and no clock. The caller sends what [`Upload::next`] says, calls [`Upload::sent`] for it, and
//! gives every reply to [`Upload::take`]. The server says how many of the first rows it has; on that connection the rows after
//! them are sent, each once and in order. So the stored rows are always a prefix of the file, whatever was lost.

use std::collections::VecDeque;

use frame::{Ack, Agency, Documents, MessageId, NOT_NOW, REPLACED, Reply, Request, Winners};

use crate::error::{Error, Lost, Step};
use crate::scan::Summary;

/// How many connections in a row may end because another client went on with the upload, before this client leaves it to the
/// other.
const REPLACEMENTS: u32 = 3;

/// The state of an upload.
#[derive(Debug)]
pub struct Upload {
    agency: Agency,
    file: Summary,
    window: usize,
    state: State,
    /// What was sent on this connection and is not yet answered; at most `window` batches.
    in_flight: VecDeque<Sent>,
    /// How many rows were sent on this connection or were stored before it.
    sent: u64,
    /// How many rows the server is known to have.
    stored: u64,
    /// The largest number of stored rows that the server has answered.
    highest: u64,
    /// Whether a resume was ever answered, or refused with a reason.
    resumes: bool,
    /// How many connections in a row ended because another client went on with the upload.
    replacements: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Idle,
    Resuming,
    Sending,
    Asking,
    NotYet,
}

#[derive(Debug)]
struct Sent {
    id: MessageId,
    step: Step,
    bets: u32,
}

/// What to send next.
#[derive(Debug, PartialEq, Eq)]
pub enum Next {
    /// A request other than a batch.
    Request(Step, Request<'static>),
    /// The next batch of the file.
    Batch,
    /// Nothing, until a reply has come.
    Nothing,
}

/// What a reply says.
#[derive(Debug, PartialEq, Eq)]
pub enum Event<'a> {
    /// The server has the first bets of the file; the client skips them.
    Resumed {
        /// How many bets it has.
        stored: u64,
        /// How many bets it had acknowledged before and does not have any more.
        missing: u64,
        /// Whether it has more bets than in any answer before.
        progress: bool,
    },
    /// The server does not take the request now, for this reason. It may take it on the next connection.
    NotNow(String),
    /// Another client goes on with the upload, as the server says in these words.
    Replaced(String),
    /// A batch is stored.
    Stored {
        /// The id of the batch.
        id: MessageId,
        /// How many bets the batch has.
        bets: u32,
    },
    /// The server knows that no more bets will come.
    Finished {
        /// The id of the request that said so.
        id: MessageId,
    },
    /// The draw is not done: call [`Upload::ask_again`] after a pause.
    NotYet,
    /// The winners; nothing is left to do.
    Winners(Documents<'a>),
}

impl Upload {
    /// Creates the upload of this file, with at most `window` batches in flight.
    pub fn new(agency: Agency, file: Summary, window: usize) -> Self {
        Self {
            agency,
            file,
            window,
            state: State::Idle,
            in_flight: VecDeque::with_capacity(window),
            sent: 0,
            stored: 0,
            highest: 0,
            resumes: false,
            replacements: 0,
        }
    }

    /// Begins on a new connection: nothing is in flight there.
    pub fn begin(&mut self) {
        self.state = State::Idle;
        self.in_flight.clear();
        self.sent = 0;
    }

    /// Returns what may be sent now.
    pub fn next(&self) -> Next {
        let agency = self.agency;
        let idle = self.in_flight.is_empty();
        match self.state {
            State::Idle => {
                let upload = self.file.upload;
                Next::Request(Step::Resume, Request::Resume { agency, upload })
            }
            State::Sending if !self.all_sent() && self.free_window() > 0 => Next::Batch,
            State::Sending if self.all_sent() && idle => {
                let bets = Some(self.file.bets);
                Next::Request(Step::Finished, Request::Finished { agency, bets })
            }
            State::Asking if idle => Next::Request(Step::Winners, Request::Winners { agency }),
            _ => Next::Nothing,
        }
    }

    /// Notes that what [`next`](Self::next) said was sent. `bets` is the number of bets of a batch, 0 for anything else.
    pub fn sent(&mut self, step: Step, id: MessageId, bets: u32) {
        if self.state == State::Idle {
            self.state = State::Resuming;
        }
        self.sent += u64::from(bets);
        self.in_flight.push_back(Sent { id, step, bets });
    }

    /// Returns how many rows were neither sent on this connection nor stored before it.
    pub fn unsent(&self) -> u64 {
        self.file.bets.saturating_sub(self.sent)
    }

    /// Returns how many more batches may be in flight.
    pub fn free_window(&self) -> usize {
        self.window.saturating_sub(self.in_flight.len())
    }

    /// Returns how many requests wait for their reply.
    pub fn in_flight(&self) -> usize {
        self.in_flight.len()
    }

    /// Returns whether every row was sent on this connection or stored before it.
    pub fn all_sent(&self) -> bool {
        self.unsent() == 0
    }

    /// Returns how many rows the server is known to have.
    pub fn stored(&self) -> u64 {
        self.stored
    }

    /// Returns the most rows that the server may have: those of its last answer, and those that were sent on this connection.
    pub fn reached(&self) -> u64 {
        self.sent.max(self.stored)
    }

    /// Returns whether everything that was sent is answered.
    pub fn is_quiet(&self) -> bool {
        self.in_flight.is_empty()
    }

    /// Returns whether the server holds the winners query. It may do so until the last agency has finished.
    pub fn is_held(&self) -> bool {
        self.state == State::Asking && !self.is_quiet()
    }

    /// Returns whether the winners query has to be sent again after a pause.
    pub fn is_not_yet(&self) -> bool {
        self.state == State::NotYet
    }

    /// Notes that the pause is over: the winners query may be sent again.
    pub fn ask_again(&mut self) {
        self.state = State::Asking;
    }

    /// Returns whether only the draw is missing: the server holds the query, or wants to be asked later.
    pub fn waits_for_draw(&self) -> bool {
        self.is_held() || self.is_not_yet()
    }

    /// Notes that the connection is lost. Returns `lost` where another attempt may help.
    ///
    /// # Errors
    /// Another client went on with the upload, the third time in a row.
    pub fn lost(&mut self, lost: Lost) -> Result<Lost, Error> {
        let Lost::Replaced(reason) = lost else {
            self.replacements = 0;
            return Ok(lost);
        };
        self.replacements += 1;
        match self.replacements {
            REPLACEMENTS.. => Err(Error::Replaced(reason)),
            _ => Ok(Lost::Replaced(reason)),
        }
    }

    /// Takes the next reply of this connection.
    ///
    /// # Errors
    /// The server refused the request, or the reply does not belong to it.
    pub fn take<'a>(&mut self, id: MessageId, reply: Reply<'a>) -> Result<Event<'a>, Error> {
        let Some(sent) = self.in_flight.pop_front() else {
            return Err(self.invalid("a reply came without a request"));
        };
        if sent.id != id {
            return Err(invalid(sent.step, "the reply carries another id"));
        }
        match (sent.step, reply) {
            (Step::Resume, Reply::Resumed(stored)) => self.resumed(stored),
            (Step::Resume, Reply::Ack(Ack::Failure { reason: None })) if !self.resumes => {
                Err(Error::NoResume)
            }
            (Step::Batch, Reply::Ack(Ack::Success)) => {
                self.stored += u64::from(sent.bets);
                let bets = sent.bets;
                Ok(Event::Stored { id, bets })
            }
            (Step::Finished, Reply::Ack(Ack::Success)) => {
                self.state = State::Asking;
                Ok(Event::Finished { id })
            }
            (Step::Winners, Reply::Winners(Winners::Drawn(documents))) => {
                Ok(Event::Winners(documents))
            }
            (Step::Winners, Reply::Winners(Winners::InProgress)) => {
                self.state = State::NotYet;
                Ok(Event::NotYet)
            }
            (_, Reply::Ack(Ack::Failure { reason: Some(why) })) if why.starts_with(NOT_NOW) => {
                // Only a server that knows resume says why.
                self.resumes = true;
                Ok(Event::NotNow(why.into_owned()))
            }
            (_, Reply::Ack(Ack::Failure { reason: Some(why) })) if why.starts_with(REPLACED) => {
                Ok(Event::Replaced(why.into_owned()))
            }
            (step, Reply::Ack(Ack::Failure { reason })) => Err(Error::Refused {
                step,
                reason: reason.map(|reason| reason.into_owned()),
            }),
            (step, Reply::Winners(Winners::Refused { reason })) => Err(Error::Refused {
                step,
                reason: reason.map(|reason| reason.into_owned()),
            }),
            (step, _) => Err(invalid(step, "the reply is of another kind")),
        }
    }

    fn resumed(&mut self, stored: u64) -> Result<Event<'static>, Error> {
        let rows = self.file.bets;
        if stored > rows {
            return Err(Error::Ahead { stored, rows });
        }
        let event = Event::Resumed {
            stored,
            missing: self.stored.saturating_sub(stored),
            progress: stored > self.highest,
        };
        self.resumes = true;
        self.state = State::Sending;
        self.sent = stored;
        self.stored = stored;
        self.highest = self.highest.max(stored);
        Ok(event)
    }

    /// Returns the error of bytes that are not a valid reply to the oldest open request.
    pub fn invalid(&self, reason: impl ToString) -> Error {
        let step = match (self.in_flight.front(), self.state) {
            (Some(sent), _) => sent.step,
            (None, State::Idle | State::Resuming) => Step::Resume,
            (None, State::Sending) => Step::Batch,
            (None, State::Asking | State::NotYet) => Step::Winners,
        };
        invalid(step, reason)
    }
}

fn invalid(step: Step, reason: impl ToString) -> Error {
    let reason = reason.to_string();
    Error::Protocol { step, reason }
}

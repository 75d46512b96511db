//! An upload as the client sees it: what may be sent next, and what each reply means.
//!
//! ```text
//!  Idle -- resume --> Resuming -- resumed --> Sending -- all acknowledged, finished --> Asking -- winners
//!   ^                    |                       |                                       |  ^
//!   +------ begin -------+-----------------------+---------------------------------------+  | ask_again
//!                                                                        in_progress -> NotYet
//! ```
//!
//! Pure: no socket, no file, no clock. Whoever drives it sends what [`Upload::next`] says, tells
//! [`Upload::sent`], and hands every reply to [`Upload::take`]. On each connection the rows go out from the
//! one after the K that the server has, each once and in order, so that what is stored is a prefix of the
//! file, whatever got lost.

use std::collections::VecDeque;

use frame::{Ack, Agency, Documents, MessageId, Reply, Request, Winners};

use crate::batch::Summary;
use crate::error::{Error, Lost, Step};

/// So many resumes in a row without an answer mean a server that does not know resume.
const UNANSWERED: u32 = 3;

/// The state of an upload.
#[derive(Debug)]
pub struct Upload {
    agency: Agency,
    file: Summary,
    window: usize,
    stage: Stage,
    /// What was sent on this connection and not yet answered; at most `window` batches.
    flight: VecDeque<Sent>,
    /// Rows that this connection has sent, or need not send.
    sent: u64,
    /// Rows that the server is known to have.
    stored: u64,
    /// The largest K that a server has told.
    highest: u64,
    server: Server,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Idle,
    Resuming,
    Sending,
    Asking,
    NotYet,
}

/// What is known of the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Server {
    /// It left so many resumes unanswered.
    Unknown { unanswered: u32 },
    /// It knows resume.
    Resumes,
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
    /// This.
    Request(Step, Request<'static>),
    /// The file's next batch.
    Batch,
    /// Nothing before the next reply.
    Nothing,
}

/// What a reply says.
#[derive(Debug, PartialEq, Eq)]
pub enum Event<'a> {
    /// The server has so many bets: skip them.
    Resumed {
        /// How many.
        stored: u64,
        /// How many it has lost since it acknowledged them.
        missing: u64,
        /// Whether these are more than it ever had.
        progress: bool,
    },
    /// The server refused to resume and did not say why: it may not know how to.
    Unexplained,
    /// A batch is stored.
    Stored {
        /// Which.
        id: MessageId,
        /// How many bets it has.
        bets: u32,
    },
    /// The server knows that no more bets will come.
    Finished {
        /// Which request said so.
        id: MessageId,
    },
    /// Not drawn yet: [`Upload::ask_again`] after a while.
    NotYet,
    /// The winners; nothing is left to do.
    Winners(Documents<'a>),
}

impl Upload {
    /// An upload of this file, at most `window` batches in flight.
    pub fn new(agency: Agency, file: Summary, window: usize) -> Self {
        Self {
            agency,
            file,
            window,
            stage: Stage::Idle,
            flight: VecDeque::with_capacity(window),
            sent: 0,
            stored: 0,
            highest: 0,
            server: Server::Unknown { unanswered: 0 },
        }
    }

    /// There is a new connection.
    pub fn begin(&mut self) {
        self.stage = Stage::Idle;
        self.flight.clear();
        self.sent = 0;
    }

    /// What may be sent now.
    pub fn next(&self) -> Next {
        let agency = self.agency;
        let idle = self.flight.is_empty();
        match self.stage {
            Stage::Idle => {
                let upload = self.file.upload;
                Next::Request(Step::Resume, Request::Resume { agency, upload })
            }
            Stage::Sending if !self.all_sent() && self.flight.len() < self.window => Next::Batch,
            Stage::Sending if self.all_sent() && idle => {
                let bets = Some(self.file.bets);
                Next::Request(Step::Finished, Request::Finished { agency, bets })
            }
            Stage::Asking if idle => Next::Request(Step::Winners, Request::Winners { agency }),
            _ => Next::Nothing,
        }
    }

    /// What [`next`](Self::next) said is on its way; `bets` are those of a batch, 0 for anything else.
    pub fn sent(&mut self, step: Step, id: MessageId, bets: u32) {
        if self.stage == Stage::Idle {
            self.stage = Stage::Resuming;
        }
        self.sent += u64::from(bets);
        self.flight.push_back(Sent { id, step, bets });
    }

    /// What is uploaded.
    pub fn file(&self) -> Summary {
        self.file
    }

    /// Whether no row is left to be sent on this connection.
    pub fn all_sent(&self) -> bool {
        self.sent >= self.file.bets
    }

    /// How many rows the server is known to have.
    pub fn stored(&self) -> u64 {
        self.stored
    }

    /// Whether nothing sent waits for an answer.
    pub fn is_quiet(&self) -> bool {
        self.flight.is_empty()
    }

    /// Whether the server holds the winners query: it may take as long as the other agencies do.
    pub fn is_held(&self) -> bool {
        self.stage == Stage::Asking && !self.is_quiet()
    }

    /// Whether the query is to be asked again after a while.
    pub fn is_not_yet(&self) -> bool {
        self.stage == Stage::NotYet
    }

    /// A while has passed.
    pub fn ask_again(&mut self) {
        self.stage = Stage::Asking;
    }

    /// The connection is lost; gives `lost` back where trying again may help.
    ///
    /// # Errors
    /// The server left its third resume in a row unanswered, and never answered one.
    pub fn lost(&mut self, lost: Lost) -> Result<Lost, Error> {
        if let (Stage::Resuming, Server::Unknown { unanswered }) = (self.stage, &mut self.server) {
            *unanswered += 1;
            if *unanswered >= UNANSWERED {
                return Err(Error::NoResume(lost));
            }
        }
        Ok(lost)
    }

    /// Takes the next reply of this connection.
    ///
    /// # Errors
    /// The server refused what it was asked, or its reply fits nothing that was asked.
    pub fn take<'a>(&mut self, id: MessageId, reply: Reply<'a>) -> Result<Event<'a>, Error> {
        let Some(sent) = self.flight.pop_front() else {
            return Err(self.senseless("a reply came that nothing had asked for"));
        };
        if sent.id != id {
            return Err(senseless(sent.step, "the reply carries another id"));
        }
        match (sent.step, reply) {
            (Step::Resume, Reply::Resumed(stored)) => self.resumed(stored),
            (Step::Resume, Reply::Ack(Ack::Failure { reason: None }))
                if self.server != Server::Resumes =>
            {
                Ok(Event::Unexplained)
            }
            (Step::Batch, Reply::Ack(Ack::Success)) => {
                self.stored += u64::from(sent.bets);
                let bets = sent.bets;
                Ok(Event::Stored { id, bets })
            }
            (Step::Finished, Reply::Ack(Ack::Success)) => {
                self.stage = Stage::Asking;
                Ok(Event::Finished { id })
            }
            (Step::Winners, Reply::Winners(Winners::Drawn(documents))) => {
                Ok(Event::Winners(documents))
            }
            (Step::Winners, Reply::Winners(Winners::InProgress)) => {
                self.stage = Stage::NotYet;
                Ok(Event::NotYet)
            }
            (step, Reply::Ack(Ack::Failure { reason })) => Err(Error::Refused {
                step,
                reason: reason.map(|reason| reason.into_owned()),
            }),
            (step, Reply::Winners(Winners::Refused)) => Err(Error::Refused { step, reason: None }),
            (step, _) => Err(senseless(step, "the reply is of another kind")),
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
        self.server = Server::Resumes;
        self.stage = Stage::Sending;
        self.sent = stored;
        self.stored = stored;
        self.highest = self.highest.max(stored);
        Ok(event)
    }

    /// The error of bytes that are no reply to what was asked last.
    pub fn senseless(&self, found: impl ToString) -> Error {
        let step = match (self.flight.front(), self.stage) {
            (Some(sent), _) => sent.step,
            (None, Stage::Idle | Stage::Resuming) => Step::Resume,
            (None, Stage::Sending) => Step::Batch,
            (None, Stage::Asking | Stage::NotYet) => Step::Winners,
        };
        senseless(step, found)
    }
}

fn senseless(step: Step, found: impl ToString) -> Error {
    let found = found.to_string();
    Error::Protocol { step, found }
}

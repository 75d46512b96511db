//! A client that resumes: the real [`Upload`] over a model's connection, with a file in memory.
//!
//! It connects again after any loss, and is run again where the real client would give up for now.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;

use batch_client::batch::Summary;
use batch_client::error::{Error, Lost, Step};
use batch_client::upload::{Event, Next, Upload};
use frame::{Agency, Batch, NO_SPACE, Request};

use crate::duplex::Duplex;
use crate::ledger::{Ledger, What};
use crate::net::{ClientConnection, Filled, Net};

/// The longest pause before a connection, in turns.
const LONGEST_PAUSE: u32 = 128;

pub struct Uploader {
    file: usize,
    agency: u32,
    upload: Upload,
    window: usize,
    /// The most bets in a batch.
    most: usize,
    /// Another client sends the same file: each may drop the other's connection.
    rival: bool,
    connection: Option<ClientConnection>,
    /// Connections that the server may still have, the last one too.
    duplexes: Vec<Rc<RefCell<Duplex>>>,
    /// How many resumes of the file were answered when this connection's was sent.
    asked: usize,
    /// The next row to send.
    cursor: usize,
    /// Where the batches end that are in flight.
    flight: VecDeque<usize>,
    pause: u32,
    longest: u32,
    /// How often it is run once more when it is done.
    reruns: u32,
    done: bool,
}

impl Uploader {
    pub fn new(ledger: &Ledger, file: usize, rival: bool, rng: &mut fastrand::Rng) -> Self {
        let window = rng.usize(1..5);
        Self {
            file,
            agency: ledger.files[file].agency,
            upload: start(ledger, file, window),
            window,
            most: rng.usize(1..5),
            rival,
            connection: None,
            duplexes: Vec::new(),
            asked: 0,
            cursor: 0,
            flight: VecDeque::new(),
            pause: 0,
            longest: 1,
            reruns: u32::from(rng.u8(..8) == 0),
            done: false,
        }
    }

    pub fn is_done(&self) -> bool {
        self.done
    }

    pub fn connection(&mut self) -> &mut Option<ClientConnection> {
        &mut self.connection
    }

    /// Does what it can do now.
    pub fn act(&mut self, net: &mut Net, ledger: &mut Ledger, rng: &mut fastrand::Rng) {
        if self.done {
            return;
        }
        if self.pause > 0 {
            self.pause -= 1;
            return;
        }
        if self.connection.is_none() {
            let Some(connection) = net.connect() else {
                return self.wait(rng);
            };
            self.upload.begin();
            self.flight.clear();
            // What it sent before may come after what it sends now, and drop this connection.
            let served = |duplex: &Rc<RefCell<Duplex>>| duplex.borrow().is_served();
            connection.end.duplex().borrow_mut().excused |=
                self.rival || self.duplexes.iter().any(served);
            self.duplexes.retain(served);
            self.duplexes.push(connection.end.duplex());
            self.connection = Some(connection);
        }
        if self.upload.is_not_yet() {
            // Until it connects again, another client may take its place.
            if self
                .connection
                .as_ref()
                .is_none_or(|connection| connection.finished)
                || rng.bool()
            {
                self.connection = None;
                return self.wait(rng);
            }
            self.upload.ask_again();
        }
        self.send(ledger, rng);
        self.receive(ledger, rng);
    }

    fn wait(&mut self, rng: &mut fastrand::Rng) {
        self.pause = rng.u32(..=self.longest);
        self.longest = (self.longest * 2).min(LONGEST_PAUSE);
    }

    fn send(&mut self, ledger: &mut Ledger, rng: &mut fastrand::Rng) {
        let Some(connection) = &mut self.connection else {
            return;
        };
        while rng.u8(..6) > 0 {
            let (step, id, bets) = match self.upload.next() {
                Next::Nothing => return,
                Next::Request(step, request) => {
                    match step {
                        Step::Finished => ledger.send_finished(self.agency),
                        Step::Resume => self.asked = ledger.resumes(self.file),
                        _ => {}
                    }
                    (step, connection.request(&request), 0)
                }
                Next::Batch => {
                    let bets = &ledger.files[self.file].bets[self.cursor..];
                    let count = rng.usize(1..=self.most.min(bets.len()));
                    let texts: Vec<&str> = bets[..count].iter().map(|b| &*b.text).collect();
                    let payload = texts.join("|");
                    let id = connection.request(&Request::Batch(Batch::new(payload.as_bytes())));
                    self.cursor += count;
                    self.flight.push_back(self.cursor);
                    ledger.send_rows(self.file, self.cursor);
                    (Step::Batch, id, count as u32)
                }
            };
            ledger.note(format_args!("{} {step:?} {bets} {id}", connection.number));
            self.upload.sent(step, id, bets);
            if step == Step::Winners && rng.u8(..4) == 0 {
                connection.finish_sending();
            }
        }
    }

    fn receive(&mut self, ledger: &mut Ledger, rng: &mut fastrand::Rng) {
        loop {
            let Some(connection) = &mut self.connection else {
                return;
            };
            let (life, number) = (connection.life, connection.number);
            let (upload, agency) = (&mut self.upload, self.agency);
            let mut not_now = false;
            let mut replaced = false;
            let answer = connection.reply(|id, reply| {
                ledger.note(format_args!("{number} <- {id} {reply:?}"));
                match upload.take(id, reply)? {
                    Event::Resumed {
                        stored,
                        missing,
                        progress,
                    } => {
                        let lost = missing > 0 && !ledger.may_miss(self.file);
                        assert!(!lost, "the server has lost acknowledged bets");
                        ledger.resumed(life, self.file, stored as usize, self.asked);
                        self.cursor = stored as usize;
                        self.longest = if progress { 1 } else { self.longest };
                    }
                    Event::Stored { .. } => {
                        let end = self.flight.pop_front().expect("a batch in flight");
                        ledger.taken(life, agency);
                        ledger.rows_stored(self.file, end);
                    }
                    Event::Finished { .. } => {
                        ledger.taken(life, agency);
                        ledger.finished(agency);
                    }
                    Event::NotYet => {
                        ledger.turned_away(life);
                        self.pause = 1 + rng.u32(..8);
                    }
                    Event::Winners(documents) => {
                        let winners = documents.to_vec().expect("documents");
                        let winners = winners.iter().map(|d| d.to_string()).collect();
                        ledger.told(life, agency, winners);
                        self.done = true;
                    }
                    Event::Replaced(reason) => {
                        ledger.note(format_args!("{number} {reason}"));
                        replaced = true;
                    }
                    Event::NotNow(_) => {
                        assert!(ledger.lives[life].remote, "there is nothing to wait for");
                        not_now = true;
                    }
                }
                Ok::<_, Error>(())
            });
            match answer {
                Ok(Ok(())) if not_now => return self.try_again(rng),
                Ok(Ok(())) if self.done => return self.end(ledger, rng),
                Ok(Ok(())) if replaced => return self.lose(ledger, rng),
                Ok(Ok(())) => {}
                Ok(Err(e)) => return self.refused(e, life, ledger, rng),
                Err(Filled::NotYet) => return,
                Err(_) => return self.lose(ledger, rng),
            }
        }
    }

    fn end(&mut self, ledger: &Ledger, rng: &mut fastrand::Rng) {
        self.connection = None;
        if self.reruns > 0 {
            self.reruns -= 1;
            self.done = false;
            self.upload = start(ledger, self.file, self.window);
            self.wait(rng);
        }
    }

    fn refused(&mut self, e: Error, life: usize, ledger: &mut Ledger, rng: &mut fastrand::Rng) {
        let Error::Refused { step, reason } = e else {
            panic!("{e}");
        };
        let what = match step {
            Step::Resume => What::Resume,
            Step::Batch => What::Batch,
            Step::Finished => What::Finished { upload: true },
            _ => What::Query,
        };
        ledger.refused(life, self.agency, what);
        // Before the draw a lottery may come to be of more agencies.
        let for_now = reason.is_none_or(|reason| {
            reason.starts_with(NO_SPACE) || reason.contains("does not take part")
        }) && !ledger.is_left_out(life, self.agency);
        self.connection = None;
        self.done = !for_now;
        self.upload = start(ledger, self.file, self.window);
        self.wait(rng);
    }

    /// The server does not take it now, and closes.
    fn try_again(&mut self, rng: &mut fastrand::Rng) {
        self.connection = None;
        let lost = Lost::NotNow("not now".to_owned());
        let lost = self.upload.lost(lost);
        assert!(lost.is_ok(), "a server that says so knows resume");
        self.wait(rng);
    }

    /// Begins with the file again, as if nothing was acknowledged.
    pub fn begin_anew(&mut self, ledger: &mut Ledger, rng: &mut fastrand::Rng) {
        self.lose(ledger, rng);
        self.upload = start(ledger, self.file, self.window);
        self.done = false;
    }

    /// The connection is lost, by the server's doing or that of the world.
    pub fn lose(&mut self, ledger: &mut Ledger, rng: &mut fastrand::Rng) {
        let Some(connection) = self.connection.take() else {
            return;
        };
        ledger.note(format_args!("{} lost", connection.number));
        let answered = connection.finished && self.upload.is_quiet();
        assert!(
            answered || connection.end.is_excused(),
            "the server closed a connection without a reason"
        );
        let lost = self.upload.lost(Lost::Closed);
        assert!(lost.is_ok(), "another attempt may help");
        self.wait(rng);
    }
}

fn start(ledger: &Ledger, file: usize, window: usize) -> Upload {
    let file = &ledger.files[file];
    let summary = Summary {
        bets: file.bets.len() as u64,
        upload: file.upload,
    };
    Upload::new(Agency::new(file.agency).unwrap(), summary, window)
}

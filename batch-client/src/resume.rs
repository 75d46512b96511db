//! Sending to a server that knows resume: batches are pipelined on one connection; when it is lost, the upload goes on
//! in the next one.
//!
//! [`Upload`] decides what to send and what a reply means. This module does it: it reads the file, uses the
//! [`EventLoop`], looks at the clock and writes the log.

use std::time::Instant;

use frame::trace::{self, Laps};
use frame::{HEADER, MessageId, Reply, Request, Requests};

use crate::backoff::Backoff;
use crate::batch::Batches;
use crate::error::{AttemptError, Error, Lost, Step};
use crate::event_loop::{Connection, EventLoop, Turn};
use crate::file::Reader;
use crate::job::{Job, WinnerList};
use crate::report;
use crate::scan::Summary;
use crate::upload::{Event, Next, Upload};

/// Sends the file, says finished, and waits for the winners where the job waits for them.
pub(crate) fn run(
    job: &Job<'_>,
    event_loop: &mut EventLoop,
    file: Summary,
) -> Result<Option<WinnerList>, Error> {
    let config = job.config;
    let mut upload = Upload::new(config.agency, file, config.batch.window);
    let mut backoff = Backoff::new(config.server.retry, Instant::now());
    loop {
        upload.begin();
        let attempt = Attempt {
            job,
            event_loop,
            upload: &mut upload,
            backoff: &mut backoff,
            batches: None,
        };
        match attempt.run() {
            Ok(End::Winners(winners)) => return Ok(Some(winners)),
            Ok(End::Finished) => return Ok(None),
            Err(AttemptError::Fatal(e)) => event_loop.give_up_on(e)?,
            Err(AttemptError::Lost(lost)) => {
                if upload.waits_for_draw() {
                    backoff.alive(Instant::now());
                }
                let lost = upload.lost(lost)?;
                event_loop.pause_after(lost, &mut backoff)?;
            }
        }
    }
}

/// Returns the name of a reply in a trace.
fn kind_of(reply: &Reply<'_>) -> &'static str {
    match reply {
        Reply::Ack(_) => "ack",
        Reply::Resumed(_) => "resumed",
        Reply::Winners(_) => "winners",
    }
}

/// How an upload ends.
enum End {
    Winners(WinnerList),
    /// The agency has finished, and the run does not wait for the winners.
    Finished,
}

/// The part of an upload that is done on one connection.
struct Attempt<'s> {
    job: &'s Job<'s>,
    event_loop: &'s mut EventLoop,
    upload: &'s mut Upload,
    backoff: &'s mut Backoff,
    /// The batches that are left to send; `None` before the server has said how many bets it has, and where it has all.
    batches: Option<Batches<Reader<'s>>>,
}

impl Attempt<'_> {
    fn run(mut self) -> Result<End, AttemptError> {
        let mut connection = self.event_loop.connect()?;
        let mut laps = Laps::begin();
        loop {
            self.fill(&mut connection)?;
            laps.lap("fill");
            trace::counter("requests in flight", self.upload.in_flight() as u64);
            if self.event_loop.turn(&mut connection, self.deadline())? == Turn::TimedOut {
                if !self.upload.is_not_yet() {
                    return Err(Lost::Silent(self.job.config.server.timeout).into());
                }
                self.upload.ask_again();
            }
            laps.lap("turn");
            if let Some(end) = self.read(&mut connection)? {
                return Ok(end);
            }
            laps.lap("read");
            trace::counter("bets acknowledged", self.upload.stored());
        }
    }

    /// Returns when the next reply is due, or the next query. A query that the server holds has no deadline.
    fn deadline(&self) -> Option<Instant> {
        let time = if self.upload.is_held() {
            return None;
        } else if self.upload.is_not_yet() {
            self.job.config.loop_period.length()
        } else {
            self.job.config.server.timeout
        };
        Some(self.backoff.since() + time)
    }

    /// Moves all requests that may be sent now to the outbox.
    fn fill(&mut self, connection: &mut Connection) -> Result<(), Error> {
        while connection.outbox.has_room() {
            match self.upload.next() {
                Next::Nothing => break,
                Next::Request(step, request) => {
                    if step == Step::Finished {
                        self.job.verify(self.upload.reached(), self.event_loop)?;
                    }
                    let id = connection.outbox.request(&request);
                    self.sent(step, id, 0);
                }
                Next::Batch => self.send_batches(connection)?,
            }
        }
        Ok(())
    }

    /// Moves the next batches to the outbox: as many as are hashed together, or fewer where the file ends or the window is
    /// full.
    fn send_batches(&mut self, connection: &mut Connection) -> Result<(), Error> {
        let (job, reached) = (self.job, self.upload.reached());
        let batches = self.batches.as_mut().ok_or_else(|| job.changed(reached))?;
        let mut requests = connection.outbox.requests();
        let mut sizes = [0; Requests::MAX];
        let mut unsent = self.upload.unsent();
        for size in sizes.iter_mut().take(self.upload.free_window()) {
            if unsent == 0 || !requests.has_room() {
                break;
            }
            let batch = batches.next_batch();
            let batch = batch.map_err(|e| job.unreadable(e, reached))?;
            let (batch, bets) = batch.ok_or_else(|| job.changed(reached))?;
            requests.push(&Request::Batch(batch));
            *size = bets;
            unsent = unsent.saturating_sub(bets.into());
        }
        for (id, bets) in requests.finish().zip(sizes) {
            self.sent(Step::Batch, id, bets);
        }
        Ok(())
    }

    /// Notes that a request was moved to the outbox.
    fn sent(&mut self, step: Step, id: MessageId, bets: u32) {
        if self.upload.is_quiet() {
            // The time for the reply begins now, however long reading the file took.
            self.backoff.sign_of_life(Instant::now());
        }
        self.upload.sent(step, id, bets);
    }

    /// Takes the replies that have come, up to the one that ends the upload.
    fn read(&mut self, connection: &mut Connection) -> Result<Option<End>, AttemptError> {
        loop {
            let frame = match connection.inbox.frame() {
                Ok(Some(frame)) => frame,
                Ok(None) => return Ok(None),
                Err(e) => return Err(self.upload.invalid(e).into()),
            };
            let size = HEADER + frame.payload.len();
            let reply = Reply::decode(frame).map_err(|e| self.upload.invalid(e))?;
            trace::frame(kind_of(&reply), size, "received");
            self.backoff.sign_of_life(Instant::now());
            match self.upload.take(frame.id, reply)? {
                Event::Resumed {
                    stored,
                    missing,
                    progress,
                } => self.resumed(stored, missing, progress)?,
                Event::NotNow(reason) => return Err(Lost::NotNow(reason).into()),
                Event::Replaced(reason) => return Err(Lost::Replaced(reason).into()),
                Event::Stored { id, bets } => {
                    self.job.stored(id, bets, self.upload.stored());
                }
                Event::Finished { id } => {
                    report::finished(id);
                    if !self.job.waits {
                        return Ok(Some(End::Finished));
                    }
                    self.job.progress.waiting_for_draw();
                }
                Event::NotYet => report::winners_not_yet(),
                Event::Winners(documents) => {
                    let winners = WinnerList::copy(documents);
                    let winners = winners.map_err(|e| self.upload.invalid(e))?;
                    report::winners(winners.len());
                    return Ok(Some(End::Winners(winners)));
                }
            }
        }
    }

    fn resumed(&mut self, stored: u64, missing: u64, progress: bool) -> Result<(), Error> {
        report::resumed(stored);
        if missing > 0 {
            report::upload_shrunk(missing);
        }
        if progress {
            self.backoff.progress(Instant::now());
        } else {
            self.backoff.alive(Instant::now());
        }
        self.job.progress.resume(stored);
        if !self.upload.all_sent() {
            self.batches = Some(self.job.batches_after(stored, self.event_loop)?);
        }
        Ok(())
    }
}

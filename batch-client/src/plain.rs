//! Sending to a server that knows only types 1 to 6: one connection per request, one request at a time. Modes bet and
//! winners send their request to any server in this way.
//!
//! Such a server may close after its reply or never, and may not read a second frame, so the client closes after each
//! reply. A request without a reply may have been stored, so only a winners query is sent again.

use std::time::{Duration, Instant};

use frame::{Ack, Inbox, MessageId, Reply, Request, Winners};

use crate::backoff::Backoff;
use crate::config::{Config, Protocol};
use crate::error::{AttemptError, Error, Left, Lost, Step};
use crate::event_loop::EventLoop;
use crate::job::{Job, WinnerList};
use crate::report;

/// Sends the rows that no earlier run has sent, says finished, and asks for the winners where the job waits for them.
pub(crate) fn run(job: &Job<'_>, event_loop: &mut EventLoop) -> Result<Option<WinnerList>, Error> {
    let config = job.config;
    let rows = send_file(job, event_loop)?;
    let path = job.file.path().to_owned();
    let left = |left: Left| {
        |error| Error::Partly {
            error: Box::new(error),
            left,
        }
    };
    let finished = Request::Finished {
        agency: config.agency,
        bets: None,
    };
    let subject = || "\"finished\" is".to_owned();
    let sent = store(config, event_loop, Step::Finished, &finished, subject);
    report::finished(sent.map_err(left(Left::Finish { path, rows }))?);
    if !job.waits {
        return Ok(None);
    }
    job.progress.waiting_for_draw();
    let winners = ask_winners(config, event_loop);
    winners.map(Some).map_err(left(Left::Winners))
}

/// Sends the file; returns how many rows it has.
fn send_file(job: &Job<'_>, event_loop: &mut EventLoop) -> Result<u64, Error> {
    let mut batches = job.batches_after(job.sent_before, event_loop)?;
    let mut stored = job.sent_before;
    let path = job.file.path();
    let left = |error: Error, stored, bets| {
        let in_doubt = matches!(error, Error::InDoubt { .. });
        let doubtful = if in_doubt { u64::from(bets) } else { 0 };
        if stored == 0 && doubtful == 0 {
            return error;
        }
        let left = Left::Rows {
            path: path.to_owned(),
            stored,
            doubtful,
        };
        let error = Box::new(error);
        Error::Partly { error, left }
    };
    loop {
        let batch = batches.next_batch();
        let batch = batch.map_err(|e| left(job.unreadable(e, stored), stored, 0))?;
        let Some((batch, bets)) = batch else { break };
        let end = stored + u64::from(bets);
        let rows = || match stored + 1 {
            row if row == end => format!("row {row} of {} is", path.display()),
            first => format!("rows {first} to {end} of {} are", path.display()),
        };
        let request = Request::Batch(batch);
        let sent = store(job.config, event_loop, Step::Batch, &request, rows);
        job.stored(sent.map_err(|e| left(e, stored, bets))?, bets, end);
        stored = end;
    }
    let verified = job.verify(stored, event_loop);
    verified.map_err(|e| left(e, stored, 0)).map(|()| stored)
}

/// Sends one request until it is acknowledged; returns its id. `subject` names what was sent, followed by "is" or "are",
/// for the error that says that nobody knows whether it was stored.
pub(crate) fn store(
    config: &Config,
    event_loop: &mut EventLoop,
    step: Step,
    request: &Request<'_>,
    subject: impl Fn() -> String,
) -> Result<MessageId, Error> {
    let read = |reply: Reply<'_>| match reply {
        Reply::Ack(Ack::Success) => Some(Ok(())),
        Reply::Ack(Ack::Failure { reason }) => Some(Err(reason.map(|r| r.into_owned()))),
        _ => None,
    };
    let mut backoff = Backoff::new(config.server.retry, Instant::now());
    loop {
        let wait = Some(config.server.timeout);
        match ask(event_loop, &mut backoff, step, request, wait, read) {
            Ok((id, Ok(()))) => return Ok(id),
            Ok((_, Err(reason))) => return Err(Error::Refused { step, reason }),
            Err(NoAnswer::NotSent(lost)) => event_loop.pause_after(lost, &mut backoff)?,
            Err(NoAnswer::InDoubt(lost)) => {
                let subject = subject();
                return Err(Error::InDoubt {
                    step,
                    subject,
                    lost,
                });
            }
            Err(NoAnswer::Fatal(e)) => return Err(e),
        }
    }
}

/// Asks for the winners until the draw is done. Asking more than once changes nothing on the server.
pub(crate) fn ask_winners(
    config: &Config,
    event_loop: &mut EventLoop,
) -> Result<WinnerList, Error> {
    let step = Step::Winners;
    let agency = config.agency;
    let read = |reply: Reply<'_>| match reply {
        Reply::Winners(Winners::Drawn(documents)) => {
            WinnerList::copy(documents).ok().map(Query::Drawn)
        }
        Reply::Winners(Winners::InProgress) => Some(Query::NotYet),
        Reply::Winners(Winners::Refused { .. }) => Some(Query::Refused),
        _ => None,
    };
    // A server that knows resume holds the query until the draw.
    let wait = match config.server.protocol {
        Protocol::Resume => None,
        Protocol::Plain => Some(config.server.timeout),
    };
    let request = Request::Winners { agency };
    let mut backoff = Backoff::new(config.server.retry, Instant::now());
    loop {
        let asked = Instant::now();
        match ask(event_loop, &mut backoff, step, &request, wait, read) {
            Ok((_, Query::Drawn(winners))) => {
                report::winners(winners.len());
                return Ok(winners);
            }
            Ok((_, Query::Refused)) => return Err(Error::Refused { step, reason: None }),
            Ok((_, Query::NotYet)) => {
                report::winners_not_yet();
                event_loop.pause(config.loop_period.length())?;
                backoff.progress(Instant::now());
            }
            Err(NoAnswer::InDoubt(Lost::Stopped(signal))) => return Err(Error::Stopped(signal)),
            // The server may hold the query until the draw, which may take hours.
            Err(NoAnswer::InDoubt(lost @ Lost::Silent(_))) => {
                report::asking_again(step, &lost);
                backoff.sign_of_life(Instant::now());
            }
            Err(NoAnswer::InDoubt(lost)) => {
                // Longer than any other reply takes: the server held the query.
                if asked.elapsed() > config.server.timeout {
                    backoff.alive(Instant::now());
                }
                event_loop.pause_after(lost, &mut backoff)?;
            }
            Err(NoAnswer::NotSent(lost)) => event_loop.pause_after(lost, &mut backoff)?,
            Err(NoAnswer::Fatal(e)) => return Err(e),
        }
    }
}

/// The answer to a winners query.
enum Query {
    Drawn(WinnerList),
    NotYet,
    Refused,
}

/// Why there is no answer to a request.
enum NoAnswer {
    /// No byte of the request was sent.
    NotSent(Lost),
    /// The request was sent, at least in part: the server may have stored it.
    InDoubt(Lost),
    /// The program has to end.
    Fatal(Error),
}

impl From<Error> for NoAnswer {
    fn from(e: Error) -> Self {
        Self::Fatal(e)
    }
}

/// Opens a connection, sends one request and waits for its reply, at most this long. `read` returns `None` for a reply of a
/// wrong kind.
fn ask<T>(
    event_loop: &mut EventLoop,
    backoff: &mut Backoff,
    step: Step,
    request: &Request<'_>,
    wait: Option<Duration>,
    read: impl Fn(Reply<'_>) -> Option<T>,
) -> Result<(MessageId, T), NoAnswer> {
    let invalid = |reason: &dyn ToString| Error::Protocol {
        step,
        reason: reason.to_string(),
    };
    let mut connection = event_loop.reach(backoff)?;
    let id = connection.outbox.request(request);
    let size = connection.outbox.waiting();
    match event_loop.exchange(&mut connection, wait, Inbox::has_frame) {
        Ok(()) => {}
        Err(AttemptError::Fatal(Error::Stopped(signal))) if connection.outbox.waiting() < size => {
            return Err(NoAnswer::InDoubt(Lost::Stopped(signal)));
        }
        Err(AttemptError::Fatal(e)) => return Err(NoAnswer::Fatal(e)),
        Err(AttemptError::Lost(lost)) if connection.outbox.waiting() == size => {
            return Err(NoAnswer::NotSent(lost));
        }
        Err(AttemptError::Lost(lost)) => return Err(NoAnswer::InDoubt(lost)),
    }
    let frame = connection.inbox.frame().map_err(|e| invalid(&e))?;
    let frame = frame.ok_or(NoAnswer::InDoubt(Lost::Closed))?;
    if frame.id != id {
        return Err(invalid(&"the reply carries another id").into());
    }
    let reply = Reply::decode(frame).map_err(|e| invalid(&e))?;
    match read(reply) {
        Some(answer) => Ok((id, answer)),
        None => Err(invalid(&"the reply is of another kind").into()),
    }
}

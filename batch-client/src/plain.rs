//! Servers that know types 1 to 6: one connection per request, one request at a time.
//!
//! Such a server may close after its reply or never, and may not read a second frame. So the client closes
//! after each reply. A request that got no reply may have counted: only a winners query is sent again.

use std::time::Instant;

use frame::{Ack, Inbox, MessageId, Reply, Request, Winners};

use crate::agency::{self, Job};
use crate::backoff::Backoff;
use crate::batch::{Batches, Summary};
use crate::config::Config;
use crate::error::{Error, Lost, Step};
use crate::event_loop::{AttemptError, EventLoop};
use crate::report;

/// Sends the file, says finished, and asks for the winners.
pub(crate) fn run(
    job: &Job<'_>,
    event_loop: &mut EventLoop,
    summary: Summary,
) -> Result<Vec<String>, Error> {
    let config = job.config;
    send_file(job, event_loop, summary)?;
    let finished = Request::Finished {
        agency: config.agency,
        bets: None,
    };
    let what = || "\"finished\" is".to_owned();
    let id = store(config, event_loop, Step::Finished, &finished, what)?;
    report::finished(id);
    job.progress.end();
    ask_winners(config, event_loop)
}

fn send_file(job: &Job<'_>, event_loop: &mut EventLoop, summary: Summary) -> Result<(), Error> {
    let (config, file) = (job.config, job.file);
    let mut rest = Batches::new(file.open()?, config.agency, config.batch.max_amount);
    let mut stored = 0;
    while let Some((batch, bets)) = rest.next_batch().map_err(|e| file.unlike_before(e))? {
        let end = stored + u64::from(bets);
        let rows = || format!("rows {} to {end} of {} are", stored + 1, file.0.display());
        let id = store(
            config,
            event_loop,
            Step::Batch,
            &Request::Batch(batch),
            rows,
        )?;
        report::batch_stored(id, bets);
        job.progress.at(end);
        stored = end;
    }
    match rest.end().map_err(|e| file.unlike_before(e))? {
        Some(checksum) if checksum == summary.checksum => Ok(()),
        _ => Err(file.changed()),
    }
}

/// Has one request acknowledged, and returns its id. `what` names it, with its verb, where that is in doubt.
pub(crate) fn store(
    config: &Config,
    event_loop: &mut EventLoop,
    step: Step,
    request: &Request<'_>,
    what: impl Fn() -> String,
) -> Result<MessageId, Error> {
    let read = |reply: Reply<'_>| match reply {
        Reply::Ack(Ack::Success) => Some(Ok(())),
        Reply::Ack(Ack::Failure { reason }) => Some(Err(reason.map(|r| r.into_owned()))),
        _ => None,
    };
    let mut backoff = Backoff::new(config.server.retry, Instant::now());
    loop {
        match ask(event_loop, &mut backoff, step, request, read) {
            Ok((id, Ok(()))) => return Ok(id),
            Ok((_, Err(reason))) => return Err(Error::Refused { step, reason }),
            Err(NoAnswer::NotSent(lost)) => event_loop.pause_after(lost, &mut backoff)?,
            Err(NoAnswer::InDoubt(lost)) => {
                let what = what();
                return Err(Error::InDoubt { step, what, lost });
            }
            Err(NoAnswer::Fatal(e)) => return Err(e),
        }
    }
}

/// Asks until the draw is done. Asking twice does no harm.
fn ask_winners(config: &Config, event_loop: &mut EventLoop) -> Result<Vec<String>, Error> {
    let step = Step::Winners;
    let agency = config.agency;
    let read = |reply: Reply<'_>| match reply {
        Reply::Winners(Winners::Drawn(documents)) => agency::keep(documents).ok().map(Query::Drawn),
        Reply::Winners(Winners::InProgress) => Some(Query::NotYet),
        Reply::Winners(Winners::Refused) => Some(Query::Refused),
        _ => None,
    };
    let mut backoff = Backoff::new(config.server.retry, Instant::now());
    loop {
        match ask(
            event_loop,
            &mut backoff,
            step,
            &Request::Winners { agency },
            read,
        ) {
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
            // It may hold the query until the draw, which may be hours away.
            Err(NoAnswer::InDoubt(lost @ Lost::Silent(_))) => {
                report::asking_again(step, &lost);
                backoff.sign_of_life(Instant::now());
            }
            Err(NoAnswer::NotSent(lost) | NoAnswer::InDoubt(lost)) => {
                event_loop.pause_after(lost, &mut backoff)?;
            }
            Err(NoAnswer::Fatal(e)) => return Err(e),
        }
    }
}

/// What a winners query may bring.
enum Query {
    Drawn(Vec<String>),
    NotYet,
    Refused,
}

/// Why there is no answer to a request.
enum NoAnswer {
    /// Not a byte of it was sent.
    NotSent(Lost),
    /// Nobody knows whether it counted.
    InDoubt(Lost),
    /// The program ends.
    Fatal(Error),
}

impl From<Error> for NoAnswer {
    fn from(e: Error) -> Self {
        Self::Fatal(e)
    }
}

/// One connection, one request, one reply. `read` takes the reply, where it is of the right kind.
fn ask<T>(
    event_loop: &mut EventLoop,
    backoff: &mut Backoff,
    step: Step,
    request: &Request<'_>,
    read: impl Fn(Reply<'_>) -> Option<T>,
) -> Result<(MessageId, T), NoAnswer> {
    let senseless = |found: &dyn ToString| Error::Protocol {
        step,
        found: found.to_string(),
    };
    let mut connection = event_loop.reach(backoff)?;
    let id = connection.outbox.request(request);
    let size = connection.outbox.waiting();
    match event_loop.exchange(&mut connection, Inbox::has_frame) {
        Ok(()) => {}
        Err(AttemptError::Fatal(e)) => return Err(NoAnswer::Fatal(e)),
        Err(AttemptError::Lost(lost)) if connection.outbox.waiting() == size => {
            return Err(NoAnswer::NotSent(lost));
        }
        Err(AttemptError::Lost(lost)) => return Err(NoAnswer::InDoubt(lost)),
    }
    let frame = connection.inbox.frame().map_err(|e| senseless(&e))?;
    let frame = frame.ok_or(NoAnswer::InDoubt(Lost::Closed))?;
    if frame.id != id {
        return Err(senseless(&"the reply carries another id").into());
    }
    let reply = Reply::decode(frame).map_err(|e| senseless(&e))?;
    match read(reply) {
        Some(answer) => Ok((id, answer)),
        None => Err(senseless(&"the reply is of another kind").into()),
    }
}

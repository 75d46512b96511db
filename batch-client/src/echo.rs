//! Mode echo: sends a few messages, one connection each, and checks that the server sends each one back.

use std::time::Instant;

use frame::Inbox;
use frame::log::Logger;

use crate::backoff::Backoff;
use crate::config::Config;
use crate::error::{AttemptError, Error, Lost, Step};
use crate::event_loop::EventLoop;
use crate::progress::Progress;
use crate::report;

/// How many bytes of an answer are read at most. Every message is shorter.
const MAX_ANSWER: usize = 1_024;

/// Runs mode echo: `loop.amount` messages, `loop.period` apart.
///
/// # Errors
/// [`Error::GaveUp`]: no server answers. [`Error::NoEcho`] and [`Error::Protocol`]: the server does not send the message
/// back. [`Error::Stopped`].
pub fn run(config: &Config, logger: Logger, progress: &Progress) -> Result<(), Error> {
    // Servers answer text without TLS on every port.
    let mut event_loop = EventLoop::new(config, logger, None, progress.clone())?;
    for number in 1..=config.loop_amount {
        if number > 1 {
            event_loop.pause(config.loop_period.length())?;
        }
        let message = format!("[CLIENT {}] Message N°{number}", config.agency);
        let answer = echo(config, &mut event_loop, &message)?;
        if answer != message.as_bytes() {
            let reason = "it is not the message that was sent".to_owned();
            let step = Step::Echo;
            return Err(Error::Protocol { step, reason });
        }
        report::message_received(config.agency, &message);
    }
    report::loop_finished(config.agency);
    Ok(())
}

/// Sends a line on a new connection; returns the line that comes back, without the blanks at its end.
fn echo(config: &Config, event_loop: &mut EventLoop, message: &str) -> Result<Vec<u8>, Error> {
    let mut backoff = Backoff::new(config.server.retry, Instant::now());
    let mut connection = event_loop.reach(&mut backoff)?;
    connection.outbox.append(message.as_bytes());
    connection.outbox.append(b"\n");
    let whole = |inbox: &Inbox| {
        let text = inbox.unread();
        text.contains(&b'\n') || text.len() >= MAX_ANSWER
    };
    match event_loop.exchange(&mut connection, Some(config.server.timeout), whole) {
        Ok(()) => {}
        // A line may also end with the stream.
        Err(AttemptError::Lost(Lost::Closed)) if !connection.inbox.is_empty() => {}
        Err(AttemptError::Lost(lost)) => return Err(Error::NoEcho(lost)),
        Err(AttemptError::Fatal(e)) => return Err(e),
    }
    let text = connection.inbox.unread().split(|b| *b == b'\n').next();
    Ok(text.unwrap_or_default().trim_ascii_end().to_vec())
}

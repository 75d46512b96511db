//! Mode echo: a few messages, one connection each, that the server sends back.

use std::time::Instant;

use frame::Inbox;
use frame::log::Logger;

use crate::backoff::Backoff;
use crate::config::Config;
use crate::error::{Error, Lost, Step};
use crate::event_loop::{AttemptError, EventLoop};
use crate::report;

/// The longest answer that is read: more than any message has.
const MAX_ANSWER: usize = 1_024;

/// Runs mode echo: `loop.amount` messages, `loop.period` apart.
///
/// # Errors
/// [`Error::GaveUp`] where there is no server, [`Error::NoEcho`] and [`Error::Protocol`] where it does not
/// echo, [`Error::Stopped`].
pub fn run(config: &Config, logger: Logger) -> Result<(), Error> {
    // Text is echoed in the clear on any port.
    let mut event_loop = EventLoop::new(config, logger, None)?;
    for number in 1..=config.loop_amount {
        if number > 1 {
            event_loop.pause(config.loop_period.length())?;
        }
        let message = format!("[CLIENT {}] Message N°{number}", config.agency);
        let answer = echo(config, &mut event_loop, &message)?;
        if answer != message.as_bytes() {
            let found = "it is not the message".to_owned();
            let step = Step::Echo;
            return Err(Error::Protocol { step, found });
        }
        report::message_received(config.agency, &message);
    }
    report::loop_finished(config.agency);
    Ok(())
}

/// Sends a line on a connection of its own; returns the line that comes back, trailing blanks removed.
fn echo(config: &Config, event_loop: &mut EventLoop, message: &str) -> Result<Vec<u8>, Error> {
    let mut backoff = Backoff::new(config.server.retry, Instant::now());
    let mut connection = event_loop.reach(&mut backoff)?;
    connection.outbox.text(message.as_bytes());
    connection.outbox.text(b"\n");
    let whole = |inbox: &Inbox| {
        let text = inbox.unread();
        text.contains(&b'\n') || text.len() >= MAX_ANSWER
    };
    match event_loop.exchange(&mut connection, whole) {
        Ok(()) => {}
        // The end of the stream ends a line as well.
        Err(AttemptError::Lost(Lost::Closed)) if !connection.inbox.is_empty() => {}
        Err(AttemptError::Lost(lost)) => return Err(Error::NoEcho(lost)),
        Err(AttemptError::Fatal(e)) => return Err(e),
    }
    let text = connection.inbox.unread().split(|b| *b == b'\n').next();
    Ok(text.unwrap_or_default().trim_ascii_end().to_vec())
}

//! Mode echo: a few messages, one connection each, that the server sends back.

use std::time::Instant;

use frame::Inbox;
use frame::line::Journal;

use crate::config::Config;
use crate::dialogue::{Dialogue, Trouble};
use crate::error::{Error, Lost, Step};
use crate::patience::Patience;
use crate::report;

/// The longest answer that is read: more than any message has.
const MAX_ANSWER: usize = 1_024;

/// Runs mode echo: `loop.amount` messages, `loop.period` apart.
///
/// # Errors
/// [`Error::GaveUp`] where there is no server, [`Error::NoEcho`] and [`Error::Protocol`] where it does not
/// echo, [`Error::Stopped`].
pub fn run(config: &Config, journal: Journal) -> Result<(), Error> {
    // Text is echoed in the clear on any port.
    let mut dialogue = Dialogue::new(config, journal, None)?;
    for number in 1..=config.loop_amount {
        if number > 1 {
            dialogue.pause(config.loop_period.length())?;
        }
        let message = format!("[CLIENT {}] Message N°{number}", config.agency);
        let answer = echo(config, &mut dialogue, &message)?;
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
fn echo(config: &Config, dialogue: &mut Dialogue, message: &str) -> Result<Vec<u8>, Error> {
    let mut patience = Patience::new(config.server.retry, Instant::now());
    let mut line = dialogue.reach(&mut patience)?;
    line.outbox.text(message.as_bytes());
    line.outbox.text(b"\n");
    let whole = |inbox: &Inbox| {
        let text = inbox.unread();
        text.contains(&b'\n') || text.len() >= MAX_ANSWER
    };
    match dialogue.exchange(&mut line, whole) {
        Ok(()) => {}
        // The end of the stream ends a line as well.
        Err(Trouble::Lost(Lost::Closed)) if !line.inbox.is_empty() => {}
        Err(Trouble::Lost(lost)) => return Err(Error::NoEcho(lost)),
        Err(Trouble::Fatal(e)) => return Err(e),
    }
    let text = line.inbox.unread().split(|b| *b == b'\n').next();
    Ok(text.unwrap_or_default().trim_ascii_end().to_vec())
}

//! The modes that send one message at a time, each on a connection of its own, and read no agency file: echo and bet.
//!
//! [`echo`] sends lines of text and checks that the server sends each one back. [`bet`] sends one bet, whose fields are
//! variables of the environment, and returns once it is stored.

use std::time::Instant;

use frame::log::Logger;
use frame::{Agency, Bet, Birthdate, Document, Flaw, Inbox, Name, Number, Request, payload};

use crate::backoff::Backoff;
use crate::config::{Config, Protocol};
use crate::error::{AttemptError, Error, Lost, Step};
use crate::event_loop::EventLoop;
use crate::progress::Progress;
use crate::tls::Connector;
use crate::{plain, report};

/// The most bytes of an answer that are read. Every message is shorter.
const MAX_ANSWER: usize = 1_024;

/// Runs mode echo: `loop.amount` messages, `loop.period` apart.
///
/// # Errors
/// [`Error::GaveUp`]: no server answers. [`Error::NoEcho`] and [`Error::Protocol`]: the server does not send the message
/// back. [`Error::Stopped`].
pub fn echo(config: &Config, logger: Logger, progress: &Progress) -> Result<(), Error> {
    // A server answers text on every port, and without TLS.
    let mut event_loop = EventLoop::new(config, logger, None, progress.clone())?;
    for number in 1..=config.loop_amount {
        if number > 1 {
            event_loop.pause(config.loop_period.length())?;
        }
        let message = format!("[CLIENT {}] Message N°{number}", config.agency);
        let answer = send_line(config, &mut event_loop, &message)?;
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
fn send_line(config: &Config, event_loop: &mut EventLoop, message: &str) -> Result<Vec<u8>, Error> {
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

/// The variables of a bet, in the order of its fields.
const VARIABLES: [&str; 5] = ["NOMBRE", "APELLIDO", "DOCUMENTO", "NACIMIENTO", "NUMERO"];

/// A bet as the environment has it: the values of `NOMBRE`, `APELLIDO`, `DOCUMENTO`, `NACIMIENTO` and `NUMERO`.
#[derive(Clone)]
pub struct Bettor([String; 5]);

impl Bettor {
    /// Takes the values from `lookup`, which finds a variable by its name, and removes the blanks around them.
    ///
    /// # Errors
    /// [`Error::NoBet`] names the variables that are not set.
    pub fn from_variables(lookup: impl Fn(&str) -> Option<String>) -> Result<Self, Error> {
        let values = VARIABLES.map(|name| lookup(name).filter(|value| !value.is_empty()));
        let named = VARIABLES.into_iter().zip(&values);
        let missing = named.filter(|(_, value)| value.is_none());
        let missing: Vec<_> = missing.map(|(name, _)| name).collect();
        if !missing.is_empty() {
            return Err(Error::NoBet(missing));
        }
        let trimmed = |value: Option<String>| {
            let value = value.unwrap_or_default();
            value.trim_matches([' ', '\t']).to_owned()
        };
        Ok(Self(values.map(trimmed)))
    }

    /// Returns the bet of this agency.
    fn bet(&self, agency: Agency) -> Result<Bet<'_>, Error> {
        let [first_name, last_name, document, birthdate, number] = &self.0;
        Ok(Bet {
            agency,
            first_name: parsed(VARIABLES[0], Name::parse(first_name.as_bytes()))?,
            last_name: parsed(VARIABLES[1], Name::parse(last_name.as_bytes()))?,
            document: parsed(VARIABLES[2], Document::parse(document.as_bytes()))?,
            birthdate: parsed(VARIABLES[3], Birthdate::parse(birthdate.as_bytes()))?,
            number: parsed(VARIABLES[4], Number::parse(number.as_bytes()))?,
        })
    }

    /// Checks that every value can be written without quotes, which a plain server cannot read.
    fn check_plain(&self) -> Result<(), Error> {
        for (variable, value) in VARIABLES.into_iter().zip(&self.0) {
            if payload::needs_quotes(value.as_bytes()) {
                let reason = "it holds a character that a plain server cannot read".to_owned();
                return Err(Error::BadBet { variable, reason });
            }
        }
        Ok(())
    }
}

fn parsed<T>(variable: &'static str, value: Result<T, Flaw>) -> Result<T, Error> {
    value.map_err(|flaw| Error::BadBet {
        variable,
        reason: format!("it {flaw}"),
    })
}

/// Runs mode bet: one connection, one request, whatever the protocol of the server.
///
/// # Errors
/// A value is not allowed; the server cannot be reached, refuses the bet or does not answer; [`Error::Stopped`].
pub fn bet(
    config: &Config,
    logger: Logger,
    progress: &Progress,
    bettor: &Bettor,
) -> Result<(), Error> {
    let bet = bettor.bet(config.agency)?;
    if config.server.protocol == Protocol::Plain {
        bettor.check_plain()?;
    }
    let connector = Connector::open(&config.server)?;
    let mut event_loop = EventLoop::new(config, logger, connector, progress.clone())?;
    let request = Request::Bet(bet.clone());
    let subject = || "the bet is".to_owned();
    plain::store(config, &mut event_loop, Step::Bet, &request, subject)?;
    report::bet_stored(&bet);
    Ok(())
}

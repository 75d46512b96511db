//! Mode bet: sends one bet, whose fields are variables of the environment, and waits until it is stored.

use frame::log::Logger;
use frame::{Agency, Bet, Birthdate, Document, Flaw, Name, Number, Request, payload};

use crate::config::{Config, Protocol};
use crate::error::{Error, Step};
use crate::event_loop::EventLoop;
use crate::progress::Progress;
use crate::tls::Connector;
use crate::{plain, report};

const VARIABLES: [&str; 5] = ["NOMBRE", "APELLIDO", "DOCUMENTO", "NACIMIENTO", "NUMERO"];

/// The values of `NOMBRE`, `APELLIDO`, `DOCUMENTO`, `NACIMIENTO` and `NUMERO`.
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
pub fn run(
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

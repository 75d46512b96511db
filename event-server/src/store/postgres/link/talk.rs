//! What a link says and hears in a session: TLS, the set-up, queries and their answers.

use std::time::Duration;

use frame::{Agency, Number, Received, TlsError};

use super::{Asked, End, Link, Open, Phase};
use crate::store::postgres::database::{Answer, Failure, Unusable};
use crate::store::postgres::dial::Dial;
use crate::store::postgres::error::DatabaseError;
use crate::store::postgres::session::{Row, SessionEvent};
use crate::store::postgres::setup::{Setup, Step};
use crate::store::postgres::statements::{parse, parse_account};
use crate::store::postgres::tls::CertificateHash;

impl<D: Dial> Link<D> {
    /// Receives, takes what happened, sends; whether anything moved.
    pub(super) fn talk(&mut self, open: &mut Open<D::Stream>) -> Result<bool, End> {
        let mut moved = false;
        loop {
            self.flush(open)?;
            match open.channel.receive() {
                Ok(Received::Bytes(_)) => {
                    open.session.receive(open.channel.inbox.unread());
                    open.channel.inbox.clear();
                    open.heard = self.now;
                    moved = true;
                }
                Ok(Received::NotYet | Received::Full) => {}
                Ok(Received::End) => return Err(End::Lost("it closed the connection".to_owned())),
                Err(e) => {
                    return Err(match TlsError::of(&e) {
                        Some(e @ TlsError::Untrusted(_)) => End::Unusable(Unusable(format!(
                            "{e}; check sslrootcert in SERVER_STORE"
                        ))),
                        Some(e) => End::Lost(e.to_string()),
                        None => End::Lost(e.to_string()),
                    });
                }
            }
            if !self.hear(open)? && !open.channel.can_receive() {
                break;
            }
        }
        self.flush(open)?;
        match self.patience(&open.phase) {
            Some(time) if self.now >= open.heard + time => {
                Err(End::Lost(format!("it was silent for {time:?}")))
            }
            _ => Ok(moved),
        }
    }

    /// How long the server may be silent in this phase; `None` where it owes nothing.
    pub(super) fn patience(&self, phase: &Phase) -> Option<Duration> {
        match phase {
            Phase::Opening | Phase::Handshaking => Some(self.opening_timeout()),
            Phase::SettingUp(_) | Phase::Asked(_) => Some(self.options.timeout),
            Phase::Ready => None,
        }
    }

    pub(super) fn flush(&mut self, open: &mut Open<D::Stream>) -> Result<(), End> {
        let output = open.session.take_output();
        if !output.is_empty() {
            open.channel.outbox.text(&output);
        }
        let sent = open.channel.send();
        sent.map(drop).map_err(|e| End::Lost(e.to_string()))
    }

    /// Takes one thing that happened in the session; whether there was one.
    pub(super) fn hear(&mut self, open: &mut Open<D::Stream>) -> Result<bool, End> {
        if let Phase::Handshaking = open.phase {
            if !open.channel.is_established() {
                return Ok(false);
            }
            let hash = open.hash.as_ref().and_then(CertificateHash::get);
            open.session.tls_established(hash);
            open.phase = Phase::Opening;
            return Ok(true);
        }
        let Some(event) = open.session.poll()? else {
            return Ok(false);
        };
        match event {
            SessionEvent::BeginTls => {
                let Some(tls) = &self.tls else {
                    return Err(End::Lost("it begins TLS that nobody asked for".to_owned()));
                };
                let begun = tls.begin(&self.current_host().name);
                let (tls, hash) = begun.map_err(|e| End::Lost(e.to_string()))?;
                open.channel.secure(tls);
                open.hash = Some(hash);
                open.phase = Phase::Handshaking;
            }
            SessionEvent::Established(parameters) => {
                let setup = Setup::new(parameters);
                open.session
                    .query(&setup.sql(&self.schema, &self.statements));
                open.phase = Phase::SettingUp(setup);
            }
            SessionEvent::Notified => self.answers.push_back(Answer::Notified),
            SessionEvent::Row(row) => self.row(open, &row)?,
            SessionEvent::Done(result) => self.done(open, result)?,
        }
        Ok(true)
    }

    pub(super) fn row(&mut self, open: &mut Open<D::Stream>, row: &Row) -> Result<(), End> {
        let columns = row.columns()?;
        let senseless = || End::Lost("it answers with a row that makes no sense".to_owned());
        let answer = match (&mut open.phase, &*columns) {
            (Phase::SettingUp(setup), columns) => {
                let taken = setup.row(columns, &self.schema);
                return taken.map_err(End::Unusable);
            }
            (Phase::Asked(Asked::Accounts), columns) => {
                let (agency, account) = parse_account(columns).ok_or_else(senseless)?;
                Answer::Account(agency, account)
            }
            (Phase::Asked(Asked::Progress), [Some(finished), winner]) => {
                let finished: u32 = parse(finished).ok_or_else(senseless)?;
                Answer::Progress {
                    all_finished: finished > 0 && finished == self.options.agencies,
                    drawn: winner.is_some(),
                }
            }
            (Phase::Asked(Asked::Draw), [Some(winner)]) => {
                Answer::Winner(Number::parse(winner).map_err(|_| senseless())?)
            }
            (Phase::Asked(Asked::Draw), [Some(agency), Some(document)]) => {
                let agency = Agency::parse(agency).map_err(|_| senseless())?;
                Answer::Won(agency, document.to_vec())
            }
            _ => return Err(senseless()),
        };
        self.answers.push_back(answer);
        Ok(())
    }

    pub(super) fn done(
        &mut self,
        open: &mut Open<D::Stream>,
        result: Result<(), DatabaseError>,
    ) -> Result<(), End> {
        match &mut open.phase {
            Phase::SettingUp(setup) => {
                match setup.done(result, &self.schema, self.options.commit) {
                    Ok(Step::Next) => {
                        let sql = setup.sql(&self.schema, &self.statements);
                        open.session.query(&sql);
                    }
                    Ok(Step::Ready(up, warning)) => {
                        open.phase = Phase::Ready;
                        (self.is_up, self.was_ready) = (true, true);
                        self.backoff.reset();
                        let mut parts = vec![
                            ("database", self.current_host().to_string()),
                            ("lottery", self.options.lottery.clone()),
                        ];
                        parts.extend(up);
                        if !self.refusals.is_empty() {
                            parts.push(("passed_over", self.take_refusals()));
                        }
                        self.answers.push_back(Answer::Up(parts));
                        self.answers.extend(warning.map(Answer::Warning));
                    }
                    Ok(Step::Wait(why)) => return Err(End::Lost(why)),
                    Err(unusable) => return Err(End::Unusable(unusable)),
                }
            }
            phase => {
                *phase = Phase::Ready;
                self.answers.push_back(match result {
                    Ok(()) => Answer::Done,
                    Err(e) => Answer::Failed(failure(&e)),
                });
            }
        }
        Ok(())
    }
}

/// What a failed query means; nothing of it is stored.
fn failure(error: &DatabaseError) -> Failure {
    match error.code.as_str() {
        // Unique violation, serialization failure, deadlock.
        "23505" | "40001" | "40P01" => Failure::Conflict,
        // Insufficient resources, disk full.
        "53000" | "53100" => Failure::NoSpace(format!("the database has no space: {error}")),
        _ => Failure::Other(format!("the database refuses to store: {error}")),
    }
}

//! What a link says and hears in a session: TLS, the set-up, queries and their answers.

use std::time::Duration;

use frame::{Agency, Number, Received, TlsError};

use super::{Asked, Behind, Dial, End, Link, LinkOptions, Met, Open, Phase};
use crate::store::postgres::database::{Answer, Failure};
use crate::store::postgres::error::DatabaseError;
use crate::store::postgres::prologue::{CommitMode, Identity, LockWait, Prologue};
use crate::store::postgres::scan::{DrawRow, Layout};
use crate::store::postgres::session::{DataRow, SessionEvent};
use crate::store::postgres::setup::{ALONE, NO_STANDBY, Setup, Step};
use crate::store::postgres::sql::{parse, parse_account};
use crate::store::postgres::tls::{ALPN, CertificateHash, DatabaseTls, Shown};

impl<D: Dial> Link<D> {
    /// Receives, takes what happened, sends; returns whether anything moved.
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
                        Some(e @ TlsError::Untrusted(_)) => {
                            End::Refused(format!("{e}; check sslrootcert in SERVER_STORE"))
                        }
                        // An older server takes the first bytes of TLS for a request that it does not know.
                        Some(e @ TlsError::Cut { handshake: true })
                            if self.options.url.direct_tls =>
                        {
                            End::Lost(format!(
                                "{e}; sslnegotiation=direct needs PostgreSQL 17 or newer"
                            ))
                        }
                        Some(e) => End::Lost(e.to_string()),
                        None => End::Lost(e.to_string()),
                    });
                }
            }
            // Every message is taken: the last one of a server that ends the session says why, and the stream's end
            // comes right behind it.
            let mut heard = false;
            while self.hear(open)? {
                heard = true;
            }
            if !heard && !open.channel.can_receive() {
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
            Phase::SettingUp(_) | Phase::Asked { .. } => Some(self.options.timeout),
            Phase::Ready => None,
        }
    }

    pub(super) fn flush(&mut self, open: &mut Open<D::Stream>) -> Result<(), End> {
        let output = open.session.take_output();
        if !output.is_empty() {
            open.channel.outbox.append(&output);
        }
        let sent = open.channel.send();
        sent.map(drop).map_err(|e| End::Lost(e.to_string()))
    }

    /// Takes one event of the session; returns whether there was one.
    pub(super) fn hear(&mut self, open: &mut Open<D::Stream>) -> Result<bool, End> {
        if let Phase::Handshaking = open.phase {
            if !open.channel.is_established() {
                return Ok(false);
            }
            open.session.tls_established(Shown {
                certificate: open.hash.as_ref().and_then(CertificateHash::get),
                verified: self.access.tls().is_some_and(DatabaseTls::verifies),
                speaks_postgres: open.channel.agreed_protocol() == Some(ALPN),
            })?;
            open.phase = Phase::Opening;
            return Ok(true);
        }
        let Some(event) = open.session.poll()? else {
            return Ok(false);
        };
        match event {
            SessionEvent::BeginTls => {
                let Some(tls) = self.access.tls() else {
                    return Err(End::Lost("it begins TLS that nobody asked for".to_owned()));
                };
                let begun = tls.begin(&self.current_host().name);
                let (tls, hash) = begun.map_err(|e| End::Lost(e.to_string()))?;
                open.channel.secure(tls);
                open.hash = Some(hash);
                open.phase = Phase::Handshaking;
            }
            SessionEvent::Established(parameters) => {
                let LinkOptions {
                    commit, timeout, ..
                } = self.options;
                let prologue = Prologue::new(commit, timeout);
                let setup = Setup::new(parameters, prologue, timeout, self.listener.clone());
                let sql = setup.sql(&self.schema, &self.statements);
                open.session.query(&sql);
                open.is_identified = false;
                open.phase = Phase::SettingUp(setup);
            }
            SessionEvent::Warned(warning) => {
                if !std::mem::replace(&mut open.warned, true) {
                    let warning = format!("the database warns: {warning}");
                    self.answers.push_back(Answer::Warning(warning));
                }
            }
            SessionEvent::Notified(about) => self.notified(&about),
            SessionEvent::Row(row) => self.row(open, &row)?,
            SessionEvent::Done(result) => self.done(open, result)?,
        }
        Ok(true)
    }

    /// Takes what is told on the channel: the agency that an operator has changed, the central that begins to listen, or
    /// nothing, which means a look.
    fn notified(&mut self, about: &str) {
        let agency = Agency::parse(about.as_bytes()).ok();
        let answer = match about.split_once(' ') {
            Some((central, _))
                if central == self.options.central && self.listener.as_deref() != Some(about) =>
            {
                let advice = "give each central a SERVER_NAME of its own";
                Answer::Warning(format!("another central is named {central}, too: {advice}"))
            }
            Some(_) => return,
            None => agency.map_or(Answer::Notified, Answer::Changed),
        };
        self.answers.push_back(answer);
    }

    fn row(&mut self, open: &mut Open<D::Stream>, row: &DataRow) -> Result<(), End> {
        let columns = row.columns()?;
        let senseless = || End::Lost("it answers with a row that makes no sense".to_owned());
        if !std::mem::replace(&mut open.is_identified, true) {
            let identity = Identity::read(&columns).ok_or_else(senseless)?;
            return self.meet(open, identity, &columns);
        }
        let answer = match (&mut open.phase, &*columns) {
            (Phase::SettingUp(setup), columns) => {
                let taken = setup.row(columns, &self.schema);
                return taken.map_err(End::Unusable);
            }
            (
                Phase::Asked {
                    behind: Behind::Unblocking(_),
                    ..
                },
                [Some(count)],
            ) => {
                if *count == b"0" {
                    return Ok(());
                }
                Answer::Warning(format!(
                    "{} transactions of centrals that had sent nothing for {:?} were ended: they held locks",
                    String::from_utf8_lossy(count),
                    self.options.timeout
                ))
            }
            (Phase::Asked { asked, .. }, columns) => match (asked, columns) {
                (Asked::Accounts, columns) => {
                    let (agency, versioned) = parse_account(columns).ok_or_else(senseless)?;
                    Answer::Account(agency, versioned)
                }
                (Asked::Progress, [Some(finished), Some(agencies), Some(drawn)]) => {
                    let agencies = parse(agencies).ok_or_else(senseless)?;
                    let judged = self.schema.judge_agencies(agencies);
                    judged.map_err(End::Unusable)?;
                    Answer::Progress {
                        all_finished: *finished == b"t",
                        drawn: *drawn == b"t",
                    }
                }
                (Asked::Draw, [Some(winner), Some(identity)]) => Answer::Drawn(DrawRow {
                    winner: Number::parse(winner).map_err(|_| senseless())?,
                    identity: String::from_utf8_lossy(identity).into_owned(),
                }),
                (Asked::Winners, [Some(agency), Some(seq), Some(document)]) => Answer::Won {
                    agency: Agency::parse(agency).map_err(|_| senseless())?,
                    seq: parse(seq).ok_or_else(senseless)?,
                    document: document.to_vec(),
                },
                (Asked::Winners, [file, Some(size), Some(block), Some(took)]) => {
                    Answer::Layout(Layout {
                        file: file.map(|file| String::from_utf8_lossy(file).into_owned()),
                        blocks: blocks(size, block).ok_or_else(senseless)?,
                        took: Duration::from_millis(parse(took).ok_or_else(senseless)?),
                    })
                }
                _ => return Err(senseless()),
            },
            _ => return Err(senseless()),
        };
        self.answers.push_back(answer);
        Ok(())
    }

    /// Takes what the query under way tells: whose backend it is, and how durable its commit is.
    fn meet(
        &mut self,
        open: &mut Open<D::Stream>,
        identity: Identity,
        columns: &[Option<&[u8]>],
    ) -> Result<(), End> {
        let Identity {
            backend,
            replication,
        } = identity;
        if let Phase::SettingUp(setup) = &mut open.phase {
            setup.meet(columns);
        }
        let Some(met) = &mut open.met else {
            self.backends.keep_those_of(&backend.server);
            let since = columns.get(5).copied().flatten().unwrap_or_default();
            open.met = Some(Met {
                backend,
                since: String::from_utf8_lossy(since).into_owned(),
                replication,
                prologue: None,
            });
            return Ok(());
        };
        if met.backend != backend {
            return Err(End::Pooled);
        }
        let before = std::mem::replace(&mut met.replication, replication);
        if let Phase::Asked { .. } = open.phase {
            match self.options.commit {
                CommitMode::Replicated if !replication.named => {
                    return Err(End::Lost(NO_STANDBY.to_owned()));
                }
                CommitMode::AsSet
                    if before.synchronous && !replication.synchronous && self.is_first() =>
                {
                    self.answers.push_back(Answer::Warning(ALONE.to_owned()));
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn done(
        &mut self,
        open: &mut Open<D::Stream>,
        result: Result<(), DatabaseError>,
    ) -> Result<(), End> {
        let is_identified = std::mem::take(&mut open.is_identified);
        match (&mut open.phase, &mut open.met) {
            (Phase::SettingUp(setup), met) => {
                let (Some(met), true) = (met, is_identified || result.is_err()) else {
                    return Err(unidentified());
                };
                let (backends, commit) = (&self.backends, self.options.commit);
                let replication = met.replication;
                match setup.done(result, &self.schema, backends, replication, commit) {
                    Ok(Step::Next) => {
                        let sql = setup.sql(&self.schema, &self.statements);
                        open.session.query(&sql);
                    }
                    Ok(Step::Ready(up, warning)) => {
                        met.prologue = Some(setup.prologue().clone());
                        open.phase = Phase::Ready;
                        (self.is_up, self.was_ready) = (true, true);
                        if self.is_first() {
                            self.backends.set_unfit(None);
                        }
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
            (Phase::Asked { .. }, _) if result.is_ok() && !is_identified => {
                return Err(unidentified());
            }
            (Phase::Asked { behind, .. }, _) if matches!(behind, Behind::Awaited) => {
                *behind = Behind::UnderWay(result);
            }
            (Phase::Asked { asked, behind }, _) => {
                let asked = *asked;
                let result = match (std::mem::replace(behind, Behind::Nothing), result) {
                    (Behind::Unblocking(e), _) => Err(e),
                    (Behind::UnderWay(first), Ok(())) => first,
                    (Behind::UnderWay(_), Err(e)) => return Err(End::Lost(e.to_string())),
                    (_, Err(e)) if matches!(asked, Asked::Commit) && e.code == LOCKED => {
                        if let Some(prologue) =
                            open.met.as_ref().and_then(|met| met.prologue.as_ref())
                        {
                            let unblock = self.statements.unblock(self.options.timeout);
                            let sql = prologue.begin(LockWait::Short, false) + &unblock;
                            open.session.query(&sql);
                            open.heard = self.now;
                        }
                        *behind = Behind::Unblocking(e);
                        return Ok(());
                    }
                    (_, result) => result,
                };
                open.phase = Phase::Ready;
                self.answers.push_back(match result {
                    Ok(()) => {
                        if asked.commits() {
                            self.pauses.reset();
                        }
                        Answer::Done
                    }
                    // The server was the primary, and is it no longer.
                    Err(e) if e.code == READ_ONLY => return Err(End::Lost(e.to_string())),
                    Err(e) => Answer::Failed(failure(&e)),
                });
            }
            _ => {}
        }
        Ok(())
    }
}

/// The SQLSTATE of a lock that was waited for too long.
const LOCKED: &str = "55P03";

/// The SQLSTATE of a server that takes no writes.
const READ_ONLY: &str = "25006";

/// Another engine, or something in between, answers.
fn unidentified() -> End {
    End::Lost("it does not tell which process of the database answers".to_owned())
}

/// How many blocks a table of `size` bytes has, where a block has `block` bytes.
fn blocks(size: &[u8], block: &[u8]) -> Option<u32> {
    let blocks = parse::<u64>(size)?.checked_div(parse(block)?)?;
    u32::try_from(blocks).ok()
}

/// What a failed query means; nothing of it is stored.
fn failure(error: &DatabaseError) -> Failure {
    match error.code.as_str() {
        // Unique violation, serialization failure, deadlock.
        "23505" | "40001" | "40P01" => Failure::Conflict,
        // A null where none is allowed: how the statement refuses a version that builds on nothing.
        "23502" => Failure::Unfounded,
        // Lock not available, query cancelled, out of memory.
        LOCKED | "57014" | "53200" => Failure::NotNow(format!("the database waits: {error}")),
        // Insufficient resources, disk full.
        "53000" | "53100" => Failure::NoSpace(format!("the database has no space: {error}")),
        // A feature that is not supported, an unknown column, an unknown function.
        "0A000" | "42703" | "42883" => Failure::Unknown(format!("the database refuses: {error}")),
        _ => Failure::Other(format!("the database refuses to store: {error}")),
    }
}

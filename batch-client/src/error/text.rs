//! The sentence of each [`Error`]: what is wrong, where, and what to do. A sentence says "run again" only where the next run does
//! the same as this one, and not the rest of it.

use std::fmt;

use frame::{Count, TAKEN_OUT, TlsError};

use super::attempt::{Lost, Step, unreadable};
use super::{Error, for_now};

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write(f, NextRun::Again)
    }
}

/// What the next run does.
#[derive(Clone, Copy, PartialEq, Eq)]
enum NextRun {
    /// The same as this one.
    Again,
    /// What is left, as the end of the sentence says.
    Rest,
}

impl Error {
    fn write(&self, f: &mut fmt::Formatter<'_>, next: NextRun) -> fmt::Result {
        let again = |text| if next == NextRun::Again { text } else { "" };
        match self {
            Self::Stopped(signal) => write!(
                f,
                "{} came before the result was known, so nothing is decided{}",
                signal.name(),
                again("; run again to go on")
            ),
            Self::Unread(signal) => write!(
                f,
                "{} came before the whole result was written to standard output: batch-client winners writes the winners again",
                signal.name()
            ),
            Self::Usage(reason) => f.write_str(reason),
            Self::Partly { error, left } => {
                error.write(f, NextRun::Rest)?;
                write!(f, "; {left}")
            }
            Self::Config(e) => write!(f, "{e}"),
            Self::NoBet(missing) => write!(
                f,
                "not set in the environment: {}; a bet needs NOMBRE, APELLIDO, DOCUMENTO, NACIMIENTO and NUMERO",
                missing.join(", ")
            ),
            Self::BadBet { variable, reason } => {
                write!(
                    f,
                    "the value of the variable {variable} is not allowed: {reason}"
                )
            }
            Self::File { path, error } => {
                let remedy = unreadable(error);
                write!(f, "{} cannot be read: {error}; {remedy}", path.display())
            }
            Self::NotRegular { path, kind } => write!(
                f,
                "{} is not a file but {kind}: give the file with the bets, or - for standard input",
                path.display()
            ),
            Self::NotCopied {
                path,
                folder,
                error,
            } => write!(
                f,
                "what {} gives is read twice, and cannot be copied to {}: {error}; make room there, or set TMPDIR to a folder that has it",
                path.display(),
                folder.display()
            ),
            Self::NoBets(path) => write!(
                f,
                "{} has no bets, and nothing was sent, since an agency that has finished cannot send bets later: see whether it is the right file, or add --allow-empty (batch.allowEmpty) if the agency has none",
                path.display()
            ),
            Self::BadRows {
                path,
                count,
                advice,
            } => {
                let what_to_do = advice.as_deref().unwrap_or("correct the file");
                write!(
                    f,
                    "{} has {}: {what_to_do} and run again; nothing was sent",
                    path.display(),
                    Count(*count, "bad row")
                )
            }
            Self::AnotherFormat { path, advice } => {
                write!(
                    f,
                    "{} is no CSV: {advice}; nothing was sent",
                    path.display()
                )
            }
            Self::Damaged { path, kinds } => write!(
                f,
                "{} has values that look damaged, of {}: correct them and run again, or leave out --strict (batch.strict); nothing was sent",
                path.display(),
                Count(*kinds, "kind")
            ),
            Self::FileChanged { path, sent: 0, .. } => write!(
                f,
                "{} changed after it was checked, and nothing of it was sent: run again",
                path.display()
            ),
            Self::FileChanged { path, .. } if next == NextRun::Rest => write!(
                f,
                "{} changed while it was being sent; what was sent is as it was checked: restore the file as it was",
                path.display()
            ),
            Self::FileChanged { path, agency, sent } => write!(
                f,
                "{} changed while it was being sent, so \"finished\" was not sent; what was sent is {} as they were checked: restore the file as it was and run again, or have agency {agency} reopened at the central and send the changed file",
                path.display(),
                Count(*sent, "row")
            ),
            Self::GaveUp {
                address,
                after,
                last,
                unusable,
            } => {
                let after = after.as_secs_f64();
                let what_to_do = match last {
                    Lost::Unreachable { .. } => "",
                    Lost::Tls(TlsError::Cut { handshake: true }) => {
                        "; see whether the server runs, and whether it uses TLS, as server.tls.* says"
                    }
                    _ => "; see to the server",
                };
                write!(
                    f,
                    "gave up on {address} after {after:.1}s without progress: {last}{what_to_do}{}",
                    again(", and run again")
                )?;
                match unusable.as_str() {
                    "" => Ok(()),
                    others => write!(f, "; not usable: {others}"),
                }
            }
            Self::NoEcho(lost) => write!(f, "{lost} before it sent the message back"),
            Self::InDoubt { subject, lost, .. } => write!(
                f,
                "{lost}, and nobody knows whether the server stored what it was sent: {subject} in doubt; look at what the server stored before you send again"
            ),
            Self::Refused { step, reason } => match reason.as_deref() {
                Some(reason) if for_now(Some(reason)) => {
                    write!(
                        f,
                        "the server refused {step} for now: {reason}; free some space there{}",
                        again(" and run again")
                    )
                }
                Some(reason) if *step == Step::Winners => write!(
                    f,
                    "the server refused {step}: {reason}; all bets are stored, and with --no-wait nobody asks for winners"
                ),
                Some(reason) if reason.starts_with(TAKEN_OUT) => write!(
                    f,
                    "the server refused {step}: {reason}; send the right file, or, where it is this one, have the operator allow it (event-server reopen --allow-same-file)"
                ),
                Some(reason) => write!(f, "the server refused {step}: {reason}"),
                None => write!(f, "the server refused {step}; its log may say why"),
            },
            Self::Replaced(reason) => write!(
                f,
                "{reason}, three times in a row: end one of the two, and run again if it was not this one"
            ),
            Self::Protocol { step, reason } => write!(
                f,
                "the server's answer to {step} breaks the protocol: {reason}; check server.address and server.protocol"
            ),
            Self::Ahead { stored, rows } => write!(
                f,
                "the server has {} of a file of {}: what it stored is not this file",
                Count(*stored, "bet"),
                Count(*rows, "row")
            ),
            Self::NoResume => f.write_str(
                "the server refused to resume and gave no reason, as servers do that know only types 1 to 6: nothing was sent; set server.protocol to plain if it is one",
            ),
            Self::NoneUsable { unusable, .. } => {
                write!(f, "no address of server.address can be used: {unusable}")
            }
            Self::Untrusted { address, error } => {
                let keys = match error {
                    TlsError::Distrusted(_) => "server.tls.cert and server.tls.key",
                    _ => "server.address and server.tls.ca",
                };
                write!(f, "no trust with {address}: {error}; check {keys}")
            }
            Self::NoTls { address, seen } => {
                let what_to_do = match seen {
                    TlsError::Incompatible(_) => "see to the TLS of that server",
                    _ => {
                        "correct server.address, or remove the keys server.tls.* if that server uses no TLS"
                    }
                };
                write!(f, "no TLS with {address}: {seen}; nothing was sent; {what_to_do}")
            }
            Self::Output(e) => write!(f, "the result cannot be written to standard output: {e}"),
            Self::Write { path, error } => {
                write!(f, "{} cannot be written: {error}", path.display())
            }
            Self::System(e) => write!(f, "a system call failed: {e}"),
        }
    }
}

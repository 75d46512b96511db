//! What can go wrong with a database, and whose fault it is.

use std::fmt;

use fallible_iterator::FallibleIterator;
use postgres_protocol::message::backend::ErrorFields;

/// An error or a notice that the server reports (PostgreSQL's manual, "Error and Notice Message Fields").
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DatabaseError {
    severity: String,
    /// Its SQLSTATE: five letters or digits.
    pub code: String,
    message: String,
    /// The function of the server that reports it; other engines may leave it out.
    routine: String,
}

/// Warnings of the general SQLSTATE 01000 that are about something else than a commit, by the function that gives them:
/// transaction numbers that run out, a collation of another version, a session that does not end.
const HARMLESS: [&str; 6] = [
    "GetNewTransactionId",
    "GetNewMultiXactId",
    "pg_newlocale_from_collation",
    "pg_signal_backend",
    "pg_terminate_backend",
    "pg_wait_until_termination",
];

impl DatabaseError {
    pub(super) fn read(mut fields: ErrorFields<'_>) -> Result<Self, SessionError> {
        let mut error = Self::default();
        while let Some(field) = fields.next().map_err(|e| SessionError::protocol(&e))? {
            let value = String::from_utf8_lossy(field.value_bytes()).into_owned();
            match field.type_() {
                // The severity that is never translated; older servers send the other alone.
                b'V' => error.severity = value,
                b'S' if error.severity.is_empty() => error.severity = value,
                b'C' => error.code = value,
                b'M' => error.message = value,
                b'R' => error.routine = value,
                _ => {}
            }
        }
        Ok(error)
    }

    /// Whether the server ends the session with it: of a query under way nobody knows whether it was done.
    pub(super) fn is_fatal(&self) -> bool {
        matches!(self.severity.as_str(), "FATAL" | "PANIC")
    }

    pub(super) fn is_warning(&self) -> bool {
        self.severity == "WARNING"
    }

    /// Whether a commit with this warning may be on one machine alone. A wait for a standby that was cancelled has the
    /// SQLSTATE of every warning without one of its own, so the function that gives it decides; an unknown one is a
    /// doubt.
    pub(super) fn is_doubt(&self) -> bool {
        let harmless = match self.code.as_str() {
            "01000" => HARMLESS.contains(&self.routine.as_str()),
            // Another warning of the SQL standard: a privilege, a truncated text, something deprecated.
            code => code.starts_with("01"),
        };
        self.is_warning() && !harmless
    }
}

impl fmt::Display for DatabaseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Details may hold values of bets: they stay in the server's own log.
        write!(f, "{} (SQLSTATE {})", self.message, self.code)
    }
}

/// Why a session is over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SessionError {
    /// The server ended it, or did not let it begin.
    Refused(DatabaseError),
    /// A warning came during a commit: nobody knows what is stored where.
    Doubt(DatabaseError),
    /// The server speaks no TLS, and it was asked for.
    NoTls,
    /// TLS began at once, and the server has not chosen PostgreSQL's protocol.
    NoProtocol,
    /// The server wants a kind of authentication that is not spoken here.
    Authentication,
    /// The server wants a password, and there is none.
    NoPassword,
    /// The server wants this over a connection without TLS.
    Unprotected(&'static str),
    /// The server wants this, and nobody has verified its certificate.
    Unverified(&'static str),
    /// The URL wants the password bound to the server's certificate, and this is in the way.
    Unbound(&'static str),
    /// The server began SCRAM, and let the session begin without its own proof.
    Unproven,
    /// The server takes no writes.
    Standby,
    /// The database keeps texts in another encoding than UTF-8.
    Encoding {
        /// The database.
        database: String,
        /// Its encoding.
        encoding: String,
    },
    /// The server broke the protocol.
    Protocol(String),
}

impl SessionError {
    pub(super) fn protocol(error: &dyn fmt::Display) -> Self {
        Self::Protocol(error.to_string())
    }

    /// Whether the configuration has to change before another attempt can help.
    pub(super) fn is_final(&self) -> bool {
        match self {
            Self::NoTls
            | Self::NoProtocol
            | Self::Authentication
            | Self::NoPassword
            | Self::Unprotected(_)
            | Self::Unverified(_)
            | Self::Unbound(_)
            | Self::Unproven
            | Self::Encoding { .. } => true,
            // Invalid authorization, and a database that is not there.
            Self::Refused(e) => e.code.starts_with("28") || e.code == "3D000",
            Self::Doubt(_) | Self::Standby | Self::Protocol(_) => false,
        }
    }
}

impl fmt::Display for SessionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(e) if e.code == "28P01" => {
                write!(f, "{e}: check the password in SERVER_STORE, PGPASSWORD, SERVER_STORE_PASSWORD_FILE or ~/.pgpass")
            }
            Self::Refused(e) if e.code.starts_with("28") => {
                write!(f, "{e}: check the user in SERVER_STORE, and the database's pg_hba.conf")
            }
            Self::Refused(e) if e.code == "3D000" => {
                write!(f, "{e}: create it, or name another in SERVER_STORE")
            }
            Self::Refused(e) => e.fmt(f),
            Self::Doubt(e) => write!(f, "a warning came during a commit: {e}"),
            Self::NoTls => f.write_str(
                "the database speaks no TLS: set sslmode=disable in SERVER_STORE, or let it speak TLS (ssl = on)",
            ),
            Self::NoProtocol => f.write_str(
                "it takes TLS at once, and does not choose the protocol postgresql (ALPN), as PostgreSQL 17 and newer do: \
                 check the host and the port in SERVER_STORE, or take sslnegotiation=direct out of it",
            ),
            Self::Authentication => f.write_str(
                "the database wants a kind of authentication that is not spoken here: let it ask for scram-sha-256",
            ),
            Self::NoPassword => f.write_str(
                "the database wants a password: put one into SERVER_STORE, PGPASSWORD, SERVER_STORE_PASSWORD_FILE or ~/.pgpass",
            ),
            Self::Unprotected(what) => write!(
                f,
                "the database wants {what} over a connection without TLS: let it ask for scram-sha-256, or use TLS"
            ),
            Self::Unverified(what) => write!(
                f,
                "the database wants {what}, and its certificate is not verified: let it ask for scram-sha-256, or set sslmode=verify-full and sslrootcert"
            ),
            Self::Unbound(why) => write!(
                f,
                "channel_binding is require, and the database cannot do that: {why}; let it ask for scram-sha-256 over TLS, \
                 or take channel_binding out of SERVER_STORE"
            ),
            Self::Unproven => f.write_str(
                "the database does not prove that it knows the password: it may be another server than it claims to be",
            ),
            Self::Standby => f.write_str("it is a standby, which takes no bets"),
            Self::Encoding { database, encoding } => write!(
                f,
                "the database {database} is encoded in {encoding}: name one in SERVER_STORE that is encoded in UTF8"
            ),
            Self::Protocol(what) => write!(f, "the database breaks the protocol: {what}"),
        }
    }
}

impl std::error::Error for SessionError {}

#[cfg(test)]
mod tests {
    use super::*;
    use postgres_protocol::message::backend::Message;

    fn read(fields: &str) -> DatabaseError {
        let mut bytes = bytes::BytesMut::from(&b"E"[..]);
        bytes.extend_from_slice(&(fields.len() as u32 + 5).to_be_bytes());
        bytes.extend_from_slice(fields.as_bytes());
        bytes.extend_from_slice(b"\0");
        let Ok(Some(Message::ErrorResponse(body))) = Message::parse(&mut bytes) else {
            panic!("{fields:?}");
        };
        DatabaseError::read(body.fields()).unwrap()
    }

    #[test]
    fn an_error_is_fatal_in_every_language_and_from_an_older_server() {
        assert!(read("SFATAL\0VFATAL\0C57P01\0").is_fatal());
        assert!(read("SFATAL\0C57P01\0").is_fatal(), "older");
        for order in ["SSCHWERWIEGEND\0VFATAL\0", "VFATAL\0SSCHWERWIEGEND\0"] {
            assert!(read(order).is_fatal(), "{order}");
        }
        assert!(!read("SERROR\0VERROR\0").is_fatal());
    }

    #[test]
    fn what_only_the_configuration_can_change_is_final_and_says_what_to_do() {
        for (code, is_final, advice) in [
            (
                "28P01",
                true,
                ": check the password in SERVER_STORE, PGPASSWORD, SERVER_STORE_PASSWORD_FILE or ~/.pgpass",
            ),
            (
                "28000",
                true,
                ": check the user in SERVER_STORE, and the database's pg_hba.conf",
            ),
            (
                "3D000",
                true,
                ": create it, or name another in SERVER_STORE",
            ),
            ("57P03", false, ""),
        ] {
            let error = SessionError::Refused(read(&format!("VFATAL\0C{code}\0Mno\0")));
            assert_eq!(error.is_final(), is_final, "{code}");
            assert_eq!(error.to_string(), format!("no (SQLSTATE {code}){advice}"));
        }
        assert!(SessionError::NoTls.is_final() && !SessionError::Standby.is_final());
    }
}

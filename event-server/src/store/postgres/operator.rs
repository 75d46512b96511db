//! What an operator's commands do in a database: write out the bets, look at the lottery, change it, and fill a place for one.
//!
//! Beside the centrals, on a session of its own that may wait. Makes tables only where a lottery is moved to.

mod changes;
pub mod filling;
mod looking;

use std::fmt;
use std::io::{self, Write};
use std::net::{TcpStream, ToSocketAddrs as _};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use frame::{
    Agency, Bet, Birthdate, Channel, Document, Inbox, Name, Number, Outbox, Received, small_file,
};

use super::error::{DatabaseError, SessionError};
use super::link::LinkOptions;
use super::prologue::{LockWait, Prologue};
use super::schema::Schema;
use super::session::{DataRow, Login, Session, SessionEvent};
use super::sql::{Statements, identifier, parse};
use super::tls::{ALPN, DatabaseTls, Shown};
use super::url::Host;
use crate::net::{self, Socket};
use crate::store::rows;

/// Bytes that are read from the socket at once.
const INBOX: usize = 64 * 1024;

/// How long bytes that were sent may stay unacknowledged by the server's machine.
const UNACKNOWLEDGED: Duration = Duration::from_secs(60);

/// Why a command failed. Displays as one sentence.
#[derive(Debug)]
pub enum OperatorError {
    /// No host of the URL serves.
    Unreachable(String),
    /// The database cannot be used as it is configured.
    Unusable(String),
    /// A row in the database is no bet.
    Row(String),
    /// What the command writes cannot be written.
    Output(io::Error),
}

impl fmt::Display for OperatorError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreachable(what) | Self::Unusable(what) | Self::Row(what) => f.write_str(what),
            Self::Output(e) => write!(f, "standard output cannot be written to: {e}"),
        }
    }
}

impl std::error::Error for OperatorError {}

impl From<SessionError> for OperatorError {
    fn from(e: SessionError) -> Self {
        match e.is_final() {
            true => Self::Unusable(e.to_string()),
            false => Self::Unreachable(e.to_string()),
        }
    }
}

/// What a change of the number of agencies came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NumberChange {
    /// It is done, and durable.
    Done,
    /// Not done: this agency is above the number and has stored something.
    AgencyAbove(Agency),
    /// Not done: the draw is.
    Drawn,
}

/// A session for one command.
pub struct Operator {
    channel: Channel<OperatorStream>,
    session: Session,
    schema: Schema,
    statements: Statements,
    prologue: Prologue,
    lottery: String,
    /// The tables are of an older form: a change turns them into the present one first.
    older: bool,
    /// The host that the session is with.
    host: String,
    /// The host has told whether the lottery is there: no other one is tried any more.
    is_chosen: bool,
}

impl Operator {
    /// Connects to the first host of the URL that takes writes, and finds the lottery there.
    ///
    /// # Errors
    /// There is none, or no lottery of a form that is known here.
    pub fn connect(options: &LinkOptions) -> Result<Self, OperatorError> {
        Self::on_first_host(options, Self::find_lottery)
    }

    fn on_first_host<T>(
        options: &LinkOptions,
        begin: impl Fn(Self) -> Result<T, OperatorError>,
    ) -> Result<T, OperatorError> {
        let tls =
            DatabaseTls::open(&options.url, small_file::read).map_err(OperatorError::Unusable)?;
        let mut failures = Vec::new();
        for host in &options.url.hosts {
            let opened = Self::open(host, options, tls.as_ref());
            match opened.and_then(&begin) {
                Err(OperatorError::Unreachable(why)) => failures.push(format!("{host}: {why}")),
                done => return done,
            }
        }
        let failures = failures.join("; ");
        Err(OperatorError::Unreachable(format!(
            "the database cannot be reached: {failures}"
        )))
    }

    fn open(
        host: &Host,
        options: &LinkOptions,
        tls: Option<&DatabaseTls>,
    ) -> Result<Self, OperatorError> {
        let failed = |e: io::Error| OperatorError::Unreachable(e.to_string());
        let stream = OperatorStream::connect(host, options.timeout).map_err(failed)?;
        let LinkOptions {
            url,
            lottery,
            central,
            agencies,
            commit,
            timeout,
            ..
        } = options;
        let login = Login::new(url, host, central);
        let mut operator = Self {
            channel: Channel::new(stream, Inbox::unframed(INBOX), Outbox::new(INBOX)),
            session: Session::new(login, url.transport(host)),
            schema: Schema::new(lottery, central, *agencies),
            statements: Statements::new(lottery, central, *agencies),
            prologue: Prologue::new(*commit, *timeout),
            lottery: lottery.clone(),
            older: false,
            host: host.to_string(),
            is_chosen: false,
        };
        let mut hash = None;
        loop {
            match operator.session.poll()? {
                Some(SessionEvent::BeginTls) => {
                    let tls = tls.ok_or(SessionError::NoTls)?;
                    let begun = tls.begin(&host.name);
                    let (tls, certificate) = begun.map_err(|e| failed(e.into()))?;
                    operator.channel.secure(tls);
                    hash = Some(certificate);
                }
                Some(SessionEvent::Established(_)) => break,
                Some(_) => {}
                None => {
                    operator.exchange()?;
                    if operator.channel.is_established()
                        && let Some(certificate) = hash.take()
                    {
                        operator.session.tls_established(Shown {
                            certificate: certificate.get(),
                            verified: tls.is_some_and(DatabaseTls::verifies),
                            speaks_postgres: operator.channel.agreed_protocol() == Some(ALPN),
                        })?;
                    }
                }
            }
        }
        // A command on many bets takes its time.
        let stream = operator.channel.stream();
        stream.wait_for_ever().map_err(failed)?;
        Ok(operator)
    }

    fn find_lottery(mut self) -> Result<Self, OperatorError> {
        match self.find()? {
            true => Ok(self),
            false => Err(OperatorError::Unusable(format!(
                "there is no lottery in schema {} of the database: name its schema in SERVER_LOTTERY",
                self.lottery
            ))),
        }
    }

    /// Whether the lottery is there.
    fn find(&mut self) -> Result<bool, OperatorError> {
        let lottery = self.lottery.clone();
        let (sql, mut form, mut older) = (self.schema.check(), None, false);
        let found = self.query(&sql, |row| {
            form = row.first().copied().flatten().and_then(parse);
            older = Schema::is_older(row);
            Ok(())
        })?;
        self.is_chosen = true;
        match found {
            Err(e) if Schema::is_missing(&e) => Ok(false),
            Err(e) => Err(OperatorError::Unusable(self.schema.explain(&e).to_string())),
            Ok(()) => {
                let known = Schema::judge_format(&lottery, form);
                known.map_err(|e| OperatorError::Unusable(e.to_string()))?;
                self.older = older;
                Ok(true)
            }
        }
    }

    /// Writes every committed bet as bets.csv has it, by agency, in the order of each agency's bets.
    ///
    /// # Errors
    /// The session is lost, a row is no bet, or `out` fails; a part may have been written.
    pub fn export(&mut self, out: &mut impl Write) -> Result<(), OperatorError> {
        let mut line = Vec::new();
        let sql = format!(
            "select agency, first_name, last_name, document, to_char(birthdate, 'YYYY-MM-DD'), number \
             from {}.bets order by agency, seq",
            identifier(&self.lottery)
        );
        let done = self.query(&sql, |columns| {
            let bet = bet(columns)
                .ok_or_else(|| OperatorError::Row("a row of bets is no bet of ours".to_owned()))?;
            line.clear();
            rows::write(&bet, &mut line);
            out.write_all(&line).map_err(OperatorError::Output)
        })?;
        done.map_err(|e| OperatorError::Unusable(format!("the bets cannot be read: {e}")))
    }

    /// Sends a query that is a transaction, or begins one; hands out its rows.
    fn query(
        &mut self,
        sql: &str,
        row: impl FnMut(&[Option<&[u8]>]) -> Result<(), OperatorError>,
    ) -> Result<Result<(), DatabaseError>, OperatorError> {
        let begin = self.prologue.begin(LockWait::Usual, false);
        self.query_behind(begin, sql, row)
    }

    /// Sends statements that only read, and see one moment; hands out their rows.
    fn look(
        &mut self,
        sql: &str,
        row: impl FnMut(&[Option<&[u8]>]) -> Result<(), OperatorError>,
    ) -> Result<Result<(), DatabaseError>, OperatorError> {
        let begin = self.prologue.begin_look();
        self.query_behind(begin, sql, row)
    }

    fn query_behind(
        &mut self,
        begin: String,
        sql: &str,
        mut row: impl FnMut(&[Option<&[u8]>]) -> Result<(), OperatorError>,
    ) -> Result<Result<(), DatabaseError>, OperatorError> {
        let mut is_identified = false;
        self.continue_query(&(begin + sql), |columns| {
            // The first row tells whose backend it is.
            match std::mem::replace(&mut is_identified, true) {
                true => row(columns),
                false => Ok(()),
            }
        })
    }

    /// Sends a query within a transaction; hands out its rows.
    fn continue_query(
        &mut self,
        sql: &str,
        row: impl FnMut(&[Option<&[u8]>]) -> Result<(), OperatorError>,
    ) -> Result<Result<(), DatabaseError>, OperatorError> {
        self.session.query(sql);
        self.rows(row)
    }

    /// Hands out the rows of the query that was sent last, to its end.
    fn rows(
        &mut self,
        row: impl FnMut(&[Option<&[u8]>]) -> Result<(), OperatorError>,
    ) -> Result<Result<(), DatabaseError>, OperatorError> {
        self.receive_rows(row).map_err(|e| match e {
            OperatorError::Unreachable(why) if self.is_chosen => OperatorError::Unreachable(
                format!("the database at {} is lost: {why}; run it again", self.host),
            ),
            e => e,
        })
    }

    fn receive_rows(
        &mut self,
        mut row: impl FnMut(&[Option<&[u8]>]) -> Result<(), OperatorError>,
    ) -> Result<Result<(), DatabaseError>, OperatorError> {
        loop {
            match self.session.poll()? {
                Some(SessionEvent::Row(found)) => row(&DataRow::columns(&found)?)?,
                Some(SessionEvent::Done(result)) => return Ok(result),
                Some(_) => {}
                None => self.exchange()?,
            }
        }
    }

    /// Sends what is to be sent, and waits for what comes.
    fn exchange(&mut self) -> Result<(), OperatorError> {
        let failed = |e: io::Error| OperatorError::Unreachable(e.to_string());
        let Self {
            channel, session, ..
        } = self;
        channel.mark(true, true);
        channel.outbox.append(&session.take_output());
        channel.send().map_err(failed)?;
        match channel.receive().map_err(failed)? {
            Received::Bytes(_) | Received::Full => {
                session.receive(channel.inbox.unread());
                channel.inbox.clear();
                channel.send().map(drop).map_err(failed)
            }
            Received::NotYet => Err(OperatorError::Unreachable(
                "it does not answer in time".to_owned(),
            )),
            Received::End => Err(OperatorError::Unreachable(
                "it closed the connection".to_owned(),
            )),
        }
    }
}

/// A row of the export's query as a bet.
fn bet<'a>(columns: &[Option<&'a [u8]>]) -> Option<Bet<'a>> {
    let &[
        Some(agency),
        Some(first_name),
        Some(last_name),
        Some(document),
        Some(birthdate),
        Some(number),
    ] = columns
    else {
        return None;
    };
    Some(Bet {
        agency: Agency::parse(agency).ok()?,
        first_name: Name::parse(first_name).ok()?,
        last_name: Name::parse(last_name).ok()?,
        document: Document::parse(document).ok()?,
        birthdate: Birthdate::parse(birthdate).ok()?,
        number: Number::parse(number).ok()?,
    })
}

/// The stream of a session, which waits.
type OperatorStream = Socket<TcpStream, UnixStream>;

impl OperatorStream {
    /// Connects to a host: to the first of its addresses that answers within the timeout. It bounds each read, too.
    ///
    /// # Errors
    /// None answers, or the name is not known.
    fn connect(host: &Host, timeout: Duration) -> io::Result<Self> {
        if let Some(path) = host.socket() {
            let stream = UnixStream::connect(path)?;
            stream.set_read_timeout(Some(timeout))?;
            return Ok(Self::Unix(stream));
        }
        let mut failed = io::Error::other("its name has no address");
        for address in (host.name.as_str(), host.port).to_socket_addrs()? {
            match TcpStream::connect_timeout(&address, timeout) {
                Ok(stream) => {
                    stream.set_read_timeout(Some(timeout))?;
                    net::set_up(&stream)?;
                    net::bound_unacknowledged(&stream, UNACKNOWLEDGED)?;
                    return Ok(Self::Tcp(stream));
                }
                Err(e) => failed = e,
            }
        }
        Err(failed)
    }

    /// Lifts the bound of reads: a command on many bets takes its time.
    ///
    /// # Errors
    /// The system refuses.
    fn wait_for_ever(&self) -> io::Result<()> {
        match self {
            Self::Tcp(stream) => stream.set_read_timeout(None),
            Self::Unix(stream) => stream.set_read_timeout(None),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use socket2::SockRef;

    use super::*;

    #[test]
    fn a_server_whose_machine_vanishes_is_found_however_long_a_command_takes() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let host = Host {
            name: "127.0.0.1".to_owned(),
            port: listener.local_addr().unwrap().port(),
            password: None,
        };
        let stream = OperatorStream::connect(&host, Duration::from_secs(60)).unwrap();
        stream.wait_for_ever().unwrap();
        let OperatorStream::Tcp(stream) = stream else {
            panic!("no stream over TCP");
        };
        let options = SockRef::from(&stream);
        assert!(options.keepalive().unwrap() && options.tcp_nodelay().unwrap());
        assert_eq!(options.tcp_user_timeout().unwrap(), Some(UNACKNOWLEDGED));
    }
}

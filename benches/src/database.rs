//! The whole path into a PostgreSQL on this machine, and what PostgreSQL alone does with the same rows.
//!
//! The database has its defaults: it syncs. Both ways begin with everybody connected, and fill the same table.

use std::fs::{self, File};
use std::io::{self, BufWriter, Read as _, Seek as _, SeekFrom, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use fixtures::postgres::Postgres;
use fixtures::programs::Signal;
use frame::{Ack, Inbox, MAX_REPLY, Reply, Request};

use crate::bets;
use crate::delay::Delay;
use crate::ingest::Upload;
use crate::process::{central, wait_until};

/// The figures of a run through a central.
#[derive(Clone, Copy, Debug)]
pub struct Run {
    /// From the first batch until every agency was told that it has finished.
    pub time: Duration,
    /// How long the central was on a processor in that time.
    pub server: Duration,
    /// The most memory that the central had, in bytes.
    pub memory: u64,
}

/// Starts a database that syncs; `None` where PostgreSQL is not installed.
///
/// # Errors
/// It cannot be started.
pub fn start() -> io::Result<Option<Postgres>> {
    Postgres::start_with(&["fsync=on"])
}

/// How a central reaches the database.
#[derive(Clone, Copy, Debug)]
pub struct Way<'d> {
    /// How many sessions it has (`SERVER_STORE_SESSIONS`).
    pub sessions: u8,
    /// A proxy between the two that delays.
    pub delay: Option<&'d Delay>,
}

impl Way<'_> {
    fn url(self, database: &Postgres) -> String {
        let port = self.delay.map_or(database.port(), Delay::port);
        format!("postgresql://postgres@127.0.0.1:{port}/postgres?sslmode=disable")
    }
}

/// Sends all files through a new central into an empty lottery.
///
/// # Errors
/// A program could not be started, or did not end well.
pub fn run(database: &Postgres, upload: &Upload, way: Way<'_>) -> io::Result<Run> {
    drop_tables(database)?;
    let folder = tempfile::tempdir()?;
    let (server, address) = central(
        folder.path(),
        &[
            ("SERVER_AGENCIES", &upload.files.len().to_string()),
            ("SERVER_STORE", &way.url(database)),
            ("SERVER_STORE_SESSIONS", &way.sessions.to_string()),
        ],
    )?;
    let ready = || {
        database
            .sql("select count(*) from lottery.centrals")
            .is_ok_and(|sessions| sessions == way.sessions.to_string())
    };
    wait_until(ready)?;
    server.signal(Signal::STOP)?;
    let clients = upload.start_clients(folder.path(), address, "INFO")?;
    let before = server.processor_time()?;
    let begin = Instant::now();
    server.signal(Signal::CONT)?;
    let finished = |number: usize| {
        let end = end_of(&folder.path().join(format!("client{number}.log")));
        end.is_ok_and(|end| end.contains("notify_finished | result: success"))
    };
    for number in 1..=clients.len() {
        wait_until(|| finished(number))?;
    }
    let run = Run {
        time: begin.elapsed(),
        server: server.processor_time()? - before,
        memory: server.memory()?,
    };
    for client in clients {
        client.end()?;
    }
    server.signal(Signal::TERM)?;
    server.end()?;
    let stored = database.sql("select count(*) from lottery.bets")?;
    match stored == upload.bets.to_string() {
        true => Ok(run),
        false => Err(io::Error::other(format!("{stored} bets are stored"))),
    }
}

/// Copies the same rows into the same table with one psql for each agency; returns the time from the first row on.
///
/// # Errors
/// psql fails.
pub fn copy(database: &Postgres, upload: &Upload) -> io::Result<Duration> {
    let folder = tempfile::tempdir()?;
    let mut sessions = Vec::new();
    for (number, file) in (1..).zip(&upload.files) {
        let rows = folder.path().join(format!("{number}.csv"));
        number_rows(number, file, &rows)?;
        sessions.push((connect(database)?, rows));
    }
    database.sql("truncate lottery.bets, lottery.commits, lottery.draw")?;
    let begin = Instant::now();
    for (session, rows) in &mut sessions {
        if let Some(mut stdin) = session.stdin.take() {
            writeln!(stdin, "\\copy lottery.bets from '{}' csv", rows.display())?;
        }
    }
    for (session, _) in &mut sessions {
        if !session.wait()?.success() {
            return Err(io::Error::other("psql failed"));
        }
    }
    Ok(begin.elapsed())
}

/// Writes the rows of an agency's file with the columns of the table: the agency's number, the row's number, and the columns
/// of the file.
fn number_rows(number: u32, file: &Path, rows: &Path) -> io::Result<()> {
    let mut out = BufWriter::new(File::create(rows)?);
    for (seq, line) in fs::read_to_string(file)?.lines().enumerate() {
        writeln!(out, "{number},{seq},{line}")?;
    }
    out.flush()
}

/// Starts a psql; returns it once it has connected and waits for statements.
fn connect(database: &Postgres) -> io::Result<Child> {
    let mut psql = database.psql("postgres");
    psql.stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = psql.spawn()?;
    if let Some(stdin) = &mut child.stdin {
        stdin.write_all(b"\\echo connected\n")?;
        stdin.flush()?;
    }
    let mut answer = [0; 10];
    if let Some(stdout) = &mut child.stdout {
        stdout.read_exact(&mut answer)?;
    }
    Ok(child)
}

/// Measures how long the database takes for a commit of one row, and how long an agency waits for the acknowledgement of one
/// bet, each so many times, one after the other.
///
/// # Errors
/// A program could not be started, or did not end well.
pub fn waits(
    database: &Postgres,
    way: Way<'_>,
    count: usize,
) -> io::Result<(Vec<Duration>, Vec<Duration>)> {
    drop_tables(database)?;
    let folder = tempfile::tempdir()?;
    let (server, address) = central(
        folder.path(),
        &[
            ("SERVER_AGENCIES", "0"),
            ("SERVER_STORE", &way.url(database)),
            ("SERVER_STORE_SESSIONS", &way.sessions.to_string()),
            ("LOGGING_LEVEL", "WARNING"),
        ],
    )?;
    let acknowledged = acknowledgements(address, count)?;
    let insert = "insert into lottery.bets values (1, 1, 'Ana', 'Diaz', '1', '2000-01-01', 7);\n";
    let timed = database.sql(&format!("\\timing on\n{}", insert.repeat(count)))?;
    // "Time: 0.913 ms"
    let committed = timed.lines().filter_map(|line| {
        let millis: f64 = line
            .strip_prefix("Time: ")?
            .split(' ')
            .next()?
            .parse()
            .ok()?;
        Some(Duration::from_secs_f64(millis / 1e3))
    });
    let committed = committed.collect();
    server.signal(Signal::TERM)?;
    server.end()?;
    Ok((committed, acknowledged))
}

fn acknowledgements(central: SocketAddr, count: usize) -> io::Result<Vec<Duration>> {
    let mut stream = TcpStream::connect(central)?;
    stream.set_nodelay(true)?;
    let bets = bets();
    let mut inbox = Inbox::new(MAX_REPLY, 0);
    let mut waits = Vec::with_capacity(count);
    for bet in bets.into_iter().take(count) {
        let mut frame = Vec::new();
        Request::Bet(bet).encode(&mut frame);
        let begin = Instant::now();
        stream.write_all(&frame)?;
        while !inbox.has_frame() {
            inbox.fill(|space| stream.read(space))?;
        }
        waits.push(begin.elapsed());
        let reply = inbox.frame().ok().flatten().map(Reply::decode);
        if !matches!(reply, Some(Ok(Reply::Ack(Ack::Success)))) {
            return Err(io::Error::other("a bet was not taken"));
        }
    }
    Ok(waits)
}

/// Returns the last lines of a log.
fn end_of(path: &Path) -> io::Result<String> {
    let mut file = File::open(path)?;
    let length = file.metadata()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(1_000)))?;
    let mut end = Vec::new();
    file.read_to_end(&mut end)?;
    Ok(String::from_utf8_lossy(&end).into_owned())
}

fn drop_tables(database: &Postgres) -> io::Result<()> {
    let sql = "set client_min_messages = error; drop schema if exists lottery cascade";
    database.sql(sql).map(drop)
}

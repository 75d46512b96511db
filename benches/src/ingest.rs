//! The whole path once, with everything as its users run it: a server and its clients as processes of their own,
//! optimised, over sockets, on files. And the floor in the same way.
//!
//! A run is watched from outside. The server, the central's as well as the floor's, is stopped until all clients have
//! connected and wait for their first reply; time counts from when it goes on. So neither the start of the clients nor
//! their first pass over their files is in it. It ends when the file that the central writes holds the last bet, before
//! the draw, or when all clients of the floor have ended. Linux only: memory and processor time are read from `/proc`.

use std::fs::{self, File};
use std::io;
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use fixtures::programs::{Signal, agency, program};
use fixtures::{Spec, TooManyWinners};

use crate::floor::Hashing;
use crate::process::{
    Process, central, durability, free_address, total_time, wait_until, wait_until_idle,
};

/// Who sends what, and how.
#[derive(Clone, Debug)]
pub struct Upload {
    /// One file for each agency, from 1 on.
    pub files: Vec<PathBuf>,
    /// Bytes of bets.csv when all is stored.
    pub stored: u64,
    /// Bets in all files.
    pub bets: u64,
    /// How they are sent.
    pub connection: Connection,
}

/// How a client uses connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Connection {
    /// All requests over one connection, a window of them at a time.
    Pipelined,
    /// A connection for each request, one after another.
    PerRequest,
}

/// The figures of a run of the programs.
#[derive(Clone, Copy, Debug)]
pub struct Run {
    /// From when the server went on to the last bet stored.
    pub time: Duration,
    /// How long the server was on a processor in that time.
    pub server: Duration,
    /// How long all clients together were on one.
    pub clients: Duration,
    /// The most memory that the server had, in bytes.
    pub server_memory: u64,
    /// The most memory that a client had, in bytes; none where all had ended before anybody looked.
    pub client_memory: Option<u64>,
}

impl Upload {
    /// Makes the files of so many agencies, with `bets` bets in all.
    ///
    /// # Errors
    /// A file cannot be written.
    pub fn make(folder: &Path, agencies: u32, bets: u64, how: Connection) -> io::Result<Self> {
        let rows = bets / u64::from(agencies);
        let mut upload = Self {
            files: Vec::new(),
            stored: 0,
            bets: rows * u64::from(agencies),
            connection: how,
        };
        for agency in 1..=agencies {
            let path = folder.join(format!("agency-{agency}-of-{rows}.csv"));
            let spec = Spec::new(agency.into(), rows as usize, rows as usize / 10_000)
                .map_err(|e: TooManyWinners| io::Error::other(e))?;
            if !path.exists() {
                spec.write_to(File::create(&path)?)?;
            }
            // Each row gets the agency's number and a comma.
            let digits = agency.to_string().len() as u64;
            upload.stored += fs::metadata(&path)?.len() + rows * (digits + 1);
            upload.files.push(path);
        }
        Ok(upload)
    }

    /// Sends everything to a new central in an empty folder.
    ///
    /// # Errors
    /// A program could not be started, or did not end well.
    pub fn run(&self, durable: bool, level: &str) -> io::Result<Run> {
        self.run_beside(durable, level, |_, _| Ok(()), |()| Ok(()))
            .map(|(run, ())| run)
    }

    /// Does the same as [`run`](Self::run), durable and at INFO; returns how many system calls the server made in that time.
    /// `None` where there is no strace.
    ///
    /// # Errors
    /// A program could not be started, or did not end well.
    pub fn system_calls(&self) -> io::Result<Option<u64>> {
        let begin = |server: &Process, folder: &Path| match SyscallCount::begin(server, folder) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
            begun => begun.map(Some),
        };
        let end = |count: Option<SyscallCount>| count.map(SyscallCount::end).transpose();
        let (_, calls) = self.run_beside(true, "INFO", begin, end)?;
        Ok(calls)
    }

    /// Does a run, and something that is begun before it and ended after it.
    fn run_beside<B, T>(
        &self,
        durable: bool,
        level: &str,
        before: impl FnOnce(&Process, &Path) -> io::Result<B>,
        after: impl FnOnce(B) -> io::Result<T>,
    ) -> io::Result<(Run, T)> {
        let folder = tempfile::tempdir()?;
        let bets = folder.path().join("bets.csv");
        let (server, address) = central(
            folder.path(),
            &[
                ("SERVER_AGENCIES", &self.files.len().to_string()),
                ("SERVER_DURABILITY", durability(durable)),
                ("LOGGING_LEVEL", level),
            ],
        )?;
        server.signal(Signal::STOP)?;
        let clients = self.start_clients(folder.path(), address, level)?;
        let beside = before(&server, folder.path())?;
        let before = [server.processor_time()?, total_time(&clients)];
        let begin = Instant::now();
        server.signal(Signal::CONT)?;
        let stored = || fs::metadata(&bets).map_or(0, |file| file.len());
        let end = wait_until(|| stored() >= self.stored)?;
        let run = Run {
            time: end - begin,
            server: server.processor_time()? - before[0],
            clients: total_time(&clients).saturating_sub(before[1]),
            server_memory: server.memory()?,
            client_memory: clients
                .iter()
                .filter_map(|client| client.memory().ok())
                .max(),
        };
        let found = after(beside)?;
        for client in clients {
            client.end()?;
        }
        server.signal(Signal::TERM)?;
        server.end()?;
        Ok((run, found))
    }

    /// Starts the clients of a central that is stopped, and waits until all of them have read their files and
    /// wait for it. Client N logs to `clientN.log` in this folder, and writes its winners to `winnersN`.
    ///
    /// # Errors
    /// One could not be started.
    pub fn start_clients(
        &self,
        folder: &Path,
        address: SocketAddr,
        level: &str,
    ) -> io::Result<Vec<Process>> {
        let clients = self.each_file(|number, file| {
            let mut client = agency(number, file, address, folder)?;
            let protocol = match self.connection {
                Connection::Pipelined => "resume",
                Connection::PerRequest => "plain",
            };
            client
                .env("CLI_SERVER_PROTOCOL", protocol)
                .env("CLI_LOG_LEVEL", level)
                .stdout(File::create(folder.join(format!("winners{number}")))?);
            Process::start(&mut client, &folder.join(format!("client{number}.log")))
        })?;
        wait_until_idle(&clients)?;
        Ok(clients)
    }

    /// Sends everything to the floor; returns the time from when its server went on to the end of the last client.
    ///
    /// # Errors
    /// A program could not be started, or did not end well.
    pub fn run_floor(&self, durable: bool, hashing: Hashing) -> io::Result<Duration> {
        let folder = tempfile::tempdir()?;
        let (file, log) = (folder.path().join("floor"), folder.path().join("floor.log"));
        let address = free_address()?;
        let floor = |arguments: &[&str], file: &Path| {
            let mut command = Command::new(program("floor")?);
            let [what, rest @ ..] = arguments else {
                return Err(io::ErrorKind::InvalidInput.into());
            };
            command
                .args([what, &*address.to_string()])
                .arg(file)
                .args(rest);
            Process::start(&mut command, &log)
        };
        let server = floor(&["serve", durability(durable), hashing.name()], &file)?;
        wait_until(|| TcpStream::connect(address).is_ok())?;
        server.signal(Signal::STOP)?;
        let connection = match self.connection {
            Connection::Pipelined => "pipelined",
            Connection::PerRequest => "plain",
        };
        let clients = self.each_file(|number, path| {
            let number = number.to_string();
            floor(&["send", connection, &number, hashing.name()], path)
        })?;
        wait_until_idle(&clients)?;
        let begin = Instant::now();
        server.signal(Signal::CONT)?;
        for client in clients {
            client.end()?;
        }
        Ok(begin.elapsed())
    }

    fn each_file<T>(
        &self,
        mut start: impl FnMut(u32, &Path) -> io::Result<T>,
    ) -> io::Result<Vec<T>> {
        (1..)
            .zip(&self.files)
            .map(|(number, file)| start(number, file))
            .collect()
    }
}

/// A count of a process's system calls, by strace.
struct SyscallCount {
    strace: Process,
    table: PathBuf,
}

impl SyscallCount {
    fn begin(process: &Process, folder: &Path) -> io::Result<Self> {
        let table = folder.join("calls");
        let mut command = Command::new("strace");
        command.args(["-c", "-f", "-p", &process.pid().to_string(), "-o"]);
        let strace = Process::start(command.arg(&table), &folder.join("strace.log"))?;
        wait_until(|| process.is_traced())?;
        Ok(Self { strace, table })
    }

    fn end(self) -> io::Result<u64> {
        self.strace.signal(Signal::INT)?;
        self.strace.wait()?;
        // "% time  seconds  usecs/call  calls [errors]  total"
        let table = fs::read_to_string(&self.table)?;
        let total = table.lines().find(|line| line.ends_with(" total"));
        let calls = total.and_then(|line| line.split_whitespace().nth(3)?.parse().ok());
        calls.ok_or_else(|| io::ErrorKind::InvalidData.into())
    }
}

/// Measures how long a new central takes from its start until it has accepted and answered somebody.
///
/// # Errors
/// It could not be started.
pub fn start_time() -> io::Result<Duration> {
    let folder = tempfile::tempdir()?;
    let begin = Instant::now();
    central(folder.path(), &[])?;
    Ok(begin.elapsed())
}

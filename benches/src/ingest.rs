//! The whole path once, with everything as its users run it: a server and its clients as processes of their own,
//! optimised, over sockets, on files. And the floor in the same way.
//!
//! A run is watched from outside. Time counts from the first connection until the file that the server writes
//! holds the last bet. So that the clients' first pass over their files is not in it, the server is stopped until
//! all of them have connected and wait; the draw comes after it. Linux only: memory and processor time are read
//! from `/proc`.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use fixtures::programs::{agency, program};
use fixtures::{Spec, TooManyWinners};
use rustix::process::{Pid, Signal, kill_process};

/// How often a run is looked at.
const LOOK: Duration = Duration::from_micros(500);

/// How long programs have to do nothing to be waiting.
const QUIET: Duration = Duration::from_millis(30);

/// How long a run may take.
const PATIENCE: Duration = Duration::from_secs(120);

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

/// How a client speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Connection {
    /// All requests over one connection, a window of them at a time.
    Pipelined,
    /// A connection for each request, one after another.
    PerRequest,
}

/// What a run of the programs came to.
#[derive(Clone, Copy, Debug)]
pub struct Run {
    /// From the first connection to the last bet stored.
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
        let folder = tempfile::tempdir()?;
        let bets = folder.path().join("bets.csv");
        let (server, address) = central(folder.path(), self.files.len(), durable, level)?;
        server.signal(Signal::STOP)?;
        let clients = self.each_file(|number, file| {
            let mut client = agency(number, file, address, folder.path())?;
            let protocol = match self.connection {
                Connection::Pipelined => "resume",
                Connection::PerRequest => "plain",
            };
            client
                .env("CLI_SERVER_PROTOCOL", protocol)
                .env("CLI_LOG_LEVEL", level)
                .stdout(Stdio::null());
            Process::start(
                &mut client,
                &folder.path().join(format!("client{number}.log")),
            )
        })?;
        wait_until_idle(&clients)?;
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
        for client in clients {
            client.end()?;
        }
        server.signal(Signal::TERM)?;
        server.end()?;
        Ok(run)
    }

    /// Sends everything to the floor; returns the time from the first bytes written to the last acknowledged.
    ///
    /// # Errors
    /// A program could not be started, or did not end well.
    pub fn run_floor(&self, durable: bool) -> io::Result<Duration> {
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
        let durability = if durable { "always" } else { "never" };
        let _server = floor(&["serve", durability], &file)?;
        wait_until(|| TcpStream::connect(address).is_ok())?;
        let connection = match self.connection {
            Connection::Pipelined => "pipelined",
            Connection::PerRequest => "plain",
        };
        let clients =
            self.each_file(|number, path| floor(&["send", connection, &number.to_string()], path))?;
        let first = wait_until(|| fs::metadata(&file).is_ok_and(|file| file.len() > 0))?;
        for client in clients {
            client.end()?;
        }
        Ok(first.elapsed())
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

/// How long all of them together were on a processor; those that have ended do not count.
fn total_time(processes: &[Process]) -> Duration {
    let times = processes.iter().filter_map(|p| p.processor_time().ok());
    times.sum()
}

/// Waits until all of them wait for something.
fn wait_until_idle(processes: &[Process]) -> io::Result<Instant> {
    let mut last = total_time(processes);
    wait_until(|| {
        thread::sleep(QUIET);
        let now = total_time(processes);
        std::mem::replace(&mut last, now) == now
    })
}

/// How long a new central takes from its start until it has accepted and answered somebody.
///
/// # Errors
/// It could not be started.
pub fn start_time() -> io::Result<Duration> {
    let folder = tempfile::tempdir()?;
    let begin = Instant::now();
    central(folder.path(), 5, true, "INFO")?;
    Ok(begin.elapsed())
}

/// Starts a central and waits until it has echoed a line.
fn central(
    folder: &Path,
    agencies: usize,
    durable: bool,
    level: &str,
) -> io::Result<(Process, SocketAddr)> {
    let address = free_address()?;
    let mut command = Command::new(program("event-server")?);
    command
        .current_dir(folder)
        .env("SERVER_BIND", address.ip().to_string())
        .env("SERVER_PORT", address.port().to_string())
        .env("SERVER_DATA_DIR", folder)
        .env("SERVER_AGENCIES", agencies.to_string())
        .env(
            "SERVER_DURABILITY",
            if durable { "always" } else { "never" },
        )
        .env("LOGGING_LEVEL", level);
    let server = Process::start(&mut command, &folder.join("server.log"))?;
    let until = Instant::now() + PATIENCE;
    while echo(address).is_err() {
        if Instant::now() > until {
            return Err(io::ErrorKind::TimedOut.into());
        }
    }
    Ok((server, address))
}

fn echo(address: SocketAddr) -> io::Result<()> {
    let mut stream = TcpStream::connect(address)?;
    stream.write_all(b"\n")?;
    stream.read_exact(&mut [0])
}

/// An address that nobody listens on. Somebody may come before us: then the run fails.
fn free_address() -> io::Result<SocketAddr> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()
}

/// Returns when it was so.
fn wait_until(mut so: impl FnMut() -> bool) -> io::Result<Instant> {
    let begin = Instant::now();
    while !so() {
        if begin.elapsed() > PATIENCE {
            return Err(io::ErrorKind::TimedOut.into());
        }
        thread::sleep(LOOK);
    }
    Ok(Instant::now())
}

/// A program that runs, its log in a file.
struct Process {
    child: Child,
    log: PathBuf,
}

impl Process {
    fn start(command: &mut Command, log: &Path) -> io::Result<Self> {
        let stderr = File::options().create(true).append(true).open(log)?;
        let child = command.stdin(Stdio::null()).stderr(stderr).spawn()?;
        let log = log.to_owned();
        Ok(Self { child, log })
    }

    fn end(mut self) -> io::Result<()> {
        let status = self.child.wait()?;
        if status.success() {
            return Ok(());
        }
        let log = fs::read_to_string(&self.log)?;
        let last = log.lines().last().unwrap_or_default();
        Err(io::Error::other(format!("{status}: {last}")))
    }

    fn signal(&self, signal: Signal) -> io::Result<()> {
        Ok(kill_process(Pid::from_child(&self.child), signal)?)
    }

    fn proc(&self, file: &str) -> io::Result<String> {
        fs::read_to_string(format!("/proc/{}/{file}", self.child.id()))
    }

    /// The most memory that it has had, in bytes.
    fn memory(&self) -> io::Result<u64> {
        let status = self.proc("status")?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        number(line).map(|kilobytes| kilobytes * 1024)
    }

    /// How long it was on a processor.
    fn processor_time(&self) -> io::Result<Duration> {
        let nanoseconds = number(Some(&self.proc("schedstat")?))?;
        Ok(Duration::from_nanos(nanoseconds))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn number(line: Option<&str>) -> io::Result<u64> {
    let word = line.and_then(|line| line.split_whitespace().next());
    word.and_then(|word| word.parse().ok())
        .ok_or_else(|| io::ErrorKind::InvalidData.into())
}

//! The programs as processes that are watched from outside, their logs in files. Linux only: memory and
//! processor time are read from `/proc`.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use fixtures::programs::{Signal, program};
use rustix::process::{Pid, kill_process};

/// How often a run is looked at.
const LOOK: Duration = Duration::from_micros(500);

/// Programs that use no processor for so long count as waiting.
const QUIET: Duration = Duration::from_millis(30);

/// How long a run may take.
const PATIENCE: Duration = Duration::from_secs(120);

/// How often a central is started where another program takes its address first: a connection that goes out is enough.
const TRIES: u32 = 10;

/// What a central says then.
const IN_USE: &str = "Address already in use";

/// Returns the value of `SERVER_DURABILITY`.
pub fn durability(durable: bool) -> &'static str {
    if durable { "always" } else { "never" }
}

/// Starts a central in this folder, with further variables of its environment, and waits until it has echoed a
/// line. Its log is `server.log` there.
///
/// # Errors
/// It could not be started.
pub fn central(folder: &Path, environment: &[(&str, &str)]) -> io::Result<(Process, SocketAddr)> {
    let mut tries = 0;
    loop {
        tries += 1;
        match central_at(free_address()?, folder, environment) {
            Err(e) if tries < TRIES && e.to_string().contains(IN_USE) => {}
            outcome => return outcome,
        }
    }
}

fn central_at(
    address: SocketAddr,
    folder: &Path,
    environment: &[(&str, &str)],
) -> io::Result<(Process, SocketAddr)> {
    let mut command = Command::new(program("event-server")?);
    command
        .current_dir(folder)
        .env("SERVER_BIND", address.ip().to_string())
        .env("SERVER_PORT", address.port().to_string())
        .env("SERVER_DATA_DIR", folder)
        .envs(environment.iter().copied());
    let mut server = Process::start(&mut command, &folder.join("server.log"))?;
    let until = Instant::now() + PATIENCE;
    while echo(address).is_err() {
        if server.child.try_wait()?.is_some() {
            server.end()?;
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        if Instant::now() > until {
            return Err(io::ErrorKind::TimedOut.into());
        }
    }
    Ok((server, address))
}

/// Has an empty line echoed.
///
/// # Errors
/// It was not echoed.
pub fn echo(address: SocketAddr) -> io::Result<()> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.write_all(b"\n")?;
    stream.read_exact(&mut [0])
}

/// Returns an address at which nothing listens. Another program may take it before the caller does.
///
/// # Errors
/// The system has none.
pub fn free_address() -> io::Result<SocketAddr> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()
}

/// Returns how long all of them together were on a processor; those that have ended do not count.
pub fn total_time(processes: &[Process]) -> Duration {
    let times = processes.iter().filter_map(|p| p.processor_time().ok());
    times.sum()
}

/// Waits until all of them wait for something.
///
/// # Errors
/// They were busy for too long.
pub fn wait_until_idle(processes: &[Process]) -> io::Result<Instant> {
    let mut last = total_time(processes);
    wait_until(|| {
        thread::sleep(QUIET);
        let now = total_time(processes);
        std::mem::replace(&mut last, now) == now
    })
}

/// Waits until `so` returns `true`; returns when that was.
///
/// # Errors
/// It was not so for too long.
pub fn wait_until(mut so: impl FnMut() -> bool) -> io::Result<Instant> {
    let begin = Instant::now();
    while !so() {
        if begin.elapsed() > PATIENCE {
            return Err(io::ErrorKind::TimedOut.into());
        }
        thread::sleep(LOOK);
    }
    Ok(Instant::now())
}

/// A program that runs, its log in a file. Dropped, it is killed.
pub struct Process {
    child: Child,
    log: PathBuf,
}

impl Process {
    /// Starts a program whose standard error is added to the file `log`.
    ///
    /// # Errors
    /// It cannot be started.
    pub fn start(command: &mut Command, log: &Path) -> io::Result<Self> {
        let stderr = File::options().create(true).append(true).open(log)?;
        let child = command.stdin(Stdio::null()).stderr(stderr).spawn()?;
        let log = log.to_owned();
        Ok(Self { child, log })
    }

    /// Waits for its end.
    ///
    /// # Errors
    /// It did not end well; the error has the end of its log.
    pub fn end(mut self) -> io::Result<()> {
        let status = self.child.wait()?;
        if status.success() {
            return Ok(());
        }
        let log = fs::read_to_string(&self.log)?;
        let last = log.lines().last().unwrap_or_default();
        Err(io::Error::other(format!("{status}: {last}")))
    }

    /// Waits for its end, whatever that is.
    ///
    /// # Errors
    /// It cannot be waited for.
    pub fn wait(mut self) -> io::Result<()> {
        self.child.wait().map(drop)
    }

    /// Returns its process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Returns whether another process traces its system calls.
    pub fn is_traced(&self) -> bool {
        let status = self.proc("status").unwrap_or_default();
        let tracer = status
            .lines()
            .find_map(|line| line.strip_prefix("TracerPid:"));
        tracer.is_some_and(|pid| pid.trim() != "0")
    }

    /// Sends a signal.
    ///
    /// # Errors
    /// It has ended.
    pub fn signal(&self, signal: Signal) -> io::Result<()> {
        Ok(kill_process(Pid::from_child(&self.child), signal)?)
    }

    fn proc(&self, file: &str) -> io::Result<String> {
        fs::read_to_string(format!("/proc/{}/{file}", self.child.id()))
    }

    /// Returns the most memory that it has had, in bytes.
    ///
    /// # Errors
    /// It has ended.
    pub fn memory(&self) -> io::Result<u64> {
        kilobytes(&self.proc("status")?, "VmHWM:")
    }

    /// Returns the memory that is its own now, in bytes: anonymous pages, no part of a file.
    ///
    /// # Errors
    /// It has ended.
    pub fn own_memory(&self) -> io::Result<u64> {
        kilobytes(&self.proc("smaps_rollup")?, "Anonymous:")
    }

    /// Returns how long it was on a processor.
    ///
    /// # Errors
    /// It has ended.
    pub fn processor_time(&self) -> io::Result<Duration> {
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

/// Returns the value of the line with this name, in bytes.
fn kilobytes(text: &str, name: &str) -> io::Result<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    number(line).map(|kilobytes| kilobytes * 1024)
}

fn number(line: Option<&str>) -> io::Result<u64> {
    let word = line.and_then(|line| line.split_whitespace().next());
    word.and_then(|word| word.parse().ok())
        .ok_or_else(|| io::ErrorKind::InvalidData.into())
}

#[cfg(test)]
mod tests {
    use socket2::{Domain, Socket, Type};

    use super::*;

    #[test]
    fn a_central_whose_address_is_taken_is_not_waited_for() {
        let address = free_address().unwrap();
        let taken = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        taken.bind(&address.into()).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let started = central_at(address, folder.path(), &[]);
        let error = started.err().unwrap().to_string();
        assert!(error.contains(IN_USE), "{error}");
    }
}

//! The program under test, started in a folder of its own, with an environment that holds only what the test sets.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, ChildStderr, Command, Stdio};
use std::thread;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, Resource, Rlimit, prlimit};
use tempfile::TempDir;

/// The result of a run.
#[derive(Debug)]
pub struct Ended {
    pub code: Option<i32>,
    pub stdout: String,
    /// The lines of standard error without their times, such as `INFO     action: …`.
    pub log: Vec<String>,
}

impl Ended {
    /// The log lines that begin with `action: NAME`, without their levels.
    pub fn lines(&self, action: &str) -> Vec<&str> {
        let start = format!("action: {action} ");
        let texts = self.log.iter().map(|line| line[9..].trim_end());
        texts.filter(|text| text.starts_with(&start)).collect()
    }

    pub fn assert_failed(&self, code: i32, sentence: &str) {
        assert_eq!(self.code, Some(code), "{:#?}", self.log);
        let last = self.log.last().map_or("", String::as_str);
        assert!(last.starts_with("ERROR    action: "), "{last}");
        assert!(last.contains(" | result: fail | error: "), "{last}");
        assert!(
            last.contains(sentence),
            "{last}\ndoes not contain: {sentence}"
        );
        // One failure is one line: only rows, and what the file is, have lines of their own.
        let is_row = |line: &&String| line.contains("action: read_file | result: fail");
        let before = &self.log[..self.log.len() - 1];
        let told = before
            .iter()
            .find(|line| line.contains("result: fail") && !is_row(line));
        assert_eq!(told, None);
    }
}

/// A client that is about to start.
pub struct Client {
    command: Command,
    folder: TempDir,
}

impl Client {
    /// Agency 1 in this mode, with this server and with short timeouts.
    pub fn new(mode: &str, server: &str) -> Self {
        let folder = TempDir::new().unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_batch-client"));
        command
            .arg(mode)
            .current_dir(folder.path())
            .env_clear()
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let client = Self { command, folder };
        client
            .env("CLI_ID", "1")
            .env("CLI_SERVER_ADDRESS", server)
            .env("CLI_SERVER_TIMEOUT", "300ms")
            .env("CLI_SERVER_RETRY", "5s")
            .env("CLI_LOOP_PERIOD", "1ms")
            .env("CLI_BATCH_FILE", "bets.csv")
    }

    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.command.env(name, value);
        self
    }

    pub fn arg(mut self, arg: &str) -> Self {
        self.command.arg(arg);
        self
    }

    /// Writes a file into the folder that the client runs in.
    pub fn file(self, name: &str, content: impl AsRef<[u8]>) -> Self {
        fs::write(self.folder.path().join(name), content).unwrap();
        self
    }

    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The command, and the folder that it runs in.
    pub fn command(self) -> (Command, TempDir) {
        (self.command, self.folder)
    }

    pub fn start(mut self) -> Running {
        let mut child = self.command.spawn().unwrap();
        let stderr = BufReader::new(child.stderr.take().unwrap());
        Running {
            child,
            stderr,
            log: Vec::new(),
            _folder: self.folder,
        }
    }

    pub fn run(self) -> Ended {
        self.start().end()
    }
}

/// A client that runs. It is killed where a test fails.
pub struct Running {
    child: Child,
    stderr: BufReader<ChildStderr>,
    log: Vec<String>,
    _folder: TempDir,
}

impl Running {
    /// Waits for a line that holds this text.
    pub fn wait_for(&mut self, text: &str) {
        while let Some(line) = self.line() {
            let found = line.contains(text);
            self.log.push(line);
            if found {
                return;
            }
        }
        panic!("no line holds {text:?}: {:#?}", self.log);
    }

    pub fn signal(&self, name: &str) {
        let status = Command::new("kill")
            .args(["-s", name, &self.child.id().to_string()])
            .status();
        assert!(status.unwrap().success());
    }

    /// Waits until SIGSTOP has stopped it.
    pub fn wait_until_stopped(&self) {
        let status = format!("/proc/{}/stat", self.child.id());
        while !fs::read_to_string(&status).unwrap().contains(") T ") {
            thread::yield_now();
        }
    }

    /// Lets it have no more than so many bytes of memory that it writes to.
    pub fn limit_memory(&self, bytes: u64) {
        let limit = Rlimit {
            current: Some(bytes),
            maximum: Some(bytes),
        };
        let id = Pid::from_child(&self.child);
        prlimit(Some(id), Resource::Data, limit).unwrap();
    }

    /// Waits for its end.
    pub fn end(mut self) -> Ended {
        let stdout = self.child.stdout.take().unwrap();
        let stdout = thread::spawn(|| std::io::read_to_string(stdout).unwrap());
        while let Some(line) = self.line() {
            self.log.push(line);
        }
        Ended {
            code: self.child.wait().unwrap().code(),
            stdout: stdout.join().unwrap(),
            log: std::mem::take(&mut self.log),
        }
    }

    /// Waits for its end without reading its standard output.
    pub fn end_unread(mut self) -> Ended {
        loop {
            let mut ready = [PollFd::new(self.stderr.get_ref(), PollFlags::IN)];
            let patience = Timespec {
                tv_sec: 30,
                tv_nsec: 0,
            };
            let waits = self.stderr.buffer().is_empty();
            let came = !waits || poll(&mut ready, Some(&patience)).unwrap() > 0;
            assert!(came, "it does not end: {:#?}", self.log);
            match self.line() {
                Some(line) => self.log.push(line),
                None => break,
            }
        }
        Ended {
            code: self.child.wait().unwrap().code(),
            stdout: String::new(),
            log: std::mem::take(&mut self.log),
        }
    }

    fn line(&mut self) -> Option<String> {
        let mut line = String::new();
        self.stderr.read_line(&mut line).unwrap();
        let line = line.strip_suffix('\n')?;
        // The messages of clap have no time.
        Some(line.get(20..).unwrap_or(line).to_owned())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A file of so many rows; row n bets on number n.
pub fn rows(count: usize) -> String {
    let row = |n| format!("Ana María,Lorca,{},2000-02-29,{n}\n", 30_000_000 + n);
    (1..=count).map(row).collect()
}

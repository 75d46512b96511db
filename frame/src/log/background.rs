//! Writes log lines on a thread of its own, so that the rest of the program never waits for standard error: a pipe that
//! nobody reads, a terminal that was stopped with Ctrl-S, a slow disk.
//!
//! ```text
//! lines -> Waiting: at most MOST bytes; more are counted -> the thread -> sink
//! ```
//!
//! Non-blocking writes would not do: `O_NONBLOCK` belongs to the open file, which other programs share, and a write to a
//! terminal may block even where poll(2) says that it takes bytes. A thread may wait.

use std::io::{self, ErrorKind, Write};
use std::mem;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use super::line::{Level, Stamp};

/// The most bytes of lines that wait to be written; the thread may be writing as many again.
const MOST: usize = 4 * 1024 * 1024;

/// Bytes of an empty buffer that are kept for the next lines.
const KEPT: usize = 64 * 1024;

/// How long lines gather after a write, so that the lines of many turns are one write and wake the thread once.
const GATHER: Duration = Duration::from_millis(2);

/// The pause between two attempts to write to a sink that takes nothing and does not block.
const PAUSE: Duration = Duration::from_millis(20);

/// Makes the message of the line that says how many lines were lost.
pub type Loss = fn(u64) -> String;

/// The lines that wait, and the thread that writes them.
pub(super) struct Background(Arc<Shared>);

struct Shared {
    waiting: Mutex<Waiting>,
    /// Signals that lines were added, or that no more will come.
    added: Condvar,
    /// Signals that all lines are written.
    written: Condvar,
}

#[derive(Default)]
struct Waiting {
    text: String,
    /// How many lines were lost behind the last one of `text`. After the first lost line all others are lost, too, until the
    /// thread takes the text; so all missing lines are at one place, and the log says where.
    lost: u64,
    /// The thread has nothing to write, and waits for more.
    idle: bool,
    /// Somebody waits until all is written.
    hurried: bool,
    /// No more lines will come.
    closed: bool,
}

impl Background {
    /// Begins a thread that writes to `sink`. `stamp` is for its own lines, `loss` their message.
    ///
    /// # Errors
    /// The system has no thread.
    pub(super) fn new(sink: Box<dyn Write + Send>, stamp: Stamp, loss: Loss) -> io::Result<Self> {
        let shared = Arc::new(Shared {
            waiting: Mutex::default(),
            added: Condvar::new(),
            written: Condvar::new(),
        });
        let writer = Writer::new(sink, stamp, loss);
        thread::Builder::new().name("log".to_owned()).spawn({
            let shared = Arc::clone(&shared);
            move || writer.run(&shared)
        })?;
        Ok(Self(shared))
    }

    /// Hands over whole lines. Never waits for the sink.
    pub(super) fn add(&self, lines: &str) {
        let mut waiting = lock(&self.0.waiting);
        if waiting.lost == 0 && waiting.text.len() + lines.len() <= MOST {
            waiting.text.push_str(lines);
        } else {
            for line in lines.split_inclusive('\n') {
                if waiting.lost == 0 && waiting.text.len() + line.len() <= MOST {
                    waiting.text.push_str(line);
                } else {
                    waiting.lost += 1;
                }
            }
        }
        if mem::take(&mut waiting.idle) {
            self.0.added.notify_one();
        }
    }

    /// Waits until all lines are written, at most this long.
    pub(super) fn wait(&self, most: Duration) {
        let mut waiting = lock(&self.0.waiting);
        waiting.hurried = true;
        self.0.added.notify_one();
        let result = self
            .0
            .written
            .wait_timeout_while(waiting, most, |waiting| !waiting.idle);
        let (mut waiting, _) = result.unwrap_or_else(PoisonError::into_inner);
        waiting.hurried = false;
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        lock(&self.0.waiting).closed = true;
        self.0.added.notify_one();
    }
}

impl Shared {
    /// Lets lines gather, unless somebody waits for the last of them.
    fn gather(&self) {
        let goes_on = |waiting: &mut Waiting| !waiting.hurried && !waiting.closed;
        let waiting = lock(&self.waiting);
        drop(self.added.wait_timeout_while(waiting, GATHER, goes_on));
    }

    /// Waits for lines and takes them into `text`; returns how many were lost behind them; `None` where no more will come.
    fn take(&self, text: &mut String) -> Option<u64> {
        text.clear();
        text.shrink_to(KEPT);
        let mut waiting = lock(&self.waiting);
        loop {
            if !waiting.text.is_empty() || waiting.lost > 0 {
                mem::swap(&mut waiting.text, text);
                return Some(mem::take(&mut waiting.lost));
            }
            waiting.idle = true;
            self.written.notify_all();
            if waiting.closed {
                return None;
            }
            let more = self.added.wait(waiting);
            waiting = more.unwrap_or_else(PoisonError::into_inner);
        }
    }
}

/// The state of the thread.
struct Writer {
    sink: Box<dyn Write + Send>,
    stamp: Stamp,
    loss: Loss,
    /// How many lines were lost and are not reported yet.
    lost: u64,
    /// The sink failed in the middle of a line.
    torn: bool,
}

impl Writer {
    fn new(sink: Box<dyn Write + Send>, stamp: Stamp, loss: Loss) -> Self {
        let (lost, torn) = (0, false);
        Self {
            sink,
            stamp,
            loss,
            lost,
            torn,
        }
    }

    fn run(mut self, shared: &Shared) {
        let mut text = String::new();
        while let Some(lost) = shared.take(&mut text) {
            // Lines that a failing sink did not take are missing before these.
            self.tell();
            self.write(&text);
            self.lost += lost;
            self.tell();
            shared.gather();
        }
    }

    /// Writes how many lines were lost, where some were.
    fn tell(&mut self) {
        let lost = mem::take(&mut self.lost);
        if lost > 0 {
            let mut line = String::new();
            let message = (self.loss)(lost);
            self.stamp
                .append(&mut line, Level::Warning, |out| out.push_str(&message));
            if self.write(&line) {
                return;
            }
            // This line itself does not count as lost.
            self.lost = lost;
        }
    }

    /// Writes lines; where the sink fails, the rest of them counts as lost. Returns whether all are written.
    fn write(&mut self, lines: &str) -> bool {
        if self.torn && put(&mut self.sink, b"\n") == 1 {
            self.torn = false;
        }
        let written = match self.torn {
            true => 0,
            false => put(&mut self.sink, lines.as_bytes()),
        };
        let (done, rest) = lines.as_bytes().split_at(written);
        self.torn |= done.last().is_some_and(|last| *last != b'\n');
        self.lost += rest.iter().filter(|byte| **byte == b'\n').count() as u64;
        rest.is_empty()
    }
}

/// Writes as much as the sink takes before it fails. A sink that takes nothing for now is asked again.
fn put(sink: &mut impl Write, bytes: &[u8]) -> usize {
    let mut written = 0;
    while written < bytes.len() {
        match sink.write(&bytes[written..]) {
            Ok(0) => break,
            Ok(count) => written += count,
            Err(e) if e.kind() == ErrorKind::Interrupted => {}
            Err(e) if e.kind() == ErrorKind::WouldBlock => thread::sleep(PAUSE),
            Err(_) => break,
        }
    }
    // There is no other place to report that it failed.
    let _: io::Result<()> = sink.flush();
    written
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;
    use std::sync::mpsc::{Receiver, Sender, channel};

    use super::*;
    use crate::log::line::Format;

    /// Takes what the test allows, and tells it what was written.
    struct Gated {
        answers: Receiver<io::Result<usize>>,
        written: Sender<String>,
    }

    impl Write for Gated {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let answer = self.answers.recv().unwrap_or(Ok(usize::MAX));
            let count = answer?.min(bytes.len());
            let text = String::from_utf8_lossy(&bytes[..count]).into_owned();
            // The test may have seen enough.
            let _ = self.written.send(text);
            Ok(count)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn gated() -> (Background, Sender<io::Result<usize>>, Receiver<String>) {
        let (allow, answers) = channel();
        let (written, reads) = channel();
        let sink = Box::new(Gated { answers, written });
        let loss = |lost: u64| format!("lost: {lost}");
        let background = Background::new(sink, Stamp::new(Format::Text), loss).unwrap();
        (background, allow, reads)
    }

    /// The messages of what was written, without time and level where they have those.
    fn messages(reads: &Receiver<String>) -> Vec<String> {
        let all: String = reads.iter().collect();
        let message = |line: &str| line.rsplit("  ").next().unwrap().to_owned();
        all.lines().map(message).collect()
    }

    #[test]
    fn what_does_not_fit_is_lost_from_there_on_and_told_in_its_place() {
        let (background, allow, reads) = gated();
        background.add("first\n");
        // The thread has it, and waits for the sink.
        while !lock(&background.0.waiting).text.is_empty() {
            thread::yield_now();
        }
        let long = "x".repeat(MOST - 20) + "\n";
        background.add(&long);
        background.add("fits\n");
        background.add("is longer than what is left\nand\n");
        background.add("behind\n");
        assert_eq!(lock(&background.0.waiting).lost, 3);
        drop(allow);
        background.wait(Duration::from_secs(60));
        background.add("later\n");
        drop(background);
        let told = messages(&reads);
        let expected = ["first", long.trim_end(), "fits", "lost: 3", "later"];
        assert!(told == expected, "{} lines", told.len());
    }

    #[test]
    fn a_line_that_is_longer_than_all_that_may_wait_is_lost_and_told() {
        let (background, allow, reads) = gated();
        drop(allow);
        background.add(&("x".repeat(MOST) + "\n"));
        background.wait(Duration::from_secs(60));
        drop(background);
        let told = messages(&reads);
        assert!(told == ["lost: 1"], "{} lines", told.len());
    }

    #[test]
    fn a_sink_that_fails_in_a_line_goes_on_with_a_new_one_and_is_told_what_is_missing() {
        let (background, allow, reads) = gated();
        let full = || Err(io::Error::from(ErrorKind::StorageFull));
        for answer in [
            Ok(6),
            full(),
            full(),
            Err(ErrorKind::WouldBlock.into()),
            Err(ErrorKind::Interrupted.into()),
            Ok(1),
        ] {
            allow.send(answer).unwrap();
        }
        drop(allow);
        background.add("one\ntwo\nthree\n");
        background.wait(Duration::from_secs(60));
        background.add("four\n");
        background.wait(Duration::from_secs(60));
        background.add("five\n");
        drop(background);
        assert_eq!(messages(&reads), ["one", "tw", "lost: 2", "four", "five"]);
    }

    /// Answers each write with the next of these; there have to be as many writes.
    struct Counted(VecDeque<io::Result<usize>>);

    impl Write for Counted {
        fn write(&mut self, _bytes: &[u8]) -> io::Result<usize> {
            self.0.pop_front().expect("it is not asked again")
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_sink_is_asked_again_until_it_has_all_or_fails_and_no_longer() {
        let fails = |kind: ErrorKind| Err(kind.into());
        for (answers, written) in [
            (vec![Ok(1), Ok(2)], 3),
            (vec![Ok(1), fails(ErrorKind::Interrupted), Ok(2)], 3),
            (vec![Ok(1), fails(ErrorKind::WouldBlock), Ok(2)], 3),
            (vec![Ok(2), fails(ErrorKind::StorageFull)], 2),
            (vec![Ok(1), Ok(0)], 1),
        ] {
            let mut sink = Counted(answers.into());
            assert_eq!(put(&mut sink, b"abc"), written);
            assert!(sink.0.is_empty());
        }
    }

    #[test]
    fn whoever_waits_for_a_sink_that_takes_nothing_waits_no_longer_than_was_said() {
        let (background, allow, reads) = gated();
        background.add("a\n");
        background.wait(Duration::from_millis(10));
        assert!(reads.try_recv().is_err());
        drop(allow);
        background.wait(Duration::from_secs(60));
        assert_eq!(reads.recv().unwrap(), "a\n");
    }
}

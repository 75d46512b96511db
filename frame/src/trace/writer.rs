//! Writes a trace to its file, on a thread of its own: the loop never waits for a disk.
//!
//! No event is ever cut in the file, not even by `kill -9`: a write stays within one page of the file, which the kernel
//! fills in one step, and where an event does not fit there any more, the rest of the page is blanks.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;
use std::{fmt, fs, mem};

/// The most bytes of events that wait to be written; the thread may be writing as many again.
const MOST: usize = 8 * 1024 * 1024;

/// How long events gather after a write, so that those of many turns wake the thread once.
const GATHER: Duration = Duration::from_millis(10);

/// How long the end of a trace waits for its last events to be written.
const FAREWELL: Duration = Duration::from_secs(1);

/// The size in bytes of the smallest page of a file.
const PAGE: usize = 4_096;

/// The separator of events. No event contains it.
const SEPARATOR: &[u8] = b",\n";

const END: &[u8] = b"\n]\n";

/// Why a trace ended by itself. Displays as one sentence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ended {
    /// Its file is as large as it may be.
    Bound(u64),
    /// Its file cannot be written, for this reason.
    Failed(String),
}

impl fmt::Display for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bound(most) => write!(f, "it has {most} bytes, and may have no more"),
            Self::Failed(why) => write!(f, "it cannot be written: {why}"),
        }
    }
}

/// The events that wait, and the thread that writes them.
pub(super) struct Writer(Arc<Shared>);

#[derive(Default)]
struct Shared {
    waiting: Mutex<Waiting>,
    /// Signals that events were added, or that no more will come.
    added: Condvar,
    /// Signals that the thread has ended.
    done: Condvar,
}

#[derive(Default)]
struct Waiting {
    events: Vec<u8>,
    /// The thread has nothing to write, and waits for more.
    idle: bool,
    /// No more events will come.
    closed: bool,
    /// The thread has ended.
    is_done: bool,
    /// The trace has ended by itself.
    ended: Option<Ended>,
}

impl Writer {
    /// Creates the file, and begins a thread that writes to it.
    ///
    /// # Errors
    /// The path leads to something that is no regular file, the file cannot be created, or the system has no thread.
    pub(super) fn begin(path: &Path, most: u64) -> io::Result<Self> {
        // Opening a pipe would block.
        if fs::metadata(path).is_ok_and(|there| !there.is_file()) {
            return Err(io::Error::other("it is no regular file"));
        }
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(true).mode(0o600);
        let file = options.open(path)?;
        let shared = Arc::<Shared>::default();
        thread::Builder::new().name("trace".to_owned()).spawn({
            let shared = Arc::clone(&shared);
            move || shared.run(Pages { file, at: 0, most })
        })?;
        Ok(Self(shared))
    }

    /// Hands over whole events, and returns whether they are kept. Never waits for the file.
    pub(super) fn add(&self, events: &[u8]) -> bool {
        let mut waiting = self.0.lock();
        let fits = waiting.ended.is_none() && waiting.events.len() + events.len() <= MOST;
        if fits {
            waiting.events.extend_from_slice(events);
            if mem::take(&mut waiting.idle) {
                self.0.added.notify_one();
            }
        }
        fits
    }

    /// Returns whether more events would be kept.
    pub(super) fn has_room(&self) -> bool {
        self.0.lock().events.len() < MOST / 2
    }

    /// Returns why the trace has ended by itself; `None` where it has not.
    pub(super) fn ended(&self) -> Option<Ended> {
        self.0.lock().ended.clone()
    }

    /// Writes the waiting events and the end. Waits a second at most.
    pub(super) fn end(&self) {
        let mut waiting = self.0.lock();
        waiting.closed = true;
        self.0.added.notify_one();
        let goes_on = |waiting: &mut Waiting| !waiting.is_done;
        // Where it takes longer, the file has no end, which the format allows.
        let _ = self.0.done.wait_timeout_while(waiting, FAREWELL, goes_on);
    }
}

#[cfg(test)]
impl Writer {
    /// Creates one without a thread: events that are handed over wait.
    pub(super) fn unwritten() -> Self {
        Self(Arc::default())
    }

    /// Takes what waits, as the thread does.
    pub(super) fn take(&self) -> Vec<u8> {
        mem::take(&mut self.0.lock().events)
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.0.lock().closed = true;
        self.0.added.notify_one();
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn run(&self, mut pages: Pages<File>) {
        let mut events = Vec::new();
        while self.take(&mut events) {
            if let Err(why) = pages.add(&events) {
                if let Ended::Failed(_) = why {
                    // An event that was cut is removed. Where that fails, too, viewers ignore it.
                    let _ = pages.file.set_len(pages.at);
                }
                self.lock().ended = Some(why);
                break;
            }
            let open = |waiting: &mut Waiting| !waiting.closed;
            drop(self.added.wait_timeout_while(self.lock(), GATHER, open));
        }
        pages.end();
        self.lock().is_done = true;
        self.done.notify_all();
    }

    /// Waits for events and takes them; returns `false` where none will come.
    fn take(&self, events: &mut Vec<u8>) -> bool {
        events.clear();
        let mut waiting = self.lock();
        loop {
            if !waiting.events.is_empty() {
                mem::swap(&mut waiting.events, events);
                return true;
            }
            if waiting.closed {
                return false;
            }
            waiting.idle = true;
            let more = self.added.wait(waiting);
            waiting = more.unwrap_or_else(PoisonError::into_inner);
        }
    }
}

/// A file that is written page by page.
struct Pages<F> {
    file: F,
    /// The bytes of the file so far.
    at: u64,
    /// The most bytes that the file may have.
    most: u64,
}

impl<F: Write> Pages<F> {
    /// Writes whole events.
    fn add(&mut self, mut events: &[u8]) -> Result<(), Ended> {
        let mut page = Vec::with_capacity(PAGE);
        while !events.is_empty() {
            let room = PAGE - (self.at % PAGE as u64) as usize;
            let fits = match events.len() <= room {
                true => events.len(),
                false => last_separator(events, room),
            };
            page.clear();
            page.extend_from_slice(&events[..fits]);
            events = &events[fits..];
            if !events.is_empty() {
                page.resize(room, b' ');
            }
            if self.at + (page.len() + END.len()) as u64 > self.most {
                return Err(Ended::Bound(self.most));
            }
            let written = self.file.write_all(&page);
            written.map_err(|e| Ended::Failed(e.to_string()))?;
            self.at += page.len() as u64;
        }
        Ok(())
    }

    /// Writes the end, where there is room for it: the format allows that it is missing.
    fn end(&mut self) {
        let _ = self.file.write_all(END).and_then(|()| self.file.flush());
    }
}

/// Returns where the last event begins that begins within the first `room` bytes, but not at the first; 0 where there is none.
fn last_separator(events: &[u8], room: usize) -> usize {
    let begins = |at: &usize| events[*at..].starts_with(SEPARATOR);
    (1..=room).rev().find(begins).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Keeps each write, and has room for so many bytes.
    struct Sink {
        writes: Vec<Vec<u8>>,
        room: usize,
    }

    impl Write for Sink {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            match self.room.checked_sub(bytes.len()) {
                Some(room) => self.room = room,
                None => return Err(io::ErrorKind::StorageFull.into()),
            }
            self.writes.push(bytes.to_vec());
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn pages(room: usize, most: u64) -> Pages<Sink> {
        let writes = Vec::new();
        Pages {
            file: Sink { writes, room },
            at: 0,
            most,
        }
    }

    /// Events of many lengths, as a recorder makes them.
    fn events() -> Vec<String> {
        let event = |at: usize| format!("{{\"{at}\":\"{}\"}}", "x".repeat(at * 37 % 400));
        (0..300).map(event).collect()
    }

    /// Hands over the events a few at a time.
    fn add(pages: &mut Pages<Sink>) -> Result<(), Ended> {
        for (at, some) in events().chunks(7).enumerate() {
            let begin = if at == 0 { "[\n" } else { ",\n" };
            pages.add((begin.to_owned() + &some.join(",\n")).as_bytes())?;
        }
        Ok(())
    }

    /// The bytes of a file of all events with its end.
    fn bound_that_holds_all() -> u64 {
        let mut pages = pages(usize::MAX, u64::MAX);
        add(&mut pages).unwrap();
        pages.at + END.len() as u64
    }

    /// The whole events of a text, which may have no end.
    fn read(text: &str) -> Vec<String> {
        let text = text.trim_end().strip_suffix("\n]").unwrap_or(text);
        let events = text.strip_prefix("[\n").unwrap().split(",\n");
        events.map(|event| event.trim_end().to_owned()).collect()
    }

    #[test]
    fn no_write_crosses_a_page_and_after_each_of_them_all_events_are_whole() {
        let mut pages = pages(usize::MAX, u64::MAX);
        add(&mut pages).unwrap();
        pages.end();
        let (mut text, events) = (String::new(), events());
        for write in pages.file.writes {
            let (first, last) = (text.len(), text.len() + write.len() - 1);
            assert_eq!(first / PAGE, last / PAGE, "{first} to {last}");
            text.push_str(std::str::from_utf8(&write).unwrap());
            let read = read(&text);
            assert_eq!(read[..], events[..read.len()]);
        }
        assert_eq!(read(&text).len(), events.len());
        assert!(text.ends_with("}\n]\n"));
    }

    #[test]
    fn a_file_has_no_more_bytes_than_it_may_and_an_end_and_a_full_disk_is_told() {
        let mut bound = pages(usize::MAX, 10_000);
        assert_eq!(add(&mut bound), Err(Ended::Bound(10_000)));
        bound.end();
        let text = String::from_utf8(bound.file.writes.concat()).unwrap();
        assert!((6_000..=10_000).contains(&text.len()), "{}", text.len());
        assert!(text.ends_with("\n]\n") && read(&text).len() > 20);

        let all = bound_that_holds_all();
        assert_eq!(add(&mut pages(usize::MAX, all)), Ok(()));
        assert_eq!(
            add(&mut pages(usize::MAX, all - 1)),
            Err(Ended::Bound(all - 1))
        );

        let mut full = pages(10_000, u64::MAX);
        assert!(matches!(add(&mut full), Err(Ended::Failed(_))));
        let text = String::from_utf8(full.file.writes.concat()).unwrap();
        let (read, events) = (read(&text), events());
        assert_eq!(read[..], events[..read.len()]);
    }

    #[test]
    fn so_many_bytes_wait_and_no_more_and_there_is_room_again_where_half_of_them_are_written() {
        let writer = Writer::unwritten();
        assert!(writer.has_room());
        assert!(writer.add(&vec![b'x'; MOST - 1]) && writer.add(b"x"));
        assert!(!writer.add(b"x") && !writer.has_room());
        assert_eq!(writer.take().len(), MOST);
        assert!(writer.add(&vec![b'x'; MOST / 2 - 1]) && writer.has_room());
        assert!(writer.add(b"x") && !writer.has_room());
        writer.0.lock().ended = Some(Ended::Bound(1));
        assert!(!writer.add(b"x"));
        assert_eq!(writer.ended(), Some(Ended::Bound(1)));
    }
}

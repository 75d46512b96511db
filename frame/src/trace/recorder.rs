//! Makes the events of a trace, as text, and hands them over.

use std::mem;
use std::path::{Path, PathBuf};
use std::time::Instant;

use super::writer::{Ended, Writer};

/// Events are handed over where they have more bytes than this, even within a turn.
const GATHERED: usize = 256 * 1024;

/// The least time between two recorded values of a counter, in nanoseconds.
const COUNTER_PERIOD: u64 = 10_000_000;

/// The tracks that belong to no connection. Those of connections follow.
const LOOP: u64 = 1;
const DATABASE: u64 = 2;
const FIRST_CONNECTION: u64 = DATABASE + SESSIONS;

/// The most sessions with a database that have tracks.
const SESSIONS: u64 = 16;

/// The number of a connection's track.
fn tid(serial: u64) -> u64 {
    FIRST_CONNECTION + serial
}

/// The state of a connection, until it is over.
struct Track {
    serial: u64,
    state: &'static str,
    /// In nanoseconds after the beginning.
    since: u64,
    /// What is waited for; empty as long as nobody has said.
    waits: &'static str,
}

struct Counter {
    name: &'static str,
    value: u64,
    /// When a value was recorded last.
    at: u64,
}

/// Makes the events of one trace.
pub(super) struct Recorder {
    /// Its file.
    pub(super) path: PathBuf,
    writer: Writer,
    began: Instant,
    pid: u64,
    /// Whole events, each behind the separator from the one before.
    buffer: Vec<u8>,
    /// How many.
    events: u64,
    /// How many events were lost and are not reported in the trace yet.
    lost: u64,
    /// By slot.
    tracks: Vec<Option<Track>>,
    /// The slot of the connection whose calls are recorded.
    pub(super) focus: Option<usize>,
    notes: Vec<(&'static str, u64)>,
    counters: Vec<Counter>,
    /// Whether the track of each session with the database has its name.
    named: [bool; SESSIONS as usize],
}

impl Recorder {
    /// Begins with the events that name the process and the track of its loop.
    pub(super) fn new(path: &Path, writer: Writer, program: &str) -> Self {
        let mut recorder = Self {
            path: path.to_owned(),
            writer,
            began: Instant::now(),
            pid: std::process::id().into(),
            buffer: Vec::with_capacity(GATHERED),
            events: 0,
            lost: 0,
            tracks: Vec::new(),
            focus: None,
            notes: Vec::new(),
            counters: Vec::new(),
            named: [false; SESSIONS as usize],
        };
        recorder.buffer.extend_from_slice(b"[\n{\"ph\":\"M\"");
        recorder.field("pid", recorder.pid);
        recorder
            .buffer
            .extend_from_slice(b",\"name\":\"process_name\",\"args\":{\"name\":\"");
        recorder.buffer.extend_from_slice(program.as_bytes());
        recorder.buffer.extend_from_slice(b"\"}}");
        recorder.name_track(LOOP, "loop");
        recorder
    }

    /// Records a part of a turn that is over, with the numbers that were noted since the part before it.
    pub(super) fn phase(&mut self, name: &'static str, began: Instant, over: Instant) {
        let mut notes = mem::take(&mut self.notes);
        self.slice(LOOP, name, began, over, &notes);
        notes.clear();
        self.notes = notes;
    }

    /// Adds to a number of the part of the turn that is under way.
    pub(super) fn note(&mut self, name: &'static str, number: u64) {
        match self.notes.iter_mut().find(|(noted, _)| *noted == name) {
            Some((_, sum)) => *sum += number,
            None => self.notes.push((name, number)),
        }
    }

    /// Records a slice on the track of a session with the database.
    pub(super) fn remote(
        &mut self,
        session: u8,
        name: &'static str,
        began: Instant,
        over: Instant,
        numbers: &[(&'static str, u64)],
    ) {
        let Some(named) = self.named.get_mut(usize::from(session)) else {
            return;
        };
        let track = DATABASE + u64::from(session);
        if !mem::replace(named, true) {
            self.name_track(track, "database");
        }
        self.slice(track, name, began, over, numbers);
    }

    /// Records that the connection in this slot has this state from now on; nothing where it had it before.
    pub(super) fn state(&mut self, slot: usize, state: &'static str) {
        let track = self.tracks.get(slot).and_then(Option::as_ref);
        if track.is_some_and(|track| track.state == state) {
            return;
        }
        self.end_state(slot);
        let since = self.now();
        if let Some(Some(track)) = self.tracks.get_mut(slot) {
            (track.state, track.since) = (state, since);
        }
    }

    /// Records that the connection in this slot waits for this from now on; nothing where it did before.
    pub(super) fn waits(&mut self, slot: usize, what: &'static str) {
        if let Some(Some(track)) = self.tracks.get_mut(slot)
            && mem::replace(&mut track.waits, what) != what
        {
            let tid = tid(track.serial);
            self.instant(tid, "waits", &[("for", what)], &[]);
        }
    }

    /// Records that the connection in this slot is gone.
    pub(super) fn closed(&mut self, slot: usize, reason: &'static str) {
        self.end_state(slot);
        if let Some(track) = self.tracks.get_mut(slot).and_then(Option::take) {
            self.instant(tid(track.serial), "closed", &[("reason", reason)], &[]);
        }
    }

    /// Hands over the slices that are not over yet, and the end.
    pub(super) fn end(&mut self) {
        for slot in 0..self.tracks.len() {
            self.end_state(slot);
        }
        self.flush();
        self.writer.end();
    }

    fn now(&self) -> u64 {
        self.at(Instant::now())
    }

    /// Returns a time in nanoseconds after the beginning; 0 for an earlier one.
    fn at(&self, time: Instant) -> u64 {
        time.saturating_duration_since(self.began).as_nanos() as u64
    }

    pub(super) fn track(&self, slot: usize) -> Option<u64> {
        let track = self.tracks.get(slot)?.as_ref()?;
        Some(tid(track.serial))
    }

    pub(super) fn opened(&mut self, slot: usize, serial: u64, state: &'static str) {
        if self.tracks.len() <= slot {
            self.tracks.resize_with(slot + 1, || None);
        }
        let since = self.now();
        self.tracks[slot] = Some(Track {
            serial,
            state,
            since,
            waits: "",
        });
        self.begin_event(b"M", tid(serial), "thread_name");
        self.buffer
            .extend_from_slice(b",\"args\":{\"name\":\"slot ");
        self.number(slot as u64);
        self.buffer.extend_from_slice(b", connection ");
        self.number(serial);
        self.buffer.extend_from_slice(b"\"}}");
    }

    fn end_state(&mut self, slot: usize) {
        let now = self.now();
        if let Some(Some(track)) = self.tracks.get(slot) {
            let (serial, state, since) = (track.serial, track.state, track.since);
            self.complete(tid(serial), state, since, now, &[]);
        }
    }

    pub(super) fn counter(&mut self, name: &'static str, value: u64) {
        let now = self.now();
        let at = match self
            .counters
            .iter()
            .position(|counter| counter.name == name)
        {
            Some(at) => at,
            None => {
                let counter = Counter {
                    name,
                    value: u64::MAX,
                    at: 0,
                };
                self.counters.push(counter);
                self.counters.len() - 1
            }
        };
        let counter = &mut self.counters[at];
        let is_first = counter.value == u64::MAX;
        if counter.value == value || !is_first && now < counter.at + COUNTER_PERIOD {
            return;
        }
        (counter.value, counter.at) = (value, now);
        self.begin_event(b"C", 0, name);
        self.time("ts", now);
        self.buffer.extend_from_slice(b",\"args\":{\"value\":");
        self.number(value);
        self.buffer.extend_from_slice(b"}}");
    }

    fn slice(
        &mut self,
        track: u64,
        name: &'static str,
        began: Instant,
        over: Instant,
        numbers: &[(&'static str, u64)],
    ) {
        self.complete(track, name, self.at(began), self.at(over), numbers);
    }

    fn complete(
        &mut self,
        track: u64,
        name: &'static str,
        from: u64,
        until: u64,
        numbers: &[(&'static str, u64)],
    ) {
        self.begin_event(b"X", track, name);
        self.time("ts", from);
        self.time("dur", until.saturating_sub(from));
        if !numbers.is_empty() {
            self.buffer.extend_from_slice(b",\"args\":{");
            for (at, (name, number)) in numbers.iter().enumerate() {
                self.entry(at == 0, name);
                self.number(*number);
            }
            self.buffer.push(b'}');
        }
        self.buffer.push(b'}');
    }

    pub(super) fn instant(
        &mut self,
        track: u64,
        name: &'static str,
        texts: &[(&str, &'static str)],
        numbers: &[(&str, usize)],
    ) {
        let now = self.now();
        self.begin_event(b"i", track, name);
        self.time("ts", now);
        self.buffer.extend_from_slice(b",\"s\":\"t\",\"args\":{");
        for (at, (name, text)) in texts.iter().enumerate() {
            self.entry(at == 0, name);
            self.buffer.push(b'"');
            self.buffer.extend_from_slice(text.as_bytes());
            self.buffer.push(b'"');
        }
        for (at, (name, number)) in numbers.iter().enumerate() {
            self.entry(at == 0 && texts.is_empty(), name);
            self.number(*number as u64);
        }
        self.buffer.extend_from_slice(b"}}");
    }

    fn name_track(&mut self, track: u64, name: &'static str) {
        self.begin_event(b"M", track, "thread_name");
        self.buffer.extend_from_slice(b",\"args\":{\"name\":\"");
        self.buffer.extend_from_slice(name.as_bytes());
        self.buffer.extend_from_slice(b"\"}}");
    }

    /// Appends the beginning of an event up to its name. Names are constants of the programs and need no escaping.
    fn begin_event(&mut self, phase: &[u8], track: u64, name: &str) {
        if self.buffer.len() >= GATHERED {
            self.hand_over();
        }
        self.events += 1;
        self.buffer.extend_from_slice(b",\n{\"ph\":\"");
        self.buffer.extend_from_slice(phase);
        self.buffer.push(b'"');
        self.field("pid", self.pid);
        self.field("tid", track);
        self.buffer.extend_from_slice(b",\"name\":\"");
        self.buffer.extend_from_slice(name.as_bytes());
        self.buffer.push(b'"');
    }

    fn field(&mut self, name: &str, number: u64) {
        self.entry(false, name);
        self.number(number);
    }

    fn entry(&mut self, is_first: bool, name: &str) {
        if !is_first {
            self.buffer.push(b',');
        }
        self.buffer.push(b'"');
        self.buffer.extend_from_slice(name.as_bytes());
        self.buffer.extend_from_slice(b"\":");
    }

    /// Appends a time in microseconds with three decimals.
    fn time(&mut self, name: &str, nanoseconds: u64) {
        self.entry(false, name);
        self.number(nanoseconds / 1_000);
        let rest = nanoseconds % 1_000;
        let digits = [rest / 100, rest / 10 % 10, rest % 10].map(|digit| b'0' + digit as u8);
        self.buffer.push(b'.');
        self.buffer.extend_from_slice(&digits);
    }

    fn number(&mut self, mut n: u64) {
        let mut digits = [0; 20];
        let mut at = digits.len();
        loop {
            at -= 1;
            digits[at] = b'0' + (n % 10) as u8;
            n /= 10;
            if n == 0 {
                break;
            }
        }
        self.buffer.extend_from_slice(&digits[at..]);
    }

    fn hand_over(&mut self) {
        let events = mem::take(&mut self.events);
        if !self.writer.add(&self.buffer) {
            self.lost += events;
        }
        self.buffer.clear();
    }

    /// Hands over the events, and reports those that were lost once there is room again. Returns why the trace has ended; `None`
    /// where it goes on.
    pub(super) fn flush(&mut self) -> Option<Ended> {
        if self.lost > 0 && self.writer.has_room() {
            let lost = mem::take(&mut self.lost);
            self.instant(LOOP, "lost", &[], &[("events", lost as usize)]);
        }
        if !self.buffer.is_empty() {
            self.hand_over();
        }
        self.writer.ended()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_that_find_no_room_are_counted_and_told_once_there_is_room_again() {
        let writer = Writer::unwritten();
        let mut recorder = Recorder::new(Path::new("trace.json"), writer, "central");
        let (mut recorded, mut kept) = (1, 0);
        while recorder.lost == 0 {
            kept = recorded;
            // More than are gathered.
            for serial in 0..5_000 {
                recorder.opened(0, serial, "open");
            }
            recorded += 5_000;
            recorder.flush();
        }
        // No more of what is lost is told before there is room.
        recorder.flush();
        let text = String::from_utf8(recorder.writer.take()).unwrap();
        let there = text.matches("\"ph\"").count() as u64 - 1;
        assert!(there >= kept && recorder.lost == recorded - there);
        let lost = recorder.lost;
        recorder.flush();
        let told = String::from_utf8(recorder.writer.take()).unwrap();
        assert!(told.contains("\"name\":\"lost\""), "{told}");
        assert!(
            told.ends_with(&format!("{{\"events\":{lost}}}}}")),
            "{told}"
        );
        recorder.flush();
        assert_eq!(recorder.writer.take(), b"");
    }

    #[test]
    fn events_are_handed_over_together_in_the_turn_only_where_there_are_very_many() {
        let mut recorder = Recorder::new(Path::new("trace.json"), Writer::unwritten(), "central");
        recorder.flush();
        recorder.writer.take();
        let mut open = |serial| {
            recorder.opened(0, serial, "open");
            recorder.writer.take().len()
        };
        let handed_over = (0..).map(&mut open).find(|bytes| *bytes > 0);
        assert!((GATHERED..2 * GATHERED).contains(&handed_over.unwrap()));
    }
}

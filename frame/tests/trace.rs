//! A trace: each hook of a loop is one event, with all that its viewers show of it; and where a trace ends.
//!
//! What real programs leave in their traces is told in the tests of the central.

use std::collections::{BTreeMap, VecDeque};
use std::io::{self, ErrorKind, Read, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use std::{fs, thread};

use frame::{Channel, Inbox, Outbox, trace};
use serde_json::{Value, json};

/// More than any trace here has.
const LARGE: u64 = 1024 * 1024;

fn path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}.json"))
}

/// Begins a trace of this thread, and returns its file.
fn begin(name: &str) -> PathBuf {
    let path = path(name);
    trace::begin(&path, LARGE, "central").unwrap();
    path
}

/// The text of an ended trace.
fn end(path: &Path) -> String {
    assert_eq!(trace::end().as_deref(), Some(path));
    assert!(!trace::is_on());
    fs::read_to_string(path).unwrap()
}

/// A trace's events, each without the number of the process.
fn events(text: &str) -> Vec<Value> {
    let mut events: Vec<Value> = serde_json::from_str(text).unwrap();
    for event in &mut events {
        let process = event.as_object_mut().unwrap().remove("pid").unwrap();
        assert_eq!(process, std::process::id());
    }
    events
}

/// The same without their times, and without the two that name the process and the track of the loop.
fn timeless(text: &str) -> Vec<Value> {
    let mut events = events(text);
    for event in &mut events {
        let event = event.as_object_mut().unwrap();
        let is_timed = event.remove("ts").is_some();
        assert_eq!(is_timed, event["ph"] != "M");
        assert_eq!(event.remove("dur").is_some(), event["ph"] == "X");
    }
    let names = [
        json!({"ph": "M", "name": "process_name", "args": {"name": "central"}}),
        json!({"ph": "M", "tid": 1, "name": "thread_name", "args": {"name": "loop"}}),
    ];
    assert_eq!(events[..2], names);
    events.split_off(2)
}

fn instant(track: u64, name: &str, arguments: Value) -> Value {
    json!({"ph": "i", "tid": track, "name": name, "s": "t", "args": arguments})
}

fn track(track: u64, name: &str) -> Value {
    json!({"ph": "M", "tid": track, "name": "thread_name", "args": {"name": name}})
}

fn slice(track: u64, name: &str) -> Value {
    json!({"ph": "X", "tid": track, "name": name})
}

#[test]
fn a_connection_has_a_track_of_its_states_frames_and_waits_until_it_is_gone() {
    let path = begin("connection");
    assert!(trace::is_on() && trace::now().is_some());
    trace::opened(3, 7, "new");
    trace::state(3, "new");
    trace::state(3, "open");
    trace::focus(Some(3));
    trace::frame("bet", 120, "accepted");
    trace::waits(3, "a commit");
    trace::waits(3, "a commit");
    trace::waits(3, "the draw");
    trace::closed(3, "finished");
    // It is gone, and the other slot never had one.
    for slot in [3, 9] {
        trace::state(slot, "open");
        trace::waits(slot, "a commit");
        trace::closed(slot, "finished");
        trace::focus(Some(slot));
        trace::frame("bet", 120, "accepted");
    }
    trace::focus(None);
    trace::frame("bet", 120, "accepted");
    // The slot is free for another one, which is there until the end.
    trace::opened(3, 12, "new");
    let text = end(&path);
    assert!(
        text.ends_with("}}\n]\n") || text.ends_with("}\n]\n"),
        "{text}"
    );
    assert_eq!(
        timeless(&text),
        [
            track(25, "slot 3, connection 7"),
            slice(25, "new"),
            instant(
                25,
                "frame",
                json!({"type": "bet", "verdict": "accepted", "bytes": 120})
            ),
            instant(25, "waits", json!({"for": "a commit"})),
            instant(25, "waits", json!({"for": "the draw"})),
            slice(25, "open"),
            instant(25, "closed", json!({"reason": "finished"})),
            track(30, "slot 3, connection 12"),
            slice(30, "new"),
        ]
    );
}

#[test]
fn the_states_of_a_connection_follow_each_other_without_a_gap() {
    let path = begin("states");
    trace::opened(0, 0, "new");
    thread::yield_now();
    trace::state(0, "open");
    thread::yield_now();
    trace::state(0, "held");
    let text = end(&path);
    let events = events(&text);
    let states = events.iter().filter(|event| event["ph"] == "X");
    let times: Vec<(f64, f64)> = states
        .map(|state| {
            (
                state["ts"].as_f64().unwrap(),
                state["dur"].as_f64().unwrap(),
            )
        })
        .collect();
    assert_eq!(times.len(), 3);
    for pair in times.windows(2) {
        let (over, next) = (pair[0].0 + pair[0].1, pair[1].0);
        // A state is over a moment before the next one begins.
        assert!((-0.01..1_000.0).contains(&(next - over)), "{times:?}");
        assert!(next > pair[0].0 && pair[0].1 > 0.0, "{times:?}");
    }
}

#[test]
fn a_part_of_a_turn_has_the_numbers_that_were_noted_in_it_and_its_time_to_the_nanosecond() {
    let path = begin("parts");
    let now = Instant::now();
    trace::note("bets", 2);
    trace::note("bytes", 18_446_744_073_709_551_615);
    trace::note("bets", 40);
    let later = |nanoseconds| now + Duration::from_nanos(nanoseconds);
    trace::phase("serve", now, later(1_234_507));
    trace::phase("send", later(2_000_090), later(2_000_190));
    // What began before the trace begins with it, and what is over before it began takes no time.
    trace::phase("early", now - Duration::from_secs(3_600), now);
    trace::phase("never", later(5), now);
    let text = end(&path);
    let (serve, bytes) = (json!({"bets": 42, "bytes": u64::MAX}), slice(1, "send"));
    assert_eq!(
        timeless(&text),
        [
            json!({"ph": "X", "tid": 1, "name": "serve", "args": serve}),
            bytes,
            slice(1, "early"),
            slice(1, "never"),
        ]
    );
    assert!(text.contains("\"dur\":1234.507,"), "{text}");
    assert!(text.contains("\"dur\":0.100}"), "{text}");
    assert!(text.contains("\"ts\":0.000,"), "{text}");
    assert!(text.contains("\"dur\":0.000}"), "{text}");
    // In nanoseconds, from the digits of the text.
    let began = |name: &str| -> u64 {
        let (_, event) = text.split_once(&format!("\"{name}\",\"ts\":")).unwrap();
        let (time, _) = event.split_once(',').unwrap();
        let (whole, rest) = time.split_once('.').unwrap();
        assert_eq!(rest.len(), 3, "{time}");
        format!("{whole}{rest}").parse().unwrap()
    };
    assert_eq!(began("send") - began("serve"), 2_000_090);
}

#[test]
fn parts_that_are_timed_one_after_the_other_begin_where_the_one_before_is_over() {
    // Without a trace they are not timed.
    let mut before = trace::Laps::begin();
    let path = begin("laps");
    before.lap("untimed");
    let mut laps = trace::Laps::begin();
    laps.lap("one");
    laps.lap("two");
    let text = end(&path);
    assert_eq!(timeless(&text), [slice(1, "one"), slice(1, "two")]);
    let events = events(&text);
    let time = |event: &Value, key: &str| event[key].as_f64().unwrap();
    let over = time(&events[2], "ts") + time(&events[2], "dur");
    assert!((over - time(&events[3], "ts")).abs() < 0.01, "{text}");
}

#[test]
fn each_session_with_the_database_has_a_track_and_there_are_sixteen() {
    let path = begin("sessions");
    let now = Instant::now();
    for session in [0, 15, 0, 16] {
        trace::remote(session, "commit", now, &[("bets", 3), ("bytes", 90)]);
    }
    let text = end(&path);
    let commit = |track: u64| {
        let numbers = json!({"bets": 3, "bytes": 90});
        json!({"ph": "X", "tid": track, "name": "commit", "args": numbers})
    };
    let expected = [
        track(2, "database"),
        commit(2),
        track(17, "database"),
        commit(17),
        commit(2),
    ];
    assert_eq!(timeless(&text), expected);
}

#[test]
fn a_counter_is_recorded_where_it_changes_and_not_more_often_than_each_10_milliseconds() {
    let path = begin("counters");
    let began = Instant::now();
    let mut value = 0;
    trace::counter("steady", 5);
    while began.elapsed() < Duration::from_millis(35) {
        value += 1;
        trace::counter("busy", value);
        trace::counter("steady", 5);
    }
    trace::counter("busy", value + 1);
    let all = began.elapsed();
    let text = end(&path);
    let mut times: BTreeMap<String, Vec<f64>> = BTreeMap::new();
    let mut values = Vec::new();
    for event in events(&text).iter().filter(|event| event["ph"] == "C") {
        let name = event["name"].as_str().unwrap();
        assert_eq!(event["tid"], 0);
        let time = event["ts"].as_f64().unwrap();
        times.entry(name.to_owned()).or_default().push(time);
        if name == "busy" {
            values.push(event["args"]["value"].as_u64().unwrap());
        }
    }
    assert_eq!(times["steady"].len(), 1, "{text}");
    assert_eq!(values[0], 1);
    let busy = &times["busy"];
    assert!(
        busy.windows(2).all(|pair| pair[1] - pair[0] >= 9_999.0),
        "{busy:?}"
    );
    let most = 1 + all.as_millis() as usize / 10;
    assert!((2..=most).contains(&busy.len()), "{busy:?}");
}

/// What a stream does when it is read from or written to.
#[derive(Default)]
struct Scripted {
    reads: VecDeque<io::Result<usize>>,
    writes: VecDeque<io::Result<usize>>,
}

fn act(script: &mut VecDeque<io::Result<usize>>) -> io::Result<usize> {
    script
        .pop_front()
        .unwrap_or(Err(ErrorKind::WouldBlock.into()))
}

impl Read for Scripted {
    fn read(&mut self, _space: &mut [u8]) -> io::Result<usize> {
        act(&mut self.reads)
    }
}

impl Write for Scripted {
    fn write(&mut self, _bytes: &[u8]) -> io::Result<usize> {
        act(&mut self.writes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A channel over a stream that does this, with so many bytes to send.
fn channel(
    reads: Vec<io::Result<usize>>,
    writes: Vec<io::Result<usize>>,
    bytes: usize,
) -> Channel<Scripted> {
    let stream = Scripted {
        reads: reads.into(),
        writes: writes.into(),
    };
    let mut channel = Channel::new(stream, Inbox::new(200, 300), Outbox::new(300));
    channel.outbox.append(&vec![b'x'; bytes]);
    channel.mark(true, true);
    channel
}

#[test]
fn each_read_and_each_write_is_told_with_its_outcome_its_bytes_and_how_many_there_could_be() {
    let path = begin("calls");
    trace::opened(0, 0, "open");
    trace::focus(Some(0));
    let mut one = channel(vec![Ok(5)], vec![Ok(4)], 10);
    let room = one.allocated();
    one.receive().unwrap();
    let space = one.allocated().max(room);
    one.receive().unwrap();
    assert!(!one.send().unwrap());
    one.mark(false, true);
    one.stream_mut().writes.push_back(Ok(6));
    assert!(one.send().unwrap());
    let mut ends = channel(vec![Ok(0)], vec![Ok(0)], 1);
    ends.receive().unwrap();
    ends.send().unwrap_err();
    let mut fails = channel(vec![Err(ErrorKind::ConnectionReset.into())], vec![], 0);
    fails.receive().unwrap_err();
    trace::closed(0, "finished");
    let text = end(&path);
    let calls: Vec<(String, Value)> = timeless(&text)
        .into_iter()
        .filter(|event| event["args"]["outcome"].is_string())
        .map(|event| {
            (
                event["name"].as_str().unwrap().to_owned(),
                event["args"].clone(),
            )
        })
        .collect();
    let told: Vec<(&str, &str, u64)> = calls
        .iter()
        .map(|(name, arguments)| {
            let outcome = arguments["outcome"].as_str().unwrap();
            (&**name, outcome, arguments["bytes"].as_u64().unwrap())
        })
        .collect();
    assert_eq!(
        told,
        [
            ("short read", "short", 5),
            ("read: would block", "would_block", 0),
            ("short write", "short", 4),
            ("write: would block", "would_block", 0),
            ("whole write", "whole", 6),
            ("read: end", "end", 0),
            ("write: error", "error", 0),
            ("read: error", "error", 0),
        ]
    );
    let of = |place: usize| calls[place].1["of"].as_u64().unwrap();
    assert_eq!([of(2), of(3), of(4), of(6)], [10, 6, 6, 1]);
    assert!((6..=space as u64).contains(&of(0)), "{}", of(0));
    // A read that fills all of the space.
    let path = begin("full");
    trace::opened(0, 0, "open");
    trace::focus(Some(0));
    let space = usize::try_from(of(0)).unwrap();
    channel(vec![Ok(space)], vec![], 0).receive().unwrap();
    let text = end(&path);
    let full = json!({"outcome": "full", "bytes": space, "of": space});
    assert!(
        timeless(&text).contains(&instant(18, "full read", full)),
        "{text}"
    );
}

#[test]
fn without_a_trace_nothing_is_recorded_and_nothing_ends() {
    assert!(!trace::is_on() && trace::now().is_none());
    trace::opened(0, 0, "open");
    trace::note("bets", 1);
    assert_eq!(trace::end(), None);
    assert_eq!(trace::flush(), None);
    // What happened before does not count.
    let path = begin("empty");
    trace::phase("serve", Instant::now(), Instant::now());
    assert_eq!(timeless(&end(&path)), [slice(1, "serve")]);
}

#[test]
fn a_trace_that_begins_ends_the_one_before_and_may_not_lead_to_what_is_no_file() {
    let first = begin("first");
    trace::opened(0, 0, "open");
    let second = begin("second");
    let text = fs::read_to_string(&first).unwrap();
    assert!(text.ends_with("\n]\n"), "{text}");
    assert_eq!(timeless(&text).len(), 2);
    assert_eq!(trace::end(), Some(second));

    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let error = trace::begin(folder, LARGE, "central").unwrap_err();
    assert_eq!(error.to_string(), "it is no regular file");
    assert!(!trace::is_on());
}

#[test]
fn a_trace_whose_file_may_be_no_larger_ends_by_itself_and_says_so() {
    let path = path("bound");
    trace::begin(&path, 10_000, "central").unwrap();
    let ended = (0..10_000_000).find_map(|_| {
        trace::opened(0, 0, "open");
        thread::yield_now();
        trace::flush()
    });
    let (of, why) = ended.expect("it has an end");
    assert_eq!(of, path);
    assert_eq!(why.to_string(), "it has 10000 bytes, and may have no more");
    assert!(!trace::is_on());
    assert_eq!((trace::flush(), trace::end()), (None, None));
}

#[test]
fn more_events_than_are_gathered_are_all_there() {
    let path = begin("many");
    for serial in 0..4_000 {
        trace::opened(0, serial, "open");
    }
    let text = end(&path);
    let tracks = timeless(&text);
    assert_eq!(tracks.len(), 4_001);
    assert_eq!(tracks[3_999], track(18 + 3_999, "slot 0, connection 3999"));
}

#[test]
fn a_trace_of_a_thread_that_ends_without_it_has_its_events_and_an_end() {
    let path = path("left");
    let of_thread = path.clone();
    thread::spawn(move || {
        trace::begin(&of_thread, LARGE, "central").unwrap();
        trace::phase("poll", Instant::now(), Instant::now());
        trace::flush();
    })
    .join()
    .unwrap();
    // Another thread writes it.
    let deadline = Instant::now() + Duration::from_secs(60);
    let text = loop {
        let text = fs::read_to_string(&path).unwrap();
        if text.ends_with("\n]\n") || Instant::now() > deadline {
            break text;
        }
        thread::yield_now();
    };
    assert_eq!(timeless(&text), [slice(1, "poll")]);
}

//! Reads a trace as its viewers do, and asserts that it keeps to the format.
//!
//! The format is the JSON array of the Trace Event Format:
//! <https://docs.google.com/document/d/1CvAClvFfyA5R-PhYUmn5OOQtYMH4h6I0nSsKchNAySU>.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde_json::Value;

/// The tracks of a trace that are no connection's.
pub const LOOP: u64 = 1;
pub const DATABASE: u64 = 2;
pub const FIRST_CONNECTION: u64 = 18;

/// A slice or an instant: nanoseconds, and what it is.
#[derive(Clone, Debug)]
pub struct Item {
    pub from: u64,
    pub until: u64,
    pub name: String,
    pub arguments: Value,
}

/// What a trace has, by its tracks.
#[derive(Default)]
pub struct Trace {
    pub names: BTreeMap<u64, String>,
    pub slices: BTreeMap<u64, Vec<Item>>,
    pub instants: BTreeMap<u64, Vec<Item>>,
    pub counters: Vec<Item>,
}

/// A time in microseconds with three decimals, in nanoseconds.
fn nanoseconds(value: &Value) -> u64 {
    (value.as_f64().unwrap() * 1_000.0).round() as u64
}

/// Asserts that an event has what the format asks of its kind.
fn assert_is_event(event: &Value) {
    let kind = event["ph"].as_str();
    let is_named = event["name"].as_str().is_some_and(|name| !name.is_empty());
    assert!(is_named && event["pid"].is_u64(), "{event}");
    assert!(
        event["args"].is_null() || event["args"].is_object(),
        "{event}"
    );
    // Only what names the process may be of no track, and only names may be without a time.
    assert!(
        event["tid"].is_u64() || event["name"] == "process_name",
        "{event}"
    );
    assert_eq!(event["ts"].is_number(), kind != Some("M"), "{event}");
    let has_its_own = match kind {
        Some("M") => event["args"]["name"].is_string(),
        Some("X") => event["dur"].as_f64().is_some_and(|length| length >= 0.0),
        // An instant of its track.
        Some("i") => event["s"] == "t",
        Some("C") => {
            let values = event["args"].as_object();
            values.is_some_and(|values| !values.is_empty() && values.values().all(Value::is_number))
        }
        _ => false,
    };
    assert!(has_its_own, "{event}");
}

impl Trace {
    /// Reads a trace that ended in order, or one without its end.
    pub fn read(path: &Path) -> Self {
        let mut text = fs::read_to_string(path).unwrap();
        if !text.trim_end().ends_with(']') {
            text.push(']');
        }
        let events: Vec<Value> = serde_json::from_str(&text).unwrap();
        let mut trace = Self::default();
        for event in events {
            assert_is_event(&event);
            let track = event["tid"].as_u64().unwrap_or_default();
            let name = event["name"].as_str().unwrap().to_owned();
            let arguments = event["args"].clone();
            let from = match &event["ts"] {
                Value::Null => 0,
                ts => nanoseconds(ts),
            };
            let mut item = Item {
                from,
                until: from,
                name,
                arguments,
            };
            match event["ph"].as_str().unwrap() {
                "M" if item.name == "thread_name" => {
                    let name = item.arguments["name"].as_str().unwrap();
                    let before = trace.names.insert(track, name.to_owned());
                    assert_eq!(before, None, "two tracks of one number");
                }
                "M" => assert_eq!(item.name, "process_name"),
                "X" => {
                    item.until += nanoseconds(&event["dur"]);
                    trace.slices.entry(track).or_default().push(item);
                }
                "i" => trace.instants.entry(track).or_default().push(item),
                "C" => trace.counters.push(item),
                other => panic!("{other} in {event}"),
            }
        }
        for track in trace.slices.keys().chain(trace.instants.keys()) {
            assert!(trace.names.contains_key(track), "a track without a name");
        }
        trace
    }

    /// Asserts that the slices of each track are within each other or beside each other. Of two that begin together the
    /// outer one comes first in the file, or else chrome://tracing draws one over the other.
    pub fn assert_nested(&mut self) {
        for (track, slices) in &mut self.slices {
            slices.sort_by_key(|slice| slice.from);
            let mut around: Vec<&Item> = Vec::new();
            for slice in slices.iter() {
                while around.last().is_some_and(|outer| outer.until <= slice.from) {
                    around.pop();
                }
                if let Some(outer) = around.last() {
                    assert!(
                        slice.until <= outer.until,
                        "track {track}: {slice:?} in {outer:?}"
                    );
                }
                around.push(slice);
            }
        }
    }

    /// Asserts that each turn is the sum of its parts, within a twentieth; returns how many turns there are.
    pub fn assert_sums(&self) -> usize {
        let slices = &self.slices[&LOOP];
        let (turns, parts): (Vec<&Item>, Vec<&Item>) =
            slices.iter().partition(|slice| slice.name == "turn");
        let mut parts = parts.into_iter().peekable();
        for turn in &turns {
            let mut sum = 0;
            while let Some(part) = parts.next_if(|part| part.until <= turn.until) {
                assert!(part.from >= turn.from, "{part:?} before {turn:?}");
                sum += part.until - part.from;
            }
            let length = turn.until - turn.from;
            assert!(
                sum <= length && sum * 20 >= length * 19,
                "{sum} of {turn:?}"
            );
        }
        turns.len()
    }

    /// The groups of each session with the database.
    pub fn groups(&self) -> Vec<&[Item]> {
        let tracks = self.slices.range(DATABASE..FIRST_CONNECTION);
        tracks.map(|(_, groups)| &groups[..]).collect()
    }

    /// The tracks of connections.
    pub fn connections(&self) -> Vec<u64> {
        let tracks = self.names.keys().copied();
        tracks.filter(|track| *track >= FIRST_CONNECTION).collect()
    }

    pub fn count(&self, name: &str, argument: &str, value: &str) -> usize {
        let all = self.instants.values().flatten();
        all.filter(|item| item.name == name && item.arguments[argument] == value)
            .count()
    }
}

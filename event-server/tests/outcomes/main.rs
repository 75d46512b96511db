//! The outcomes of reads and writes: each is played through the stream, and found where it is told: in the metrics, on
//! the page, in the trace, and in the closing line. This is the only test of its process, since a process has one log.

#[path = "../common/mod.rs"]
mod common;

#[path = "../limits/central.rs"]
mod central;

use std::io::{self, ErrorKind, Write};
use std::net::{IpAddr, Ipv4Addr};
use std::sync::{Arc, Mutex};

use central::{Central, Client, End};
use common::{encode, finished, raw};
use event_server::limits::Limits;
use event_server::web::Web;
use frame::log::{Level, Logger};
use frame::{Inbox, kind, trace};
use serde_json::Value;

/// What was logged.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Log {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }

    /// The lines about closed connections, from their address on.
    fn closings(&self) -> Vec<String> {
        let text = self.text();
        let lines = text
            .lines()
            .filter(|line| line.contains("close_connection"));
        lines
            .map(|line| line.split_once(" | ip: 192.0.2.7").unwrap().1.to_owned())
            .collect()
    }
}

/// A hub that is watched.
struct Watched {
    central: Central,
    web: Web<End>,
    peer: Client,
}

impl Watched {
    fn new() -> Self {
        let mut central = Central::new(Limits::default());
        central.hub.measure();
        let mut web = Web::new("central", Vec::new(), central.now);
        let (end, peer) = End::pair(0);
        web.insert(end, IpAddr::V4(Ipv4Addr::LOCALHOST), central.now);
        Self { central, web, peer }
    }

    fn connect(&mut self) -> Client {
        self.central
            .connect_from(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 7)))
    }

    fn get(&mut self, path: &str) -> String {
        self.central.now += std::time::Duration::from_secs(1);
        let before = self.peer.received().len();
        let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n");
        self.peer.say(request.as_bytes());
        self.web.mark(0, true, true, false);
        while self.web.has_work() {
            self.web.tick(self.central.now, &mut self.central.hub);
        }
        let answer = String::from_utf8(self.peer.received().split_off(before)).unwrap();
        answer.split_once("\r\n\r\n").unwrap().1.to_owned()
    }

    fn json(&mut self) -> Value {
        serde_json::from_str(&self.get("/api/loop")).unwrap()
    }

    fn metric(&mut self, sample: &str) -> u64 {
        let metrics = self.get("/metrics");
        let line = metrics.lines().find_map(|line| line.strip_prefix(sample));
        let line = line.unwrap_or_else(|| panic!("no {sample} in\n{metrics}"));
        line.trim().parse().unwrap()
    }

    /// The columns of this connection.
    fn row(&mut self, serial: u64) -> Value {
        let json = self.json();
        let connections = &json["connections"];
        let columns = connections["columns"].as_array().unwrap();
        let rows = connections["rows"].as_array().unwrap();
        let row = rows.iter().find(|row| row[1] == serial).unwrap();
        let named = columns.iter().zip(row.as_array().unwrap());
        named
            .map(|(name, value)| (name.as_str().unwrap().to_owned(), value.clone()))
            .collect::<serde_json::Map<_, _>>()
            .into()
    }
}

/// The names of outcomes, as metrics and pages have them.
const READS: [&str; 5] = ["full", "short", "would_block", "end", "error"];
const WRITES: [&str; 4] = ["whole", "short", "would_block", "error"];

/// The outcomes of a connection's calls.
struct Expected {
    received: usize,
    sent: usize,
    reads: [u64; 5],
    writes: [u64; 4],
}

impl Expected {
    fn assert_row(&self, row: &Value) {
        for (name, count) in READS.iter().zip(self.reads) {
            assert_eq!(row[format!("read_{name}")], count, "{name} in {row}");
        }
        for (name, count) in WRITES.iter().zip(self.writes) {
            assert_eq!(row[format!("write_{name}")], count, "{name} in {row}");
        }
        assert_eq!(row["received"], self.received, "{row}");
        assert_eq!(row["sent"], self.sent, "{row}");
    }

    /// The end of the closing line.
    fn line(&self) -> String {
        let mut line = format!(" | received: {} | sent: {}", self.received, self.sent);
        for (name, count) in READS.iter().zip(self.reads) {
            line += &format!(" | read_{name}: {count}");
        }
        for (name, count) in WRITES.iter().zip(self.writes) {
            line += &format!(" | write_{name}: {count}");
        }
        line
    }
}

/// A request of this number of bytes, which is refused.
fn request_of(bytes: usize) -> Vec<u8> {
    let header = raw(kind::FINISHED, b"").len();
    raw(kind::FINISHED, &vec![b'x'; bytes - header])
}

#[test]
fn each_outcome_is_found_once_in_metrics_page_trace_and_closing_line() {
    let log = Log::default();
    Logger::immediate(Level::Debug, log.clone()).install();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("trace.json");
    trace::begin(&path, 1_000_000, "test").unwrap();
    let mut watched = Watched::new();

    // A read that fills the space and ends within a frame, one with the rest, one with nothing. The reply goes out in two
    // pieces.
    let client = watched.connect();
    let bytes = [request_of(4_000), request_of(200)].concat();
    client.say(&bytes[..Inbox::INITIAL]);
    client.say(&bytes[Inbox::INITIAL..]);
    watched.central.take(&client, Some(10));
    watched.central.settle();
    let stuck = Expected {
        received: bytes.len(),
        sent: 10,
        reads: [1, 1, 1, 0, 0],
        writes: [0, 1, 1, 0],
    };
    let row = watched.row(0);
    stuck.assert_row(&row);
    let json = watched.json();
    assert_eq!(
        json["waits"][row["waits"].as_u64().unwrap() as usize],
        "replies_taken"
    );
    assert_eq!(
        json["states"][row["state"].as_u64().unwrap() as usize],
        "open"
    );
    watched.central.take(&client, None);
    watched.central.settle();
    let whole = Expected {
        sent: client.received().len(),
        writes: [1, 1, 1, 0],
        ..stuck
    };
    whole.assert_row(&watched.row(0));
    assert_eq!(watched.row(0)["outbox"], 0);
    assert_eq!(client.replies(), 2);

    // The beginning of a frame.
    let begun = encode(&finished(1)).0;
    watched.central.send(&client, &begun[..7]);
    watched.central.settle();
    let row = watched.row(0);
    assert_eq!(
        (&row["frame_had"], &row["frame_size"]),
        (&7.into(), &begun.len().into())
    );
    assert_eq!(watched.metric("event_server_partial_frames "), 1);
    watched.central.send(&client, &begun[7..]);
    watched.central.settle();
    watched.central.close(&client);
    watched.central.settle();
    let ended = Expected {
        received: bytes.len() + begun.len(),
        sent: client.received().len(),
        reads: [1, 3, 3, 1, 0],
        writes: [2, 1, 1, 0],
    };

    let unreadable = watched.connect();
    unreadable.fail_reads(ErrorKind::ConnectionReset);
    watched.central.settle();
    let no_read = Expected {
        received: 0,
        sent: 0,
        reads: [0, 0, 0, 0, 1],
        writes: [0; 4],
    };

    let unwritable = watched.connect();
    unwritable.fail_writes(ErrorKind::BrokenPipe);
    watched.central.send(&unwritable, &begun);
    watched.central.settle();
    let no_write = Expected {
        received: begun.len(),
        sent: 0,
        reads: [0, 1, 1, 0, 0],
        writes: [0, 0, 0, 1],
    };

    let lines = log.closings();
    assert_eq!(lines.len(), 3, "{lines:?}");
    for (line, expected) in lines.iter().zip([&ended, &no_read, &no_write]) {
        assert!(line.ends_with(&expected.line()), "{line}");
    }
    let totals = watched.json()["totals"].clone();
    let all = [&ended, &no_read, &no_write];
    for (at, name) in READS.iter().enumerate() {
        let count: u64 = all.iter().map(|each| each.reads[at]).sum();
        let sample = format!("event_server_reads_total{{result=\"{name}\"}} ");
        assert_eq!(watched.metric(&sample), count, "{name}");
        assert_eq!(totals["reads"][at], count, "{name}");
    }
    for (at, name) in WRITES.iter().enumerate() {
        let count: u64 = all.iter().map(|each| each.writes[at]).sum();
        let sample = format!("event_server_writes_total{{result=\"{name}\"}} ");
        assert_eq!(watched.metric(&sample), count, "{name}");
        assert_eq!(totals["writes"][at], count, "{name}");
    }
    assert_eq!(trace::end().as_ref(), Some(&path));
    let traced: Value = serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
    let traced = traced.as_array().unwrap();
    let track = |serial: u64| {
        let mut events = traced.iter();
        let is_named = |event: &&Value| {
            let name = event["args"]["name"].as_str().unwrap_or_default();
            event["name"] == "thread_name" && name.ends_with(&format!(", connection {serial}"))
        };
        events.find(is_named).unwrap()["tid"].clone()
    };
    let calls = |serial: u64, call: &str, outcome: &str| {
        let track = track(serial);
        let of_call = traced.iter().filter(|event| {
            event["tid"] == track
                && event["args"]["outcome"] == outcome
                && event["name"].as_str().unwrap().contains(call)
        });
        of_call.count() as u64
    };
    for (serial, each) in (0..).zip(all) {
        for (name, count) in READS.iter().zip(each.reads) {
            assert_eq!(calls(serial, "read", name), count, "{name} of {serial}");
        }
        for (name, count) in WRITES.iter().zip(each.writes) {
            assert_eq!(calls(serial, "write", name), count, "{name} of {serial}");
        }
    }
    let names = watched.json()["states"].clone();
    let states = |serial: u64| -> Vec<&Value> {
        let track = track(serial);
        let events = traced
            .iter()
            .filter(|event| event["tid"] == track && event["ph"] == "X");
        let name = events.map(|event| &event["name"]);
        let is_state = |name: &&Value| names.as_array().unwrap().contains(name);
        name.filter(is_state).collect()
    };
    assert_eq!(states(0), ["sniffing", "open", "draining", "closed"]);
    assert_eq!(states(1), ["sniffing", "closed"]);
    let frames = |serial: u64| {
        let track = track(serial);
        let is_frame = |event: &&Value| event["tid"] == track && event["name"] == "frame";
        traced.iter().filter(is_frame).count()
    };
    assert_eq!([0, 1, 2].map(frames), [3, 0, 1]);
    let waits = |serial: u64| -> Vec<&Value> {
        let track = track(serial);
        let of_track = traced.iter().filter(|event| event["tid"] == track);
        let waits = of_track.filter(|event| event["name"] == "waits");
        waits.map(|event| &event["args"]["for"]).collect()
    };
    assert_eq!(
        waits(0),
        ["first_byte", "replies_taken", "nothing", "rest", "nothing"]
    );
    let received: usize = all.iter().map(|each| each.received).sum();
    let metric = watched.metric("event_server_received_bytes_total ");
    assert_eq!(metric, received as u64);
    assert_eq!(watched.metric("event_server_accepted_total "), 3);
    for (reason, count) in [("finished", 1), ("reset", 2), ("shutdown", 0)] {
        let sample = format!("event_server_closed_total{{reason=\"{reason}\"}} ");
        assert_eq!(watched.metric(&sample), count, "{reason}");
    }

    // A peer that is gone in the turn in which its time is over ends once.
    let late = watched.connect();
    watched.central.settle();
    watched.central.reset(&late);
    let patience = Limits::default().idle_timeout * 2;
    watched.central.later(patience);
    let lines = log.closings();
    assert_eq!(lines.len(), 4, "{lines:?}");
    let silent = Expected {
        received: 0,
        sent: 0,
        reads: [0, 0, 1, 0, 0],
        writes: [0; 4],
    };
    assert_eq!(lines[3], silent.line());

    // A frame for a bet that holds none is told as a bet that is refused.
    let bad = watched.connect();
    watched.central.send(&bad, &raw(kind::BET, b"{}"));
    watched.central.settle();
    watched.central.close(&bad);
    watched.central.settle();
    assert!(
        log.text()
            .contains("action: apuesta_almacenada | result: fail")
    );

    // A trace that begins while a connection is there begins with it.
    let present = watched.connect();
    watched.central.send(&present, &begun[..7]);
    watched.central.settle();
    trace::begin(&path, 1_000_000, "test").unwrap();
    watched.central.hub.begin_trace();
    trace::end();
    let text = std::fs::read_to_string(&path).unwrap();
    for name in ["slot 0, connection 5", "\"open\"", "\"for\":\"rest\""] {
        assert!(text.contains(name), "{text}");
    }
}

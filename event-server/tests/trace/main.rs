//! Traces of real programs, read by a program: they parse, slices nest, a turn is the sum of its parts, and what
//! happened is in them.

#[path = "../common/mod.rs"]
mod common;

mod database;
mod reader;
#[path = "../postgres/stage.rs"]
mod stage;

use std::fs::{self, File};
use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use common::{Peer, batch, bet, encode, eventually, finished, winners};
use fixtures::Spec;
use fixtures::programs::{self, Running, Signal};
use reader::{FIRST_CONNECTION, Item, LOOP, Trace};
use serde_json::Value;

const SUCCESS: &str = "{result:success}";

/// How often a line of the log has this in it.
fn lines(log: &str, text: &str) -> usize {
    log.lines().filter(|line| line.contains(text)).count()
}

#[test]
fn the_trace_of_a_busy_run_is_whole_and_has_every_connection_and_every_frame() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("trace.json");
    let environment = [
        ("SERVER_AGENCIES", "3"),
        ("SERVER_TRACE", path.to_str().unwrap()),
    ];
    let (central, address) = programs::central(folder.path(), &environment).unwrap();
    let agencies = (1..=3_u32).map(|number| {
        let file = folder.path().join(format!("agency-{number}.csv"));
        let spec = Spec::new(number.into(), 20_000, 3).unwrap();
        spec.write_to(File::create(&file).unwrap()).unwrap();
        let mut command = programs::agency(number, &file, address, folder.path()).unwrap();
        command.arg("--trace").arg(file.with_extension("json"));
        command.stdout(std::process::Stdio::null());
        Running::start(&mut command).unwrap()
    });
    for (number, agency) in (1..).zip(agencies.collect::<Vec<_>>()) {
        let (status, log) = agency.wait().unwrap();
        assert!(status.success(), "{log}");
        let path = folder.path().join(format!("agency-{number}.json"));
        let mut trace = Trace::read(&path);
        trace.assert_nested();
        let acknowledged = lines(&log, "batch_enviado | result: success")
            + lines(&log, "notify_finished | result: success");
        assert_eq!(trace.count("frame", "type", "ack"), acknowledged);
        let connections = trace.connections();
        assert_eq!(connections.len(), 1);
        let last = trace.instants[&connections[0]].last().unwrap();
        assert_eq!(last.name, "closed");
        for part in ["fill", "turn", "wait", "receive", "send", "read"] {
            let found = trace.slices[&LOOP].iter().any(|slice| slice.name == part);
            assert!(found, "{part}");
        }
    }
    // One that stays until the end.
    let mut peer = Peer::connect(address);
    assert_ne!(peer.ask(&finished(1)), "");
    let (status, log) = central.stop().unwrap();
    assert!(status.success(), "{log}");
    assert_eq!(lines(&log, "action: trace | result: success"), 1, "{log}");

    let mut trace = Trace::read(&path);
    trace.assert_nested();
    let turns = trace.assert_sums();
    assert!(turns > 20, "{turns} turns");
    let connections = trace.connections();
    assert_eq!(
        connections.len(),
        lines(&log, "accept_connections | result: success")
    );
    for track in connections {
        let last = trace.instants[&track].last().unwrap();
        assert_eq!(last.name, "closed", "{track}");
        let slices = &trace.slices[&track];
        assert_eq!(slices[0].name, "sniffing");
        assert!(
            slices.iter().all(|slice| slice.until <= last.from),
            "{track}"
        );
    }
    let stored = lines(&log, "apuesta_recibida | result: success");
    assert!(stored > 600, "{stored} batches");
    let frames = |kind: &str, verdict: &str| {
        let all = trace.instants.values().flatten();
        let of_kind = |item: &&Item| {
            item.name == "frame"
                && item.arguments["type"] == kind
                && item.arguments["verdict"] == verdict
        };
        all.filter(of_kind).count()
    };
    assert_eq!(frames("batch", "accepted"), stored);
    assert_eq!(frames("resume", "accepted"), 3);
    assert_eq!(
        frames("finished", "accepted"),
        lines(&log, "notify_finished | result: success")
    );
    assert_eq!(frames("winners", "held"), 3);
    let bets = trace
        .counters
        .iter()
        .filter(|item| item.name == "bets stored");
    assert!(bets.count() > 2);
    let commits = trace.slices[&LOOP]
        .iter()
        .filter(|slice| slice.name == "commit");
    let committed: u64 = commits
        .filter_map(|slice| slice.arguments["bets"].as_u64())
        .sum();
    assert_eq!(committed, 60_000);
}

/// The file of the trace that a line of the log tells.
fn traced_file(line: &str) -> std::path::PathBuf {
    line.split_once("file: ").unwrap().1.into()
}

#[test]
fn a_signal_begins_a_trace_of_a_running_central_and_it_can_be_read_after_a_kill() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("trace.json");
    let temporary = folder.path().to_str().unwrap().to_owned();
    let environment = [("TMPDIR", temporary.as_str()), ("SERVER_AGENCIES", "1")];
    let (central, address) = programs::central(folder.path(), &environment).unwrap();
    let mut peer = Peer::connect(address);
    assert_eq!(peer.ask(&batch(&bet(1, "1", false))), SUCCESS);
    central.signal(Signal::USR1).unwrap();
    let begun = central
        .wait_for("action: trace | result: in_progress")
        .unwrap();
    let first = traced_file(&begun);
    assert!(first.starts_with(folder.path()), "{first:?}");
    assert_eq!(peer.ask(&batch(&bet(1, "2", false))), SUCCESS);
    central.signal(Signal::USR1).unwrap();
    central.wait_for("action: trace | result: success").unwrap();
    let trace = Trace::read(&first);
    assert_eq!(trace.count("frame", "type", "batch"), 1);
    assert_eq!(trace.connections(), [FIRST_CONNECTION]);
    assert_eq!(trace.slices[&FIRST_CONNECTION].last().unwrap().name, "open");

    // Not traced.
    assert_eq!(peer.ask(&batch(&bet(1, "3", false))), SUCCESS);
    central.signal(Signal::USR1).unwrap();
    central
        .wait_until(|log| lines(log, "action: trace | result: in_progress") == 2)
        .unwrap();
    let log = central.log();
    let begun = log
        .lines()
        .rfind(|line| line.contains("trace | result: in_progress"));
    let second = traced_file(begun.unwrap());
    assert_ne!(first, second);
    for number in 4..2_000 {
        assert_eq!(
            peer.ask(&batch(&bet(1, &number.to_string(), false))),
            SUCCESS
        );
    }
    let has_frames = || {
        fs::read_to_string(&second)
            .unwrap()
            .matches("\"frame\"")
            .count()
            > 500
    };
    eventually("frames in the file", has_frames);
    central.signal(Signal::KILL).unwrap();
    central.wait().unwrap();
    let mut trace = Trace::read(&second);
    trace.assert_nested();
    trace.assert_sums();
    assert!(trace.count("frame", "verdict", "accepted") > 500);
    assert!(!path.exists());
}

#[test]
fn a_trace_ends_at_its_bound_with_one_warning_and_the_lottery_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("trace.json");
    let environment = [
        ("SERVER_AGENCIES", "1"),
        ("SERVER_TRACE", path.to_str().unwrap()),
        ("SERVER_TRACE_BYTES", "65536"),
    ];
    let (central, address) = programs::central(folder.path(), &environment).unwrap();
    let mut peer = Peer::connect(address);
    let mut number = 0;
    while lines(&central.log(), "WARNING  action: trace | result: fail") == 0 {
        number += 1;
        assert_eq!(
            peer.ask(&batch(&bet(1, &number.to_string(), false))),
            SUCCESS
        );
    }
    for _ in 0..100 {
        number += 1;
        assert_eq!(
            peer.ask(&batch(&bet(1, &number.to_string(), false))),
            SUCCESS
        );
    }
    assert_eq!(peer.ask(&finished(1)), SUCCESS);
    let (status, log) = central.stop().unwrap();
    assert!(status.success(), "{log}");
    assert_eq!(lines(&log, "action: trace | result: fail"), 1, "{log}");
    let length = fs::metadata(&path).unwrap().len();
    assert!((32_768..=65_536).contains(&length), "{length}");
    Trace::read(&path).assert_nested();
}

#[test]
fn a_trace_that_cannot_be_written_is_a_warning() {
    let folder = tempfile::tempdir().unwrap();
    for path in ["/dev/full", "/nowhere/trace.json"] {
        let environment = [("SERVER_AGENCIES", "1"), ("SERVER_TRACE", path)];
        let (central, address) = programs::central(folder.path(), &environment).unwrap();
        central
            .wait_for("WARNING  action: trace | result: fail")
            .unwrap();
        let mut peer = Peer::connect(address);
        assert_eq!(peer.ask(&batch(&bet(1, "1", false))), SUCCESS);
        let (status, log) = central.stop().unwrap();
        assert!(status.success(), "{log}");
    }
}

#[test]
fn a_slow_reader_is_seen_in_the_metrics_the_closing_line_and_the_trace() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("trace.json");
    let environment = [
        ("SERVER_AGENCIES", "1"),
        ("SERVER_TRACE", path.to_str().unwrap()),
        ("SERVER_HTTP", "127.0.0.1:0"),
        ("LOGGING_LEVEL", "DEBUG"),
    ];
    let (central, address) = programs::central(folder.path(), &environment).unwrap();
    let line = central.wait_for("action: listen_http").unwrap();
    let http = programs::listen_address(&line).unwrap();
    let mut peer = Peer::connect(address);
    for begin in (0..30_000).step_by(100) {
        let bets = (begin..begin + 100).map(|number| bet(1, &number.to_string(), true));
        let bets = bets.collect::<Vec<_>>().join("|");
        assert_eq!(peer.ask(&batch(&bets)), SUCCESS);
    }
    assert_eq!(peer.ask(&finished(1)), SUCCESS);
    peer.ask(&winners(1));
    drop(peer);
    let mut slow = TcpStream::connect(address).unwrap();
    let queries = encode(&winners(1)).0.repeat(200);
    slow.write_all(&queries).unwrap();
    let ask = |path: &str| {
        let mut client = TcpStream::connect(http).unwrap();
        let request = format!("GET {path} HTTP/1.0\r\nHost: localhost\r\n\r\n");
        client.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        client.read_to_string(&mut answer).unwrap();
        answer.split_once("\r\n\r\n").unwrap().1.to_owned()
    };
    let stuck = || {
        let json: Value = serde_json::from_str(&ask("/api/loop")).unwrap();
        let columns = json["connections"]["columns"].as_array().unwrap();
        let at = |name: &str| columns.iter().position(|column| column == name).unwrap();
        let rows = json["connections"]["rows"].as_array().unwrap();
        let waits = &json["waits"];
        rows.iter().any(|row| {
            row[at("write_short")].as_u64() >= Some(1)
                && row[at("outbox")].as_u64() > Some(0)
                && waits[row[at("waits")].as_u64().unwrap() as usize] == "replies_taken"
        })
    };
    eventually("a peer that does not read", stuck);
    slow.shutdown(std::net::Shutdown::Write).unwrap();
    let mut all = Vec::new();
    slow.read_to_end(&mut all).unwrap();
    let metrics = || {
        let metrics = ask("/metrics");
        let sample = "event_server_writes_total{result=\"short\"} ";
        let line = metrics.lines().find_map(|line| line.strip_prefix(sample));
        line.unwrap().parse::<usize>().unwrap()
    };
    let short = metrics();
    assert!(short >= 1);
    let (status, log) = central.stop().unwrap();
    assert!(status.success(), "{log}");
    let told = log.lines().filter_map(|line| {
        let (_, count) = line.split_once(" | write_short: ")?;
        count.split(' ').next()?.parse::<usize>().ok()
    });
    assert_eq!(told.sum::<usize>(), short, "{log}");
    let trace = Trace::read(&path);
    assert_eq!(trace.count("short write", "outcome", "short"), short);
}

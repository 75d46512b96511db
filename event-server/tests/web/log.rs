//! The log of a central as JSON.

use std::process::Command;

use fixtures::programs::{Running, program};
use serde_json::Value;

use crate::common::{Peer, batch, bet, finished};

/// What a central logs of a short life, in this format.
fn log(format: &str) -> String {
    let folder = tempfile::tempdir().unwrap();
    let mut command = Command::new(program("event-server").unwrap());
    command
        .current_dir(folder.path())
        .args(["--port", "0", "--agencies", "1", "--set"])
        .arg(format!("LOGGING_FORMAT={format}"))
        .env("LOGGING_LEVEL", "DEBUG");
    let central = Running::start(&mut command).unwrap();
    let line = central.wait_for("listen_backlog").unwrap();
    assert_eq!(line.starts_with('{'), format == "json", "{line}");
    let line = central.wait_for("127.0.0.1").unwrap();
    let digits = |c: char| c.is_ascii_digit();
    let port = line.trim_end_matches(|c| !digits(c)).rsplit(|c| !digits(c));
    let port: u16 = port.into_iter().next().unwrap().parse().unwrap();

    let mut peer = Peer::connect(([127, 0, 0, 1], port).into());
    for text in [
        bet(1, "1|2", true),
        bet(7, "\"3\"", false),
        "{no: bet".to_owned(),
    ] {
        peer.ask(&batch(&text));
    }
    peer.ask(&finished(1));
    central
        .wait_until(|log| log.matches("sorteo").count() == 2)
        .unwrap();
    drop(peer);
    let (status, log) = central.stop().unwrap();
    assert!(status.success(), "{log}");
    log
}

#[test]
fn each_line_is_an_object_with_the_parts_of_the_line_in_text() {
    let (text, json) = (log("text"), log("json"));
    // Times and ports differ from run to run.
    let comparable = |key: &str| key != "time" && key != "port";
    // How many reads and writes the same bytes take is up to chance.
    let value = |key: &str, value: &str| match key.starts_with("read_") || key.starts_with("write_")
    {
        true => String::new(),
        false => value.to_owned(),
    };
    let lines = text.lines().map(|line| {
        let (level, message) = (line[20..28].trim_end(), &line[29..]);
        let parts = message
            .split(" | ")
            .map(|part| part.split_once(": ").unwrap());
        let all = [("level", level)].into_iter().chain(parts);
        let kept = all.filter(|(key, _)| comparable(key));
        let mut members: Vec<(String, String)> = kept
            .map(|(key, text)| (key.to_owned(), value(key, text)))
            .collect();
        members.sort();
        members
    });
    let objects = json.lines().map(|line| {
        let Ok(Value::Object(object)) = serde_json::from_str(line) else {
            panic!("no object: {line}");
        };
        assert!(object["time"].as_str().unwrap().len() == 19, "{line}");
        let kept = object.into_iter().filter(|(key, _)| comparable(key));
        let mut members: Vec<(String, String)> = kept
            .map(|(key, text)| {
                let text = value(&key, text.as_str().unwrap());
                (key, text)
            })
            .collect();
        members.sort();
        members
    });
    // When a connection is noticed to be closed is up to chance.
    let sorted = |mut lines: Vec<Vec<(String, String)>>| {
        lines.sort();
        lines
    };
    assert_eq!(sorted(lines.collect()), sorted(objects.collect()));
}

//! A picture of a trace: the moments around a short write, as a page that draws the loop's turns and some connections.
//!
//! Perfetto and chrome://tracing show all of a trace; a document needs a piece of it that can be read on paper.

use std::fs::File;
use std::io::{self, BufRead as _, BufReader};
use std::path::Path;

use serde_json::{Value, json};

const PAGE: &str = include_str!("trace.html");

/// How long the piece is, and how much of it is before the short write, in microseconds.
const LENGTH: f64 = 1_500_000.0;
const BEFORE: f64 = 300_000.0;

/// Connections that are drawn.
const CONNECTIONS: usize = 6;

/// The track of the loop.
const LOOP: u64 = 1;

/// Returns the page of a trace in the Trace Event Format, one event a line, as a central writes it.
///
/// # Errors
/// The file cannot be read, or has no short write.
pub fn page(trace: &Path) -> io::Result<String> {
    let mut short = Vec::new();
    events(trace, |event| {
        if event["name"] == "short write" {
            short.extend(event["ts"].as_f64().zip(event["tid"].as_u64()));
        }
    })?;
    let (at, track) = *short
        .get(short.len() / 2)
        .ok_or_else(|| io::Error::other("the trace has no short write"))?;
    let (from, until) = (at - BEFORE, at - BEFORE + LENGTH);
    let (mut names, mut all) = (Vec::new(), Vec::new());
    events(trace, |event| {
        let begins = event["ts"].as_f64().unwrap_or(until);
        let ends = begins + event["dur"].as_f64().unwrap_or(0.0);
        if event["ph"] == "M" && event["name"] == "thread_name" {
            names.push((event["tid"].as_u64(), event["args"]["name"].clone()));
        } else if begins < until && ends >= from && event["ph"] != "C" {
            all.push(event);
        }
    })?;
    // The loop, the connection that does not read, and others that did something meanwhile.
    let mut tracks = vec![LOOP, track];
    for event in all.iter().filter(|event| event["ph"] == "i") {
        let other = event["tid"].as_u64().unwrap_or(LOOP);
        if tracks.len() <= CONNECTIONS && !tracks.contains(&other) {
            tracks.push(other);
        }
    }
    let rows: Vec<Value> = tracks
        .iter()
        .map(|track| {
            let name = names.iter().find(|(tid, _)| *tid == Some(*track));
            let own = all.iter().filter(|event| event["tid"] == *track);
            json!({
                "name": name.map_or(&Value::Null, |(_, name)| name),
                "events": own.collect::<Vec<_>>(),
            })
        })
        .collect();
    let piece = json!({"from": from, "length": LENGTH, "rows": rows});
    Ok(PAGE.replace("/* piece */", &piece.to_string()))
}

/// Calls `take` with each event of a trace.
fn events(trace: &Path, mut take: impl FnMut(Value)) -> io::Result<()> {
    for line in BufReader::new(File::open(trace)?).lines() {
        let line = line?;
        // The brackets of the list stand on lines of their own; the last event of a killed program may miss its end.
        if let Ok(event) = serde_json::from_str(line.trim_end_matches(',')) {
            take(event);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_piece_has_the_loop_and_the_connection_of_the_short_write_and_nothing_that_is_far_away() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let lines = [
            "[",
            r#"{"ph":"M","pid":1,"tid":1,"name":"thread_name","args":{"name":"loop"}},"#,
            r#"{"ph":"M","pid":1,"tid":12,"name":"thread_name","args":{"name":"slot 2, connection 2"}},"#,
            r#"{"ph":"X","pid":1,"tid":1,"name":"wait","ts":5000000,"dur":100},"#,
            r#"{"ph":"i","pid":1,"tid":12,"name":"short write","ts":5000100,"s":"t","args":{"bytes":9,"of":100}},"#,
            r#"{"ph":"i","pid":1,"tid":13,"name":"far away","ts":9000000,"s":"t","args":{}},"#,
            r#"{"ph":"i","pid":1,"tid":13,"name":"cut of"#,
        ];
        std::fs::write(file.path(), lines.join("\n")).unwrap();
        let page = page(file.path()).unwrap();
        for part in [
            r#""name":"loop""#,
            "slot 2, connection 2",
            "short write",
            r#""dur":100"#,
        ] {
            assert!(page.contains(part), "{part}");
        }
        assert!(!page.contains("far away") && !page.contains("/* piece */"));

        std::fs::write(file.path(), "[\n").unwrap();
        assert!(super::page(file.path()).is_err());
    }
}

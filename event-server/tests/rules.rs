//! The rules of the architecture that a program can check.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Every source file of the server, by its path under `src`, without comments and unit tests.
fn sources() -> Vec<(String, String)> {
    sources_of("event-server")
}

/// The same of any crate of the workspace.
fn sources_of(member: &str) -> Vec<(String, String)> {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let root = workspace.join(member).join("src");
    let mut folders = vec![root.clone()];
    let mut sources = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path: PathBuf = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            if path.ends_with("tests.rs") || path.extension().is_none_or(|kind| kind != "rs") {
                continue;
            }
            let text = fs::read_to_string(&path).unwrap();
            let code: String = text
                .split("#[cfg(test)]\nmod tests")
                .next()
                .unwrap_or_default()
                .lines()
                .filter(|line| !line.trim_start().starts_with("//"))
                .flat_map(|line| [line, "\n"])
                .collect();
            let name = path.strip_prefix(&root).unwrap().display().to_string();
            sources.push((name, code));
        }
    }
    sources
}

/// Whether `code` has `word` with no letter, digit or underscore around it.
fn names(code: &str, word: &str) -> bool {
    let part = |c: char| c.is_alphanumeric() || c == '_';
    code.match_indices(word)
        .any(|(at, _)| !code[..at].ends_with(part) && !code[at + word.len()..].starts_with(part))
}

/// Fails where a file other than `rooms` names one of `words`, and where no room does: then the rule
/// watches over nothing.
fn only(rooms: &[&str], words: &[&str]) {
    only_in("event-server", rooms, words);
}

fn only_in(member: &str, rooms: &[&str], words: &[&str]) {
    let mut found = false;
    for (file, code) in sources_of(member) {
        for word in words {
            if names(&code, word) {
                let home = rooms
                    .iter()
                    .any(|room| file == *room || file.starts_with(&format!("{room}/")));
                assert!(
                    home,
                    "{member}: {file} names {word}, which belongs to {rooms:?}"
                );
                found = true;
            }
        }
    }
    assert!(found, "{member}: nobody names {words:?}");
}

#[test]
fn each_library_is_named_in_its_room_alone() {
    only(&["server.rs"], &["mio", "socket2"]);
    only(&["server/signals.rs"], &["signal_hook", "signal_hook_mio"]);
    only(&["hub/connections.rs", "web.rs"], &["slab", "Slab"]);
    only(&["web/head.rs"], &["httparse"]);
    only(&["web/metrics.rs"], &["prometheus_client"]);
    only(&["config/layers.rs"], &["configparser"]);
    only(&["config/keys.rs"], &["humantime"]);
    only(&["store/files"], &["crc32fast"]);
    only(
        &["store/postgres"],
        &["postgres_protocol", "fallible_iterator"],
    );
    only(&["store/postgres/tls.rs", "web/page.rs"], &["sha2"]);
    only(&["store/postgres/url.rs"], &["percent_encoding"]);
    only(&["tls.rs"], &["webpki"]);
    only(&["tls.rs", "store/postgres/tls.rs"], &["rustls"]);
    only(&["cli/arguments.rs"], &["clap", "manual"]);
    only_in("manual", &["lib.rs", "script.rs"], &["clap_complete"]);
    only_in("manual", &["page.rs"], &["clap_mangen"]);
    only_in("frame", &["tls.rs", "tls"], &["rustls"]);
    only_in("batch-client", &["tls.rs"], &["rustls"]);
}

#[test]
fn the_channel_alone_reads_and_writes_a_stream_and_the_session_knows_none() {
    for (file, code) in sources_of("frame") {
        let owner = file == "channel.rs";
        for method in ["stream.read(", "stream.write("] {
            assert_eq!(code.contains(method), owner, "{file}: {method}");
        }
        let session = file.starts_with("tls");
        assert!(!session || !names(&code, "stream"), "{file} names a stream");
    }
}

#[test]
fn the_text_of_log_lines_lives_in_the_report_alone() {
    only(&["report.rs", "report/operation.rs"], &["tracing"]);
    let quoted = sources()
        .into_iter()
        .filter(|(_, code)| code.contains("\"action:"));
    assert_eq!(
        quoted.map(|(file, _)| file).collect::<BTreeSet<_>>(),
        BTreeSet::from(["report.rs".into(), "report/operation.rs".into()])
    );
}

#[test]
fn the_lottery_has_no_io_and_no_clock() {
    let files = sources()
        .into_iter()
        .filter(|(file, _)| file.starts_with("lottery"));
    for (file, code) in files.collect::<Vec<_>>() {
        for word in [
            "io",
            "fs",
            "net",
            "time",
            "Instant",
            "SystemTime",
            "thread",
            "store",
            "report",
        ] {
            assert!(!names(&code, word), "{file} names {word}");
        }
    }
}

#[test]
fn arrows_go_down_from_main_to_server_to_hub_to_service_to_store() {
    let order = [
        "server.rs",
        "hub.rs",
        "connection",
        "service",
        "lottery",
        "facts.rs",
    ];
    let module = |room: &str| room.trim_end_matches(".rs").to_owned();
    for (file, code) in sources() {
        let Some(own) = order.iter().position(|room| file.starts_with(room)) else {
            continue;
        };
        for above in &order[..own] {
            let path = format!("crate::{}", module(above));
            assert!(
                !names(&code, &path),
                "{file} names {path}, which stands above it"
            );
        }
    }
    for (file, code) in sources()
        .iter()
        .filter(|(file, _)| file.starts_with("store"))
    {
        for above in [
            "server",
            "hub",
            "connection",
            "service",
            "lottery",
            "report",
        ] {
            assert!(
                !names(code, &format!("crate::{above}")),
                "{file} names {above}"
            );
        }
    }
}

#[test]
fn no_two_files_import_each_other() {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    for member in [
        "event-server",
        "frame",
        "manual",
        "batch-client",
        "fixtures",
        "benches",
    ] {
        fixtures::imports::assert_no_circles(workspace.join(member));
    }
}

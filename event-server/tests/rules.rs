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
    let files = files_of(member).into_iter();
    let files = files.filter(|(name, _)| !name.ends_with("tests.rs"));
    let code = |text: &str| -> String {
        text.split("#[cfg(test)]\nmod tests")
            .next()
            .unwrap_or_default()
            .lines()
            .filter(|line| !line.trim_start().starts_with("//"))
            .flat_map(|line| [line, "\n"])
            .collect()
    };
    files.map(|(name, text)| (name, code(&text))).collect()
}

/// Every source file of a crate as it is, by its path under `src`.
fn files_of(member: &str) -> Vec<(String, String)> {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let root = workspace.join(member).join("src");
    let mut folders = vec![root.clone()];
    let mut files = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path: PathBuf = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|kind| kind == "rs") {
                let name = path.strip_prefix(&root).unwrap().display().to_string();
                files.push((name, fs::read_to_string(&path).unwrap()));
            }
        }
    }
    files
}

/// Whether `code` has `word` with no letter, digit or underscore around it.
fn names(code: &str, word: &str) -> bool {
    let part = |c: char| c.is_alphanumeric() || c == '_';
    code.match_indices(word)
        .any(|(at, _)| !code[..at].ends_with(part) && !code[at + word.len()..].starts_with(part))
}

/// Fails where a file outside of `owners` names one of `words`; and where no file does, since the rule would
/// check nothing then.
fn only(owners: &[&str], words: &[&str]) {
    only_in("event-server", owners, words);
}

fn only_in(member: &str, owners: &[&str], words: &[&str]) {
    let mut found = false;
    for (file, code) in sources_of(member) {
        for word in words {
            if names(&code, word) {
                let home = owners
                    .iter()
                    .any(|owner| file == *owner || file.starts_with(&format!("{owner}/")));
                assert!(
                    home,
                    "{member}: {file} names {word}, which belongs to {owners:?}"
                );
                found = true;
            }
        }
    }
    assert!(found, "{member}: nobody names {words:?}");
}

#[test]
fn each_library_is_named_in_its_place_alone() {
    only(&["server.rs", "server"], &["mio"]);
    only(&["server.rs", "server", "net.rs"], &["socket2"]);
    only(&["server/reactor.rs"], &["signal_hook", "signal_hook_mio"]);
    only(&["supervisor.rs"], &["sd_notify"]);
    only(&["supervisor/sockets.rs"], &["listenfd"]);
    only(&["net.rs"], &["slab", "Slab"]);
    only(&["web/head.rs"], &["httparse"]);
    only(&["web/metrics.rs"], &["prometheus_client"]);
    only(&["config/layers.rs"], &["configparser"]);
    only(&["config/keys.rs"], &["humantime"]);
    only(&["store/files"], &["crc32fast"]);
    only(
        &["store/postgres"],
        &["postgres_protocol", "fallible_iterator"],
    );
    only(&["store/postgres/tls.rs", "web/pages.rs"], &["sha2"]);
    only(&["store/postgres/url/parse.rs"], &["percent_encoding"]);
    only(&["store/postgres/tls.rs"], &["rustls_native_certs"]);
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

/// The crates of the workspace.
const MEMBERS: [&str; 6] = [
    "event-server",
    "frame",
    "manual",
    "batch-client",
    "fixtures",
    "benches",
];

/// The most lines of a source file, its unit tests included.
const MOST_LINES: usize = 450;

/// The fewest lines of a source file of the central: what is shorter stands beside what uses it.
const FEWEST_LINES: usize = 60;

/// The shorter ones, each with its reason.
const SHORT: [(&str, &str); 2] = [
    ("lib.rs", "it lists the modules"),
    ("main.rs", "it starts the command line"),
];

#[test]
fn each_file_is_short_enough_to_read_and_long_enough_for_a_thing_with_its_whole_behaviour() {
    for member in MEMBERS {
        for (file, text) in files_of(member) {
            let lines = text.lines().count();
            assert!(lines <= MOST_LINES, "{member}: {file} has {lines} lines");
        }
    }
    for (file, text) in files_of("event-server") {
        let lines = text.lines().count();
        let listed = SHORT.iter().any(|(short, _)| *short == file);
        assert!(
            listed == (lines < FEWEST_LINES),
            "{file} has {lines} lines: move it beside what uses it, or name the reason in this test"
        );
    }
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
        "net.rs",
    ];
    let module = |layer: &str| layer.trim_end_matches(".rs").to_owned();
    for (file, code) in sources() {
        let Some(own) = order.iter().position(|layer| file.starts_with(layer)) else {
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
fn the_http_port_knows_the_lottery_through_what_can_be_observed_alone() {
    let sources = sources();
    let web = sources.iter().filter(|(file, _)| file.starts_with("web"));
    for (file, code) in web {
        for module in ["server", "hub", "connection", "service", "lottery", "store"] {
            assert!(
                !names(code, &format!("crate::{module}")),
                "{file} names {module}"
            );
        }
    }
}

#[test]
fn no_two_files_import_each_other() {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    for member in MEMBERS {
        fixtures::imports::assert_no_circles(workspace.join(member));
    }
}

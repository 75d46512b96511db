//! The flags of all modes, mode config, completions and manual pages.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;

use crate::client::{Client, rows};
use crate::fake::{Peer, SUCCESS, serve, winners};
use fixtures::shells;
use frame::{Reply, Request};

const NOWHERE: &str = "127.0.0.1:1";

#[test]
fn config_prints_every_key_and_what_set_it() {
    let ended = Client::new("config", "a:1,[::1]:2")
        .file(
            "config.yaml",
            "\u{feff}loop:\n  amount: 3\nid: 4\nnobody: x\nid: 5\n",
        )
        .arg("--set")
        .arg("log.level=debug")
        .arg("--id=6")
        .run();
    assert_eq!(ended.code, Some(0), "{:?}", ended.log);
    for line in [
        "id = 6  # the argument --id",
        "server.address = a:1,[::1]:2  # the variable CLI_SERVER_ADDRESS",
        "loop.amount = 3  # config.yaml",
        "log.level = debug  # the argument --set log.level",
        "batch.window = 64  # default",
        "server.tls.ca =  # default",
    ] {
        assert!(
            ended.stdout.lines().any(|found| found == line),
            "{line}: {}",
            ended.stdout
        );
    }
    assert_eq!(ended.stdout.lines().count(), 19);
    assert_eq!(
        ended.lines("config"),
        [
            "action: config | result: in_progress | warning: config.yaml sets nobody, which is not a known key",
            "action: config | result: in_progress | warning: config.yaml sets id twice; the last value counts",
        ]
    );
}

#[test]
fn config_ends_with_78_where_the_client_would_not_start_and_prints_what_is_in_force_all_the_same() {
    let ended = Client::new("config", "tcp://ana:s3cret@host:1").run();
    ended.assert_failed(
        78,
        "server.address is \"tcp://ana:***@host:1\" in the variable CLI_SERVER_ADDRESS: ",
    );
    assert!(
        ended
            .stdout
            .contains("server.address = tcp://ana:***@host:1  # the variable"),
        "{}",
        ended.stdout
    );
    let ended = Client::new("config", NOWHERE).env("CLI_ID", "").run();
    ended.assert_failed(78, "id is not set");
    assert!(ended.stdout.starts_with("id =  # not set\n"));
    let tls = ["CA", "CERT", "KEY"];
    let client = tls
        .iter()
        .fold(Client::new("config", NOWHERE), |client, name| {
            client.env(&format!("CLI_SERVER_TLS_{name}"), "none.pem")
        });
    client
        .run()
        .assert_failed(78, "server.tls.ca: none.pem cannot be used: ");
}

#[test]
fn flags_win_and_one_that_sets_no_known_key_is_a_usage_error() {
    let (server, sent) = serve(|listener| {
        let mut peer = Peer::accept(&listener);
        let mut sent = Vec::new();
        while let Some(request) = peer.request() {
            let reply = match request {
                Request::Resume { .. } => Reply::Resumed(0),
                Request::Winners { .. } => winners(""),
                _ => SUCCESS,
            };
            sent.push(format!("{request:?}").contains("Batch"));
            peer.reply(&reply);
        }
        sent
    });
    let args = [
        "two.csv",
        "--id",
        "9",
        "--server",
        &server,
        "--set",
        "batch.maxAmount=1",
    ];
    let client = Client::new("batch", "nowhere:1")
        .env("CLI_ID", "8")
        .file("two.csv", rows(2));
    let ended = args
        .iter()
        .fold(client, |client, arg| client.arg(arg))
        .run();
    assert_eq!(ended.code, Some(0), "{:?}", ended.log);
    assert!(ended.log[0].contains(&format!("| client_id: 9 | server_address: {server} |")));
    assert_eq!(sent.join().unwrap(), [false, true, true, false, false]);

    let set = |text: &str| Client::new("batch", NOWHERE).arg("--set").arg(text).run();
    set("batch.maxamounts=1")
        .assert_failed(64, "the argument --set batch.maxamounts names no known key");
    set("id=0").assert_failed(78, "id is \"0\" in the argument --set id: ");
    assert_eq!(set("id").code, Some(64));
}

#[test]
fn log_lines_are_json_where_that_is_asked_for() {
    let client = Client::new("batch", NOWHERE).env("CLI_LOG_FORMAT", "json");
    let client = client
        .env("CLI_SERVER_RETRY", "0s")
        .file("bets.csv", rows(1));
    let (mut command, _folder) = client.command();
    let output = command.output().unwrap();
    assert_eq!(output.status.code(), Some(69));
    let log = String::from_utf8(output.stderr).unwrap();
    let lines = log.lines().map(|line| serde_json::from_str(line).unwrap());
    let lines: Vec<serde_json::Value> = lines.collect();
    assert_eq!(lines[0]["action"], "config");
    let last = &lines[lines.len() - 1];
    assert_eq!(
        (&last["result"], &last["level"]),
        (&"fail".into(), &"ERROR".into())
    );
    let client = Client::new("batch", NOWHERE).env("CLI_LOG_FORMAT", "xml");
    client
        .run()
        .assert_failed(78, "log.format is \"xml\" in the variable CLI_LOG_FORMAT: ");
}

#[test]
fn a_file_name_that_is_not_utf8_is_refused_in_one_way_wherever_it_is_given() {
    let name = OsStr::from_bytes(b"bets\xff.csv");
    for mode in ["check", "batch"] {
        let (mut argument, _folder) = Client::new(mode, NOWHERE).command();
        argument.arg(name);
        let (mut variable, _folder) = Client::new(mode, NOWHERE).command();
        variable.env("CLI_BATCH_FILE", name);
        for (mut command, origin) in [
            (argument, "the argument FILE"),
            (variable, "the variable CLI_BATCH_FILE"),
        ] {
            let output = command.output().unwrap();
            assert_eq!(output.status.code(), Some(78), "{output:?}");
            let said = String::from_utf8(output.stderr).unwrap();
            let sentence = format!("the value of {origin} is not text in UTF-8: rename a file");
            assert!(said.contains(&sentence), "{said}");
        }
    }
}

#[test]
fn a_failure_is_one_line_whatever_the_level_of_the_log() {
    for (level, shown) in [("error", "ERROR   "), ("critical", "CRITICAL")] {
        let client = Client::new("batch", NOWHERE).env("CLI_LOG_LEVEL", level);
        let ended = client.run();
        assert_eq!(ended.code, Some(74));
        let [line] = &ended.log[..] else {
            panic!("{:#?}", ended.log)
        };
        let start =
            format!("{shown} action: read_file | result: fail | error: bets.csv cannot be read: ");
        assert!(line.starts_with(&start), "{line}");
    }
}

#[test]
fn completions_pages_and_the_version_are_written() {
    for shell in ["bash", "zsh", "fish"] {
        let ended = Client::new("completions", NOWHERE).arg(shell).run();
        assert_eq!(ended.code, Some(0));
        assert!(ended.stdout.contains("allow-empty"), "{shell}");
    }
    assert_eq!(
        Client::new("completions", NOWHERE).arg("other").run().code,
        Some(64)
    );
    // A shell completes behind a command, and a hidden one is not offered.
    for shell in shells::SHELLS {
        let script = Client::new("completions", NOWHERE).arg(shell).run().stdout;
        let offered =
            |words: &[&str], until| shells::offered(shell, &script, words, until).unwrap();
        let flags = offered(&["batch-client", "batch", "--"], "--strict");
        for flag in ["--allow-empty", "--no-wait", "--strict"] {
            let found = flags.as_deref().is_none_or(|flags| flags.contains(flag));
            assert!(found, "{shell} does not complete {flag}: {flags:?}");
        }
        if let Some(modes) = offered(&["batch-client", ""], "winners") {
            let is_man = |word: &str| word == "man";
            assert!(
                modes.contains("check") && !modes.split_whitespace().any(is_man),
                "{shell}: {modes}"
            );
        }
        if let Some(shown) = offered(&["batch-client", "completions", ""], "zsh") {
            assert!(
                shown.contains("fish") && !shown.contains("SHELL>"),
                "{shell}: {shown}"
            );
            // No file is a shell, and there is only one.
            let files = shell == "fish" && shown.contains("_batch-client");
            assert!(!files, "{shell}: {shown}");
        }
        if shell == "fish"
            && let Some(shown) = offered(&["batch-client", "completions", "zsh", ""], "zsh")
        {
            assert!(!shown.contains("elvish"), "{shown}");
        }
    }
    let client = Client::new("man", NOWHERE).arg(".");
    let (mut command, folder) = client.command();
    assert!(command.status().unwrap().success());
    let page = fs::read_to_string(folder.path().join("batch-client-check.1")).unwrap();
    assert!(page.contains(".SH NAME"));
    assert!(
        page.contains(".SH FILES") && page.contains(".SH \"EXIT STATUS\""),
        "{page}"
    );
    let examples = "\n.SH EXAMPLES\n.nf\nbatch\\-client check bets.csv\nbatch\\-client check bets.csv \\-\\-strict\n";
    assert!(page.contains(examples), "{page}");
    Client::new("man", NOWHERE)
        .arg("none")
        .run()
        .assert_failed(74, "none cannot be written: ");
    let version = Client::new("--version", NOWHERE).run();
    assert_eq!(
        version.stdout,
        format!("batch-client {}\n", env!("CARGO_PKG_VERSION"))
    );
    for mode in ["--help", "batch", "check"] {
        let client = Client::new(mode, NOWHERE);
        let help = if mode == "--help" {
            client
        } else {
            client.arg("--help")
        };
        assert!(help.run().stdout.contains("Examples:"), "{mode}");
    }
}

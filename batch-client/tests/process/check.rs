//! Mode check, and the files that mode batch refuses like it.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};
use std::thread;

use frame::{Reply, Request};

use crate::client::{Client, rows};
use crate::fake::{Peer, SUCCESS, serve, winners};

const NOWHERE: &str = "127.0.0.1:1";

fn check(file: impl AsRef<[u8]>) -> Client {
    Client::new("check", NOWHERE)
        .env("CLI_ID", "")
        .file("bets.csv", file)
}

#[test]
fn check_prints_the_number_of_bets_and_needs_no_number_of_an_agency() {
    let ended = check(rows(3)).run();
    assert_eq!(
        (ended.code, ended.stdout.as_str()),
        (Some(0), "bets.csv: 3 bets\n")
    );
    assert!(ended.log.is_empty(), "{:?}", ended.log);
    let ended = check(rows(1)).arg("--json").run();
    assert_eq!(ended.stdout, "{\"bets\":1,\"file\":\"bets.csv\"}\n");
    let ended = check("").file("other.csv", rows(2)).arg("other.csv").run();
    assert_eq!(ended.stdout, "other.csv: 2 bets\n");
}

#[test]
fn check_prints_every_bad_row_and_logs_one_error() {
    let file = rows(1) + &"x\n".repeat(150) + "Ana,Lorca,1,2000-01-01,x\n";
    let ended = check(&file).run();
    ended.assert_failed(65, "bets.csv has 151 bad rows: ");
    assert_eq!(ended.log.len(), 1);
    let lines: Vec<&str> = ended.stdout.lines().collect();
    assert_eq!(lines.len(), 151);
    assert!(
        lines[149].starts_with("bets.csv:151:2: the row has 1 column"),
        "{}",
        lines[149]
    );
    assert!(
        lines[150].starts_with("bets.csv:152:5: numero is not"),
        "{}",
        lines[150]
    );

    let ended = check(&file).arg("--json").run();
    let lines = json_lines(&ended.stdout);
    assert_eq!(lines.len(), 152);
    assert_eq!(
        (&lines[150]["line"], &lines[150]["column"]),
        (&152.into(), &5.into())
    );
    assert_eq!(lines[151]["bad_rows"], 151);
}

#[test]
fn check_ends_at_a_row_that_is_too_long_and_tells_no_row_behind_it() {
    let long = "x".repeat(20_000) + "\n";
    let open = "\"".to_owned() + &rows(1_000) + "\"\n";
    for last in [long, open] {
        let file = "x\n".repeat(101) + &last + &"x\n".repeat(50);
        let ended = check(&file).run();
        ended.assert_failed(65, "bets.csv has 102 bad rows: ");
        let rows = ended
            .stdout
            .lines()
            .filter(|line| !line.starts_with("bets.csv: "));
        let rows: Vec<&str> = rows.collect();
        let last = "bets.csv:102:1: the row has more than";
        assert!(
            rows.len() == 102 && rows[101].starts_with(last),
            "{rows:#?}"
        );
    }
}

#[test]
fn what_the_file_is_comes_once_before_the_rows() {
    let file = "nombre;apellido;dni;nacimiento;numero\nAna;Lorca;1;17/03/1999;7\n";
    let advice = "its columns are divided by semicolons, its first line is a header and the birthdate is not in the form YYYY-MM-DD but such as DD/MM/YYYY: save it with commas between the columns, delete the first line and write the year first: YYYY-MM-DD";
    let ended = check(file).run();
    assert!(
        ended
            .stdout
            .starts_with(&format!("bets.csv: {advice}\nbets.csv:1:2: ")),
        "{}",
        ended.stdout
    );
    let ended = check(file).arg("--json").run();
    assert!(
        ended.stdout.starts_with("{\"advice\":\"its columns are"),
        "{}",
        ended.stdout
    );
    let kinds: Vec<_> = json_lines(&ended.stdout)
        .iter()
        .map(|line| line["kind"].clone())
        .collect();
    assert_eq!(kinds[..4], ["delimiter", "header", "date_form", "columns"]);
    let ended = Client::new("batch", NOWHERE).file("bets.csv", file).run();
    // What is read last says it once more.
    ended.assert_failed(
        65,
        &format!("bets.csv has 2 bad rows: {advice} and run again"),
    );
    let lines = ended.lines("read_file");
    assert_eq!(
        lines[0],
        format!("action: read_file | result: fail | error: bets.csv: {advice}")
    );
    assert!(
        lines.len() == 4 && lines[1].contains("bets.csv:1:2: "),
        "{lines:#?}"
    );
}

fn json_lines(text: &str) -> Vec<serde_json::Value> {
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

#[test]
fn rows_are_not_listed_where_the_whole_file_is_something_else() {
    let advice = "it is JSON: export the table from the program that made it, as CSV in UTF-8";
    let file = "[\n".to_owned() + &"{\"nombre\": \"Ana\"},\n".repeat(2_000) + "]\n";
    let ended = check(&file).run();
    assert_eq!(ended.stdout, format!("bets.csv: {advice}\n"));
    ended.assert_failed(
        65,
        &format!("bets.csv is no CSV: {advice}; nothing was sent"),
    );
    let ended = check(&file).arg("--json").run();
    let lines = json_lines(&ended.stdout);
    assert_eq!(lines[0]["kind"], "json");
    assert_eq!((lines.len(), &lines[1]["bad_rows"]), (2, &2_002.into()));
    let ended = Client::new("batch", NOWHERE).file("bets.csv", &file).run();
    ended.assert_failed(
        65,
        &format!("bets.csv is no CSV: {advice}; nothing was sent"),
    );
    assert_eq!(ended.lines("read_file").len(), 1);
}

#[test]
fn values_that_look_damaged_are_warned_about_and_refused_where_that_is_asked_for() {
    let file = rows(2) + "Ana,“Lorca”,'7,2000-01-01,1\nAna,“Lorca”,7,2000-01-01,1\n";
    let quotes = "bets.csv:3:2: warning: apellido stands in quotes that are not those of CSV, such as a word processor's: delete them (2 rows)";
    let mark = "bets.csv:3:3: warning: dni begins with an apostrophe, as spreadsheets mark a text: delete it (1 row)";
    let ended = check(&file).run();
    assert_eq!(ended.code, Some(0));
    assert_eq!(
        ended.stdout,
        format!("bets.csv: 4 bets\n{quotes}\n{mark}\n")
    );
    assert!(ended.log.is_empty(), "{:?}", ended.log);

    let ended = check(&file).arg("--json").run();
    let lines = json_lines(&ended.stdout);
    for (line, kind, column, rows) in [(1, "foreign_quotes", 2, 2), (2, "text_mark", 3, 1)] {
        let line = &lines[line];
        assert_eq!((&line["kind"], &line["line"]), (&kind.into(), &3.into()));
        assert_eq!(
            (&line["column"], &line["rows"]),
            (&column.into(), &rows.into())
        );
    }

    let refused = "bets.csv has values that look damaged, of 2 kinds: correct them";
    let ended = check(&file).arg("--strict").run();
    ended.assert_failed(65, refused);
    assert_eq!(ended.stdout.lines().count(), 3);
    check(&file)
        .env("CLI_BATCH_STRICT", "true")
        .run()
        .assert_failed(65, refused);
    check(rows(2)).arg("--strict").run();

    let batch = |strict: &str| {
        let client = Client::new("batch", NOWHERE).file("bets.csv", &file);
        client
            .env("CLI_BATCH_STRICT", strict)
            .env("CLI_SERVER_RETRY", "0s")
            .run()
    };
    let warned = |line: &str| {
        let text = line.replace("warning: ", "");
        format!("action: read_file | result: in_progress | warning: {text}")
    };
    for (strict, code, sentence) in [("true", 65, refused), ("", 69, "gave up on ")] {
        let ended = batch(strict);
        ended.assert_failed(code, sentence);
        let lines = ended.lines("read_file");
        assert_eq!(lines[..2], [warned(quotes), warned(mark)]);
        assert!(
            ended
                .log
                .iter()
                .any(|line| line.starts_with("WARNING  action: read_file"))
        );
    }
    // Rows that are wrong and values that look damaged are told together.
    let ended = check(file + "x\n").run();
    ended.assert_failed(65, "bets.csv has 1 bad row: ");
    assert_eq!(ended.stdout.lines().count(), 3);
}

#[test]
fn a_file_without_bets_is_refused_unless_it_is_allowed() {
    for file in ["", "\u{feff}", "\r\n \n"] {
        for mode in ["check", "batch"] {
            let ended = Client::new(mode, NOWHERE).file("bets.csv", file).run();
            ended.assert_failed(65, "bets.csv has no bets, and nothing was sent");
        }
        let ended = check(file).arg("--allow-empty").run();
        assert_eq!(
            (ended.code, ended.stdout.as_str()),
            (Some(0), "bets.csv: 0 bets\n")
        );
        let ended = check(file)
            .file("config.yaml", "batch.allowEmpty: TRUE")
            .run();
        assert_eq!(ended.code, Some(0));
    }
}

#[test]
fn folders_and_devices_are_refused_with_what_they_are() {
    for (file, kind) in [
        ("/dev/null", "a terminal or another device"),
        ("folder", "a folder"),
    ] {
        for mode in ["check", "batch"] {
            let client = Client::new(mode, NOWHERE).arg(file);
            fs::create_dir(client.folder().join("folder")).unwrap();
            let ended = client.run();
            ended.assert_failed(
                65,
                &format!("{file} is not a file but {kind}: give the file"),
            );
        }
    }
}

/// A client that reads `-`, given these bytes in pieces.
fn given(client: Client, bytes: &str) -> (Option<i32>, String, String) {
    let (mut command, _folder) = client.command();
    let mut child = command.stdin(Stdio::piped()).spawn().unwrap();
    let mut input = child.stdin.take().unwrap();
    for piece in bytes.as_bytes().chunks(1_000) {
        input.write_all(piece).unwrap();
    }
    drop(input);
    let output = child.wait_with_output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (
        output.status.code(),
        text(output.stdout),
        text(output.stderr),
    )
}

#[test]
fn standard_input_and_pipes_are_read_like_a_file() {
    let file = rows(5_000);
    let (code, out, _) = given(check("").arg("-"), &file);
    assert_eq!((code, out.as_str()), (Some(0), "-: 5000 bets\n"));
    let (code, out, _) = given(check("").arg("/dev/stdin"), &file);
    assert_eq!((code, out.as_str()), (Some(0), "/dev/stdin: 5000 bets\n"));
    // More bad rows than are kept: they are read a second time.
    let (code, out, _) = given(check("").arg("-"), &"x\n".repeat(150));
    assert_eq!((code, out.lines().count()), (Some(65), 150));
    let (code, _, log) = given(check("").arg("-"), "");
    assert!(code == Some(65) && log.contains("- has no bets"), "{log}");
    // A regular file, and a pipe with a name that nobody writes to at first.
    let (mut command, folder) = check(rows(2)).arg("-").command();
    let regular = fs::File::open(folder.path().join("bets.csv")).unwrap();
    let output = command.stdin(regular).output().unwrap();
    assert_eq!(output.stdout, b"-: 2 bets\n");
    let client = check("").arg("pipe");
    let pipe = client.folder().join("pipe");
    assert!(
        Command::new("mkfifo")
            .arg(&pipe)
            .status()
            .unwrap()
            .success()
    );
    let writer = thread::spawn(move || fs::write(pipe, rows(3)).unwrap());
    assert_eq!(client.run().stdout, "pipe: 3 bets\n");
    writer.join().unwrap();
    // No place for the copy.
    let (code, _, log) = given(check("").arg("-").env("TMPDIR", "none"), "");
    assert!(
        code == Some(74) && log.contains("cannot be copied to none: "),
        "{log}"
    );
    assert!(log.contains("set TMPDIR to a folder that has it"), "{log}");
}

#[test]
fn batch_sends_what_standard_input_gives_and_a_signal_ends_the_wait_for_it() {
    let (server, sent) = serve(|listener| {
        let mut peer = Peer::accept(&listener);
        let mut batches = 0;
        while let Some(request) = peer.request() {
            let reply = match request {
                Request::Resume { .. } => Reply::Resumed(0),
                Request::Winners { .. } => winners("7"),
                Request::Batch(_) => {
                    batches += 1;
                    SUCCESS
                }
                _ => SUCCESS,
            };
            peer.reply(&reply);
        }
        batches
    });
    let (code, out, log) = given(Client::new("batch", &server).arg("-"), &rows(500));
    assert_eq!((code, out.as_str()), (Some(0), "7\n"), "{log}");
    assert_eq!(sent.join().unwrap(), 6);

    let client = Client::new("batch", NOWHERE).arg("pipe");
    let pipe = client.folder().join("pipe");
    assert!(
        Command::new("mkfifo")
            .arg(&pipe)
            .status()
            .unwrap()
            .success()
    );
    let mut running = client.start();
    running.wait_for("action: config");
    running.signal("TERM");
    let ended = running.end();
    assert_eq!(ended.code, Some(0), "{:?}", ended.log);
    let lines = ended.lines("receive_signal");
    assert!(lines[0].ends_with("| signal: SIGTERM"), "{lines:#?}");
}

#[test]
fn a_file_that_cannot_be_read_says_what_to_do() {
    check("").arg("none.csv").run().assert_failed(
        74,
        "none.csv cannot be read: No such file or directory (os error 2); give the path",
    );
    let client = check(rows(1));
    let path = client.folder().join("bets.csv");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o000)).unwrap();
    if fs::File::open(path).is_err() {
        client
            .run()
            .assert_failed(74, "give the user who runs this the right to read it");
    }
}

#[test]
fn the_name_of_a_file_cannot_steer_the_terminal_that_check_prints_to() {
    let name = "a\u{202e}\u{1b}[2Jb.csv";
    let damaged = rows(1).replacen("Lorca", "Lor\u{200b}ca", 1);
    let header = "nombre,apellido,documento,nacimiento,numero\n".to_owned() + &rows(1);
    for content in [rows(1), header, damaged, "x\n".repeat(2)] {
        for json in [false, true] {
            let mut client = check("").file(name, &content).arg(name);
            if json {
                client = client.arg("--json");
            }
            let ended = client.run();
            let shown = ended.stdout + &ended.log.join("\n");
            assert!(
                !shown.contains(['\u{202e}', '\u{1b}', '\u{200b}']),
                "{shown:?}"
            );
            let escaped = if json {
                "a\\u202e\\u001b[2Jb.csv"
            } else {
                "a\\u{202e}\\u{1b}[2Jb.csv"
            };
            assert!(shown.contains(escaped), "{shown:?}");
        }
    }
}

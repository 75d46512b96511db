//! What an operator's commands do with a folder on a file system that is full, or can only be read. Each runs with a mount of
//! its own (`unshare`); where the system allows none, the tests say that they are skipped.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use fixtures::programs::{central, program};

/// Makes the file system of the test, with the lottery on it, in the state that `$STATE` names, and runs a command there.
/// Behind the command it tells whether the lottery's files are as they were.
const STAGE: &str = r#"
    mount -t tmpfs -o size=512k,mode=700 none mount && cp -a data mount/data || exit 99
    case $STATE in
        full) dd if=/dev/zero of=mount/rest bs=4k 2> dd.log; mkdir mount/pages ;;
        read-only) mkdir mount/pages && mount -o remount,ro none mount || exit 99 ;;
    esac
    "$PROGRAM" "$@"
    code=$?
    ls mount/copy* 2> ls.log && exit 97
    cmp data/bets.csv mount/data/bets.csv && cmp data/bets.wal mount/data/bets.wal || exit 98
    exit $code
"#;

/// How a command ended.
struct Ended {
    code: Option<i32>,
    told: String,
    log: String,
}

fn run(folder: &Path, state: &str, arguments: &[&str]) -> Ended {
    let output = Command::new("unshare")
        .args([
            "--user",
            "--map-root-user",
            "--mount",
            "sh",
            "-c",
            STAGE,
            "sh",
        ])
        .args(arguments)
        .current_dir(folder)
        .env("STATE", state)
        .env("PROGRAM", program("event-server").unwrap())
        .env("SERVER_AGENCIES", "2")
        .env("SERVER_PORT", "0")
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Ended {
        code: output.status.code(),
        told: text(output.stdout),
        log: text(output.stderr),
    }
}

/// A folder with a lottery in `data`, and an empty one to mount at; `None` where nothing can be mounted.
fn stage() -> Option<tempfile::TempDir> {
    let folder = tempfile::tempdir().unwrap();
    let probe = "mkdir -p probe && mount -t tmpfs none probe";
    let mounts = Command::new("unshare")
        .args(["--user", "--map-root-user", "--mount", "sh", "-c", probe])
        .current_dir(folder.path())
        .output();
    if !mounts.is_ok_and(|output| output.status.success()) {
        eprintln!("skipped: no file system can be mounted here (unshare --user --mount)");
        return None;
    }
    let data = folder.path().join("data");
    fs::create_dir_all(folder.path().join("mount")).unwrap();
    fs::create_dir(&data).unwrap();
    fs::write(data.join("bets.csv"), "1,Ana,Paz,7,1999-12-31,7574\r\n").unwrap();
    let (server, _) = central(&data, &[("SERVER_AGENCIES", "2")]).unwrap();
    server.stop().unwrap();
    Some(folder)
}

/// Asserts that a command ends with 74 and one sentence that has these words.
fn assert_refused(ended: &Ended, words: &[&str]) {
    let Ended { code, log, .. } = ended;
    assert_eq!(*code, Some(74), "{words:?}: {log}");
    let failures = log.lines().filter(|line| line.contains("result: fail"));
    let failures: Vec<&str> = failures.collect();
    let [failure] = failures[..] else {
        panic!("{words:?}: {log}");
    };
    for word in words {
        assert!(failure.contains(word), "{word}: {failure}");
    }
}

const DATA: [&str; 2] = ["--data-dir", "mount/data"];

#[test]
fn a_full_or_read_only_file_system_ends_what_changes_a_lottery_with_one_sentence_and_changes_nothing()
 {
    let Some(folder) = stage() else { return };
    for (state, reason, remedy) in [
        ("full", "No space left on device", "make room"),
        (
            "read-only",
            "Read-only file system",
            "set SERVER_DATA_DIR to a folder, or to where one can be made",
        ),
    ] {
        let run = |arguments: &[&str]| run(folder.path(), state, arguments);
        for command in [
            &["reopen", "--agency", "1"][..],
            &["finish", "--agency", "1"],
            &["agencies", "3"],
        ] {
            let ended = run(&[command, &DATA].concat());
            assert_refused(&ended, &[reason, remedy]);
        }
        let new = run(&["--data-dir", "mount/new/lottery"]);
        assert_refused(&new, &["mount/new", reason, remedy]);
        let copy = run(&["backup", "mount/copy", "--data-dir", "mount/data"]);
        let remedy = if state == "full" {
            "make room"
        } else {
            "choose another place"
        };
        assert_refused(&copy, &["mount/copy.new", reason, remedy]);
        assert_refused(&run(&["man", "mount/pages"]), &["mount/pages", reason]);
    }
    assert_refused(
        &run(folder.path(), "read-only", &DATA),
        &["mount/data", "Read-only file system"],
    );
}

#[test]
fn what_only_reads_a_lottery_does_so_on_a_full_and_on_a_read_only_file_system() {
    let Some(folder) = stage() else { return };
    for state in ["full", "read-only"] {
        for (command, told) in [
            ("export", "1,Ana,Paz,7,1999-12-31,7574\r\n"),
            ("status", "agency 1: 1 bet, taken over, of no upload\n"),
            ("config", "SERVER_DATA_DIR = mount/data"),
        ] {
            let ended = run(folder.path(), state, &[&[command][..], &DATA].concat());
            assert_eq!(ended.code, Some(0), "{state}: {}", ended.log);
            assert!(ended.told.contains(told), "{state}: {}", ended.told);
        }
    }
}

#[test]
fn a_standard_output_that_is_full_is_one_sentence() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("bets.csv"), "1,A,B,7,1999-12-31,7\r\n").unwrap();
    for command in ["export", "status", "config"] {
        let output = Command::new(program("event-server").unwrap())
            .env("SERVER_DATA_DIR", folder.path())
            .arg(command)
            .stdout(fs::File::options().write(true).open("/dev/full").unwrap())
            .output()
            .unwrap();
        let log = String::from_utf8(output.stderr).unwrap();
        let sentence = "standard output cannot be written to: No space left on device";
        assert_eq!(output.status.code(), Some(74), "{command}: {log}");
        assert!(log.contains(sentence), "{command}: {log}");
    }
}

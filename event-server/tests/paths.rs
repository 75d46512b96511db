//! Every path that an operator gives to the central: one that leads nowhere ends it with one sentence that names it.
//!
//! Rights are not tested: who runs the tests may have all of them.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

use fixtures::certificates::{Authority, Role, Term};
use fixtures::programs::Running;

/// Paths that cannot be read as a file, and what each is.
fn unreadable(folder: &Path) -> Vec<(String, &'static str)> {
    let at = |name: &str| folder.join(name).display().to_string();
    fs::write(at("file"), "not what is wanted").unwrap();
    fs::create_dir_all(at("folder")).unwrap();
    symlink("circle", at("circle")).unwrap();
    symlink("nowhere", at("dangling")).unwrap();
    vec![
        (at("folder"), "Is a directory"),
        (at("none"), "No such file"),
        (at("none/none"), "No such file"),
        (at("file/x"), "Not a directory"),
        (at("circle"), "symbolic links"),
        (at("dangling"), "No such file"),
        (at(&"n".repeat(300)), "File name too long"),
        ("/dev/zero".to_owned(), "it has more than"),
        ("/proc/self/mem".to_owned(), "rror"),
    ]
}

/// Starts a central, which must end with this code and one sentence.
fn refused(folder: &Path, code: i32, arguments: &[&str], environment: &[(&str, &str)]) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_event-server"));
    command
        .current_dir(folder)
        .args(["--port", "0"])
        .args(arguments)
        .envs(environment.iter().copied());
    let (status, log) = Running::start(&mut command).unwrap().wait().unwrap();
    assert_eq!(
        status.code(),
        Some(code),
        "{arguments:?} {environment:?}: {log}"
    );
    let failures: Vec<&str> = log
        .lines()
        .filter(|line| line.contains("result: fail"))
        .collect();
    let [failure] = failures[..] else {
        panic!("{arguments:?} {environment:?}: {log}");
    };
    assert!(failure.contains("CRITICAL action: exit"), "{log}");
    failure.to_owned()
}

#[test]
fn a_file_that_cannot_be_read_is_named_with_its_key_and_the_reason() {
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::new("lottery").unwrap();
    let identity = authority
        .sign(Role::Server, &["localhost"], Term::Current)
        .unwrap();
    let good = [
        ("SERVER_TLS_CERT", identity.certificate),
        ("SERVER_TLS_KEY", identity.key),
        ("SERVER_TLS_CLIENT_CA", authority.certificate()),
    ]
    .map(|(key, pem)| {
        let path = folder.path().join(key);
        fs::write(&path, pem).unwrap();
        (key, path.display().to_string())
    });
    for (path, reason) in unreadable(folder.path()) {
        let says = |failure: &str, key: &str| {
            for word in [key, path.as_str(), reason] {
                assert!(failure.contains(word), "{word}: {failure}");
            }
        };
        says(
            &refused(folder.path(), 78, &["--config", &path], &[]),
            "cannot be read",
        );
        let url = "postgresql://a@h/db?sslmode=disable";
        let password = [("SERVER_STORE", url), ("SERVER_STORE_PASSWORD_FILE", &path)];
        says(
            &refused(folder.path(), 78, &[], &password),
            "SERVER_STORE_PASSWORD_FILE",
        );
        let url = format!("postgresql://a@h/db?sslrootcert={path}");
        says(
            &refused(folder.path(), 78, &["--store", &url], &[]),
            "sslrootcert",
        );
        for (key, _) in &good {
            let files = good.each_ref().map(|(other, file)| {
                let bad = other == key;
                (*other, if bad { &path } else { file.as_str() })
            });
            says(&refused(folder.path(), 78, &[], &files), key);
        }
    }
}

#[test]
fn a_folder_that_cannot_be_made_is_named_with_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name).display().to_string();
    unreadable(folder.path());
    for path in [
        at("file"),
        at("file/x"),
        at("circle"),
        at("circle/x/y"),
        at("dangling"),
        at(&"n".repeat(300)),
        "/proc/x".to_owned(),
        "/proc/x/y/z".to_owned(),
        "/proc/self/fd/x".to_owned(),
        "/dev/null".to_owned(),
        "/dev/full/x".to_owned(),
    ] {
        for command in [&[][..], &["export"], &["reopen", "--agency", "1"]] {
            let arguments = [command, &["--data-dir", &path]].concat();
            let failure = refused(folder.path(), 74, &arguments, &[]);
            assert!(failure.contains(&path), "{path}: {failure}");
            assert!(
                ["SERVER_DATA_DIR", "is a link"]
                    .iter()
                    .any(|word| failure.contains(word)),
                "{path}: {failure}"
            );
        }
    }
}

//! SIGHUP: certificates, keys, authorities and the level of the log are read again, by the program as it runs.

use std::fs;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use fixtures::certificates::{Authority, Identity, Role, Term};
use fixtures::programs::Signal;
use frame::pem;

use crate::common::{batch, bet};
use crate::peers::Peer;
use crate::trust::{Central, Trust, failures};

const SUCCESS: &str = "{result:success}";

/// The certificate in DER.
fn der(identity: &Identity) -> Vec<u8> {
    pem::certificates(identity.certificate.as_bytes()).unwrap()[0].to_vec()
}

/// The failures of the central itself; peers that are dropped are none.
fn errors(log: &str) -> Vec<&str> {
    let failures = failures(log).into_iter();
    failures.filter(|line| line.starts_with("ERROR")).collect()
}

/// Another certificate for the same central.
fn renewed(trust: &Trust, term: Term) -> Identity {
    let names = ["central", "127.0.0.1"];
    trust.authority.sign(Role::Server, &names, term).unwrap()
}

/// Sends SIGHUP, and waits for the result of the `nth` one.
fn reload(central: &Central, result: &str, nth: usize) -> String {
    central.program.signal(Signal::HUP).unwrap();
    let line = format!("action: reload | result: {result} |");
    let log = central
        .program
        .wait_until(|log| log.matches(&line).count() == nth)
        .unwrap();
    let last = log.lines().rfind(|text| text.contains(&line)).unwrap();
    last[20..].to_owned()
}

/// What a new connection of agency 3 is shown.
fn shown_to_new(trust: &Trust, central: &Central) -> Vec<u8> {
    let config = trust.config(Some(&trust.agency("agency-3")));
    let mut peer = Peer::connect(central.address, &config);
    assert_eq!(peer.ask(&batch(&bet(3, "1", false))), SUCCESS);
    peer.shown().to_vec()
}

#[test]
fn a_certificate_is_renewed_under_load_without_a_lost_connection() {
    let trust = Trust::new();
    let central = trust.central(&trust.server, &[]);
    let later = renewed(&trust, Term::Current);
    let (ends, began) = (AtomicBool::new(false), std::sync::Barrier::new(5));
    thread::scope(|scope| {
        let upload = |agency: u32| {
            let config = trust.config(Some(&trust.agency(&format!("agency-{agency}"))));
            let mut peer = Peer::connect(central.address, &config);
            let mut sent = 0;
            while !ends.load(Ordering::Relaxed) || sent < 2 {
                assert_eq!(peer.ask(&batch(&bet(agency, "1", false))), SUCCESS);
                assert_eq!(
                    peer.shown(),
                    der(&trust.server),
                    "its session is the first one"
                );
                sent += 1;
                if sent == 1 {
                    began.wait();
                }
            }
        };
        let uploads: Vec<_> = (1..=4)
            .map(|agency| scope.spawn(move || upload(agency)))
            .collect();
        began.wait();
        assert_eq!(shown_to_new(&trust, &central), der(&trust.server));
        later.write(trust.folder(), "central").unwrap();
        // No SIGHUP was sent yet.
        assert_eq!(shown_to_new(&trust, &central), der(&trust.server));
        let line = reload(&central, "success", 1);
        assert_eq!(
            line,
            "INFO     action: reload | result: success | logging_level: INFO"
        );
        assert_eq!(shown_to_new(&trust, &central), der(&later));
        ends.store(true, Ordering::Relaxed);
        uploads
            .into_iter()
            .for_each(|upload| upload.join().unwrap());
    });
    let (log, _) = central.stop();
    assert_eq!(errors(&log), [""; 0]);
}

#[test]
fn a_file_that_is_wrong_changes_nothing_and_is_one_line_that_names_it() {
    let trust = Trust::new();
    let central = trust.central(&trust.server, &[]);
    let config = trust.config(Some(&trust.agency("agency-1")));
    let mut open = Peer::connect(central.address, &config);
    assert_eq!(open.ask(&batch(&bet(1, "1", false))), SUCCESS);
    let file = |name: &str| trust.folder().join(name);
    let later = renewed(&trust, Term::Current);
    let settings = central.folder().join("config.ini");
    let advice = "; nothing has changed: correct that, and send SIGHUP again";
    let broken = [
        (
            file("central.pem"),
            "no PEM",
            "SERVER_TLS_CERT: ",
            "it holds no certificate in PEM",
        ),
        (
            file("central.key"),
            later.key.as_str(),
            "SERVER_TLS_KEY: ",
            "it does not belong to the certificate",
        ),
        (
            file("ca.pem"),
            "",
            "SERVER_TLS_CLIENT_CA: ",
            "it holds no certificate in PEM",
        ),
        (
            settings.clone(),
            "[DEFAULT]\nLOGGING_LEVEL = LOUD\n",
            "",
            "LOGGING_LEVEL is 'LOUD'",
        ),
    ];
    for (at, (path, text, key, why)) in broken.into_iter().enumerate() {
        let before = fs::read(&path).ok();
        fs::write(&path, text).unwrap();
        let line = reload(&central, "fail", at + 1);
        let name = path.file_name().unwrap().to_str().unwrap();
        let start = format!("ERROR    action: reload | result: fail | error: {key}");
        assert!(line.starts_with(&start) && line.ends_with(advice), "{line}");
        assert!(line.contains(name) && line.contains(why), "{line}");
        assert_eq!(shown_to_new(&trust, &central), der(&trust.server));
        assert_eq!(open.ask(&batch(&bet(1, "1", false))), SUCCESS);
        match before {
            Some(bytes) => fs::write(&path, bytes).unwrap(),
            None => fs::remove_file(&path).unwrap(),
        }
    }
    // Whoever opened a pipe would wait for somebody that writes into it: in place of a file, and named for the first time.
    let pipe = file("pipe");
    let made = Command::new("mkfifo").arg(&pipe).status().unwrap();
    assert!(made.success());
    let (key, beside) = (file("central.key"), file("beside.key"));
    fs::rename(&key, &beside).unwrap();
    fs::rename(&pipe, &key).unwrap();
    let line = reload(&central, "fail", 5);
    assert!(
        line.contains("central.key cannot be used: it is no plain file"),
        "{line}"
    );
    fs::rename(&key, &pipe).unwrap();
    fs::rename(&beside, &key).unwrap();
    let names_it = format!(
        "[DEFAULT]\nSERVER_STORE = postgresql://a@h/db?sslmode=disable\nSERVER_STORE_PASSWORD_FILE = {}\n",
        pipe.display()
    );
    fs::write(&settings, names_it).unwrap();
    let line = reload(&central, "fail", 6);
    assert!(
        line.contains("pipe: it is no plain file") && line.ends_with(advice),
        "{line}"
    );
    fs::remove_file(&settings).unwrap();
    assert_eq!(shown_to_new(&trust, &central), der(&trust.server));

    later.write(trust.folder(), "central").unwrap();
    reload(&central, "success", 1);
    assert_eq!(shown_to_new(&trust, &central), der(&later));
    let (log, _) = central.stop();
    assert_eq!(errors(&log).len(), 6, "{log}");
}

#[test]
fn an_authority_and_the_level_of_the_log_are_read_again_and_other_keys_wait_for_a_restart() {
    let trust = Trust::new();
    let central = trust.central(&trust.server, &[]);
    let other = Authority::new("other").unwrap();
    let foreign = other
        .sign(Role::Client, &["agency-2"], Term::Current)
        .unwrap();
    let config = trust.config(Some(&foreign));
    let mut refused = Peer::connect(central.address, &config);
    refused.send(&batch(&bet(2, "1", false)));
    refused.answer().unwrap_err();

    let both = [trust.authority.certificate(), other.certificate()].concat();
    fs::write(trust.folder().join("ca.pem"), both).unwrap();
    let settings = "[DEFAULT]\nLOGGING_LEVEL = DEBUG\nSERVER_AGENCIES = 7\nSERVER_COLOR = red\n";
    fs::write(central.folder().join("config.ini"), settings).unwrap();
    let line = reload(&central, "success", 1);
    assert!(line.ends_with("logging_level: DEBUG"), "{line}");
    let mut accepted = Peer::connect(central.address, &config);
    assert_eq!(accepted.ask(&batch(&bet(2, "1", false))), SUCCESS);
    central
        .program
        .wait_for("DEBUG    action: tls_handshake | result: success | ip: 127.0.0.1 | agency: 2")
        .unwrap();
    let (log, _) = central.stop();
    for warning in [
        "warning: SERVER_AGENCIES has another value than at the start, which is in force after a restart",
        "warning: config.ini: key SERVER_COLOR is unknown and passed over",
    ] {
        assert_eq!(log.matches(warning).count(), 1, "{warning}: {log}");
    }
    assert_eq!(log.matches("after a restart").count(), 1, "{log}");
}

#[test]
fn the_end_of_a_certificate_is_a_metric_and_a_warning_of_a_reload() {
    let trust = Trust::new();
    let central = trust.central(&trust.server, &[("SERVER_HTTP", "127.0.0.1:0")]);
    let seconds = || -> i64 {
        let metrics = central.http("/metrics");
        let name = "\nevent_server_certificate_expiry_seconds ";
        let (_, value) = metrics.split_once(name).unwrap();
        value.lines().next().unwrap().parse().unwrap()
    };
    // From now until 4000, and since 2001.
    let (centuries, decades) = (1_900 * 365 * 86_400, -20 * 365 * 86_400);
    assert!(seconds() > centuries, "{}", seconds());
    let past = renewed(&trust, Term::Past);
    past.write(trust.folder(), "central").unwrap();
    reload(&central, "success", 1);
    assert!(seconds() < decades, "{}", seconds());
    let (log, _) = central.stop();
    let warning = "WARNING  action: open_tls | result: in_progress | warning: the certificate ";
    assert_eq!(log.matches(warning).count(), 1, "{log}");
    assert!(
        log.contains("has expired on 2001-01-01 00:00:00 UTC"),
        "{log}"
    );
}

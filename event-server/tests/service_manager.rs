//! A service manager, played by the test: what it is told through a socket of its own, and the sockets that it hands over.

mod common;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

use common::{Peer, batch, bet, finished, winners};
use fixtures::programs::{self, Running, Signal, listen_address};
use tempfile::TempDir;

const SUCCESS: &str = "{result:success}";

/// How long to wait for a message: only a broken program makes anybody wait that long.
const PATIENCE: Duration = Duration::from_secs(60);

/// The end of a socket that a service manager listens to.
struct Manager {
    messages: Receiver<String>,
    folder: TempDir,
}

impl Manager {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let socket = UnixDatagram::bind(folder.path().join("notify")).unwrap();
        let (sender, messages) = channel();
        thread::spawn(move || {
            let mut bytes = [0; 4_096];
            while let Ok(count) = socket.recv(&mut bytes) {
                let text = String::from_utf8_lossy(&bytes[..count]).into_owned();
                if sender.send(text).is_err() {
                    return;
                }
            }
        });
        Self { messages, folder }
    }

    fn socket(&self) -> String {
        self.folder.path().join("notify").display().to_string()
    }

    /// The next message that has this line; those before it are ignored, but for their lines `never`.
    fn wait_for(&self, line: &str, never: &str) -> String {
        loop {
            let message = self.messages.recv_timeout(PATIENCE).expect(line);
            let has = |wanted: &str| message.lines().any(|line| line == wanted);
            assert!(!has(never), "{never} before {line}");
            if has(line) {
                return message;
            }
        }
    }
}

/// Reads messages until each of these lines has come, in this order.
fn hear(manager: &UnixDatagram, lines: &[&str]) {
    manager.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut bytes = [0; 4_096];
    let begun = Instant::now();
    for wanted in lines {
        loop {
            assert!(begun.elapsed() < PATIENCE, "{wanted} does not come");
            let count = manager.recv(&mut bytes).expect(wanted);
            let text = String::from_utf8_lossy(&bytes[..count]);
            if text.lines().any(|line| line.starts_with(wanted)) {
                break;
            }
        }
    }
}

#[test]
fn a_service_manager_hears_of_the_start_the_standing_a_reload_and_the_end() {
    let (manager, folder) = (Manager::new(), tempfile::tempdir().unwrap());
    let environment = [
        ("NOTIFY_SOCKET", manager.socket()),
        ("SERVER_AGENCIES", "2".to_owned()),
    ];
    let environment = environment
        .each_ref()
        .map(|(key, value)| (*key, value.as_str()));
    let (central, address) = programs::central(folder.path(), &environment).unwrap();
    manager.wait_for("READY=1", "STOPPING=1");
    manager.wait_for("STATUS=0 of 2 agencies have finished, 0 bets", "READY=1");
    let mut peer = Peer::connect(address);
    let bets: Vec<String> = (0..30).map(|i| bet(1, &i.to_string(), false)).collect();
    assert_eq!(peer.ask(&batch(&bets.join("|"))), SUCCESS);
    assert_eq!(peer.ask(&finished(1)), SUCCESS);
    manager.wait_for("STATUS=1 of 2 agencies have finished, 30 bets", "READY=1");

    central.signal(Signal::HUP).unwrap();
    let message = manager.wait_for("RELOADING=1", "READY=1");
    let since = message
        .lines()
        .find_map(|line| line.strip_prefix("MONOTONIC_USEC="));
    assert!(since.unwrap().parse::<u64>().unwrap() > 0, "{message}");
    manager.wait_for("READY=1", "STOPPING=1");

    assert_eq!(Peer::connect(address).ask(&finished(2)), SUCCESS);
    assert_eq!(peer.ask(&winners(1)), "{ganadores:}");
    manager.wait_for("STATUS=drawn", "STOPPING=1");
    central.signal(Signal::TERM).unwrap();
    manager.wait_for("STOPPING=1", "READY=1");
    let (status, log) = central.wait().unwrap();
    assert!(status.success(), "{log}");
}

#[test]
fn the_watchdog_is_told_again_and_again_while_nothing_else_happens() {
    let (manager, folder) = (Manager::new(), tempfile::tempdir().unwrap());
    let socket = manager.socket();
    let environment = [
        ("NOTIFY_SOCKET", socket.as_str()),
        ("WATCHDOG_USEC", "200000"),
    ];
    let (central, _) = programs::central(folder.path(), &environment).unwrap();
    // Nobody connects: the loop turns for the watchdog alone.
    for _ in 0..5 {
        manager.wait_for("WATCHDOG=1", "STOPPING=1");
    }
    central.stop().unwrap();
}

#[test]
fn a_manager_that_reads_nothing_holds_nobody_up_and_hears_what_is_still_true_once_it_reads() {
    let folder = tempfile::tempdir().unwrap();
    let name = format!(
        "lottery-test-{}-{}",
        std::process::id(),
        folder.path().display()
    );
    let abstract_name = std::os::unix::net::SocketAddr::from_abstract_name(&name).unwrap();
    let manager = UnixDatagram::bind_addr(&abstract_name).unwrap();
    let socket = format!("@{name}");
    let environment = [
        ("NOTIFY_SOCKET", socket.as_str()),
        ("WATCHDOG_USEC", "2000"),
    ];
    let (central, address) = programs::central(folder.path(), &environment).unwrap();
    // A thousand messages would be due meanwhile; the queue of a local socket has room for some ten.
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_secs(1) {
        let answer = Peer::connect(address).ask(&batch(&bet(1, "1", false)));
        assert_eq!(answer, SUCCESS);
    }
    assert_eq!(Peer::connect(address).ask(&finished(1)), SUCCESS);
    central.signal(Signal::HUP).unwrap();
    central
        .wait_for("action: reload | result: success")
        .unwrap();
    let standing = "STATUS=1 of 5 agencies have finished";
    hear(&manager, &["READY=1", "READY=1", standing]);
    central.stop().unwrap();
}

#[test]
fn a_watchdog_of_another_process_and_a_manager_that_is_gone_do_no_harm_until_it_is_back() {
    let folder = tempfile::tempdir().unwrap();
    let gone = folder.path().join("gone").display().to_string();
    let environment = [
        ("NOTIFY_SOCKET", gone.as_str()),
        ("WATCHDOG_USEC", "200000"),
        ("WATCHDOG_PID", "1"),
    ];
    let (central, address) = programs::central(folder.path(), &environment).unwrap();
    let line = "WARNING  action: notify_service_manager | result: fail | error: the socket that NOTIFY_SOCKET names takes no message: ";
    central.wait_for(line).unwrap();
    assert_eq!(
        Peer::connect(address).ask(&batch(&bet(1, "1", false))),
        SUCCESS
    );
    let manager = UnixDatagram::bind(&gone).unwrap();
    hear(&manager, &["READY=1"]);
    let (status, log) = central.stop().unwrap();
    assert!(status.success() && log.matches(line).count() == 1, "{log}");
}

/// Starts a central to which these sockets are handed over, with their names where there are some.
fn started_with(
    data: &Path,
    sockets: &[&TcpListener],
    names: &str,
    environment: &[(&str, &str)],
) -> Running {
    let copy = |socket: &TcpListener| Stdio::from(OwnedFd::from(socket.try_clone().unwrap()));
    let mut command = Command::new("sh");
    // The protocol wants them at 3 and above, and the number of the process that they are for: this one, after the exec.
    let (program, count) = (env!("CARGO_BIN_EXE_event-server"), sockets.len());
    let script = "export LISTEN_PID=$$; exec \"$0\" 3<&0 4>&1 0</dev/null 1>/dev/null";
    command.args(["-c", script, program]).current_dir(data);
    command
        .env("LISTEN_FDS", count.to_string())
        .env("SERVER_DATA_DIR", data);
    if !names.is_empty() {
        command.env("LISTEN_FDNAMES", names);
    }
    command.envs(environment.iter().copied());
    if let Some(second) = sockets.get(1) {
        command.stdout(copy(second));
    }
    Running::start_with_input(&mut command, copy(sockets[0])).unwrap()
}

fn listener() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

#[test]
fn a_socket_that_is_handed_over_serves_who_came_before_and_a_restart_refuses_nobody() {
    let folder = tempfile::tempdir().unwrap();
    let (socket, address) = listener();
    let port = address.port().to_string();
    let environment = [("SERVER_PORT", port.as_str())];
    for round in 0..3 {
        // Nobody accepts yet, and nobody is refused.
        let mut early = Peer::connect(address);
        let id = early.send(&batch(&bet(1, &round.to_string(), false)));
        let central = started_with(folder.path(), &[&socket], "", &environment);
        let line = central
            .wait_for("action: listen | result: success")
            .unwrap();
        assert_eq!(listen_address(&line), Some(address));
        let answer = early.answer().unwrap();
        assert_eq!((answer.id, answer.payload.as_str()), (id, SUCCESS));
        assert_eq!(
            Peer::connect(address).ask(&batch(&bet(1, "9", false))),
            SUCCESS
        );
        let (status, log) = central.stop().unwrap();
        assert!(status.success() && !log.contains("handed over"), "{log}");
    }
}

#[test]
fn two_sockets_are_known_by_their_names() {
    let folder = tempfile::tempdir().unwrap();
    let ((http, http_address), (lottery, address)) = (listener(), listener());
    let environment = [("SERVER_HTTP", "127.0.0.1:1"), ("SERVER_PORT", "2")];
    let sockets = [&http, &lottery];
    let central = started_with(folder.path(), &sockets, "http:lottery", &environment);
    assert_eq!(
        Peer::connect(address).ask(&batch(&bet(1, "1", false))),
        SUCCESS
    );
    let mut stream = TcpStream::connect(http_address).unwrap();
    let request = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    stream.write_all(request).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(
        answer.starts_with("HTTP/1.1 200 ") && answer.ends_with("ok"),
        "{answer}"
    );
    let (_, log) = central.stop().unwrap();
    let elsewhere = format!(
        "the socket that was handed over listens on {address}, and 127.0.0.1:2 is configured"
    );
    assert!(log.contains(&elsewhere), "{log}");
}

#[test]
fn what_is_handed_over_and_does_not_listen_ends_the_start_with_one_sentence() {
    let folder = tempfile::tempdir().unwrap();
    let (listening, address) = listener();
    let connected = TcpStream::connect(address).unwrap();
    drop(listening);
    let socket = TcpListener::from(OwnedFd::from(connected));
    let central = started_with(folder.path(), &[&socket], "lottery", &[]);
    central.wait_for("action: exit | result: fail").unwrap();
    let (status, log) = central.wait().unwrap();
    assert_eq!(status.code(), Some(69), "{log}");
    let last = log.lines().last().unwrap();
    let sentence =
        "taking the socket lottery from the service manager (LISTEN_FDS): it does not listen";
    assert!(last.contains(sentence), "{log}");
}

#[test]
fn sockets_of_another_process_are_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let environment = [("LISTEN_FDS", "1"), ("LISTEN_PID", "1")];
    let (central, address) = programs::central(folder.path(), &environment).unwrap();
    assert_eq!(
        Peer::connect(address).ask(&batch(&bet(1, "1", false))),
        SUCCESS
    );
    central.stop().unwrap();
}

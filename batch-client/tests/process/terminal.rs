//! What a person at a terminal sees beside the log, and that nobody else sees any of it.

use std::fs::{File, OpenOptions};
use std::io::Read;
use std::net::TcpListener;
use std::process::Child;
use std::time::Duration;

use frame::{Reply, Request};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Action, Winsize, tcflow, tcsetwinsize};
use tempfile::TempDir;

use crate::client::{Client, rows};
use crate::fake::{ClosedPort, Peer, SUCCESS, winners};

/// How long to wait for what has to come.
const PATIENCE: Duration = Duration::from_secs(30);

/// A client whose standard error is a terminal.
struct OnTerminal {
    child: Child,
    terminal: File,
    /// The end of the terminal that programs write to. While it is open, the terminal has no end.
    written: Option<File>,
    seen: String,
    _folder: TempDir,
}

impl OnTerminal {
    fn start(client: Client, columns: u16) -> Self {
        let terminal = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&terminal).unwrap();
        unlockpt(&terminal).unwrap();
        let size = Winsize {
            ws_row: 24,
            ws_col: columns,
            ws_xpixel: 0,
            ws_ypixel: 0,
        };
        tcsetwinsize(&terminal, size).unwrap();
        let name = ptsname(&terminal, Vec::new())
            .unwrap()
            .into_string()
            .unwrap();
        let other_end = OpenOptions::new()
            .read(true)
            .write(true)
            .open(name)
            .unwrap();
        let (mut command, folder) = client.command();
        let written = Some(other_end.try_clone().unwrap());
        let child = command.stderr(other_end).spawn().unwrap();
        // The command holds the other end as well: with it, the terminal would never end.
        drop(command);
        Self {
            child,
            terminal: terminal.into(),
            written,
            seen: String::new(),
            _folder: folder,
        }
    }

    /// Reads on; `false` where the client has ended.
    fn read(&mut self) -> bool {
        let mut ready = [PollFd::new(&self.terminal, PollFlags::IN)];
        let patience = Timespec {
            tv_sec: PATIENCE.as_secs() as i64,
            tv_nsec: 0,
        };
        let count = poll(&mut ready, Some(&patience)).unwrap();
        assert!(count > 0, "nothing comes any more: {:?}", self.seen);
        let mut bytes = [0; 4_096];
        // The end of a terminal is an error.
        let count = self.terminal.read(&mut bytes).unwrap_or(0);
        self.seen += &String::from_utf8_lossy(&bytes[..count]);
        count > 0
    }

    fn wait_for(&mut self, text: &str) {
        while !self.seen.contains(text) {
            assert!(self.read(), "{text} never comes: {:?}", self.seen);
        }
    }

    /// Stops all output, as Ctrl-S does, or lets it go on.
    fn flow(&self, action: Action) {
        tcflow(self.written.as_ref().unwrap(), action).unwrap();
    }

    /// All that was shown, and the exit code.
    fn end(mut self) -> (String, Option<i32>) {
        self.written = None;
        while self.read() {}
        (
            std::mem::take(&mut self.seen),
            self.child.wait().unwrap().code(),
        )
    }
}

impl Drop for OnTerminal {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Serves one connection; the draw takes place when `draw` returns.
fn serve_once(listener: &TcpListener, draw: impl Fn()) {
    serve_waiting(listener, || (), draw);
}

/// Serves one connection. A batch is answered when `hold` returns, and the draw takes place when `draw` does.
fn serve_waiting(listener: &TcpListener, hold: impl Fn(), draw: impl Fn()) {
    let mut peer = Peer::accept(listener);
    while let Some(request) = peer.request() {
        let reply = match request {
            Request::Resume { .. } => Reply::Resumed(0),
            Request::Batch(_) => {
                hold();
                SUCCESS
            }
            Request::Winners { .. } => {
                draw();
                winners("7")
            }
            _ => SUCCESS,
        };
        peer.reply(&reply);
    }
}

#[test]
fn connecting_and_waiting_for_the_draw_are_shown_on_a_terminal_with_the_time() {
    let port = ClosedPort::new();
    let address = port.address();
    let client = Client::new("batch", &address)
        .env("CLI_SERVER_RETRY", "1h")
        .env("TERM", "xterm")
        .file("bets.csv", rows(3));
    let mut client = OnTerminal::start(client, 80);
    client.wait_for(&format!("s  connecting to {address}"));
    client.wait_for(&format!("1s  connecting to {address}"));
    let listener = port.listen();
    let (drawn, draw) = std::sync::mpsc::channel();
    let server = std::thread::spawn(move || {
        serve_once(&listener, || draw.recv().unwrap());
    });
    client.wait_for("0s  waiting for the draw (all agencies have to finish)");
    client.wait_for("1s  waiting for the draw");
    drawn.send(()).unwrap();
    let (seen, code) = client.end();
    assert_eq!(code, Some(0), "{seen:?}");
    server.join().unwrap();
    // No bar is shown before the bets are counted.
    let (before, _) = seen.split_once("/3 bets").unwrap();
    assert!(!before.contains("0/0"), "{before:?}");
    // The bar tells of batches, not a line for each.
    assert!(
        !seen.contains("batch_enviado") && seen.contains("notify_finished"),
        "{seen:?}"
    );
    // What was shown is removed before the last lines.
    let (_, last) = seen.rsplit_once("\u{1b}[2K").unwrap();
    assert!(
        last.contains("action: exit | result: success") && !last.contains("waiting"),
        "{last:?}"
    );
}

#[test]
fn the_bar_fits_into_a_narrow_terminal_and_has_only_letters_that_the_locale_shows() {
    for (columns, locale, bets, letters) in [
        (40, "C.UTF-8", false, false),
        (100, "C", true, false),
        (100, "C.UTF-8", true, true),
    ] {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let client = Client::new("batch", &address)
            .env("TERM", "xterm")
            .env("LC_ALL", locale)
            .env("CLI_LOG_LEVEL", "ERROR")
            .file("bets.csv", rows(3));
        let (go_on, hold) = std::sync::mpsc::channel();
        let server = std::thread::spawn(move || {
            serve_waiting(&listener, || hold.recv().unwrap(), || ());
        });
        let mut client = OnTerminal::start(client, columns);
        client.wait_for("0/3");
        go_on.send(()).unwrap();
        let (seen, code) = client.end();
        server.join().unwrap();
        assert_eq!(code, Some(0), "{seen:?}");
        assert!(
            seen.contains("0/3") && seen.contains("/3 bets") == bets,
            "{seen:?}"
        );
        let found = seen.contains(['█', '░']);
        assert_eq!(found, letters, "{locale}: {seen:?}");
        // Nothing is known of the speed after so short a time.
        assert!(!seen.contains("/s"), "{seen:?}");
    }
}

#[test]
fn an_upload_goes_on_while_the_terminal_is_stopped_and_what_is_shown_goes_on_with_it() {
    for level in ["INFO", "DEBUG", "ERROR"] {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let client = Client::new("batch", &address)
            .env("TERM", "xterm")
            .env("CLI_LOG_LEVEL", level)
            .env("CLI_SERVER_TIMEOUT", "1h")
            .env("CLI_BATCH_MAXAMOUNT", "1")
            .env("CLI_BATCH_WINDOW", "1")
            .file("bets.csv", rows(50));
        let (go_on, hold) = std::sync::mpsc::channel::<()>();
        let (asks, asked) = std::sync::mpsc::channel();
        let (drawn, draw) = std::sync::mpsc::channel::<()>();
        let server = std::thread::spawn(move || {
            // Only the first batch is held: the other end of the channel is gone for those behind it.
            let hold = || {
                let _ = hold.recv();
            };
            serve_waiting(&listener, hold, || {
                asks.send(()).unwrap();
                draw.recv().unwrap();
            });
        });
        let mut client = OnTerminal::start(client, 80);
        client.wait_for("0/50 bets");
        client.flow(Action::OOff);
        drop(go_on);
        // All is sent, and the agency has finished.
        asked.recv_timeout(PATIENCE).unwrap();
        client.flow(Action::OOn);
        client.wait_for("waiting for the draw");
        client.flow(Action::OOff);
        drawn.send(()).unwrap();
        // The end waits for a terminal, but not for ever.
        let code = client.child.wait().unwrap().code();
        assert_eq!(code, Some(0), "{level}");
        server.join().unwrap();
    }
}

#[test]
fn what_is_shown_fits_into_a_narrow_terminal() {
    let address = ClosedPort::new().address();
    let client = Client::new("echo", &address)
        .env("CLI_SERVER_RETRY", "1h")
        .env("TERM", "xterm");
    let mut client = OnTerminal::start(client, 24);
    client.wait_for("s  connecting to 127.0.");
    let shown = client.seen.rsplit_once("connecting to ").unwrap().1;
    assert!(!shown.contains(&address["127.0.0.".len()..]), "{shown:?}");
}

#[test]
fn not_a_character_is_shown_on_a_dumb_terminal_with_json_or_elsewhere() {
    let failing = |term: &str| {
        Client::new("batch", &ClosedPort::new().address())
            .env("CLI_SERVER_RETRY", "1500ms")
            .env("TERM", term)
            .file("bets.csv", rows(3))
    };
    let plain = |seen: &str| {
        let clean = !seen.contains('\u{1b}') && !seen.contains("  connecting to");
        clean && seen.lines().all(|line| line.contains(" action: "))
    };
    let (seen, code) = OnTerminal::start(failing("dumb"), 80).end();
    assert!(code == Some(69) && plain(&seen), "{seen:?}");
    let (seen, code) = OnTerminal::start(failing("xterm").arg("--json"), 80).end();
    assert!(code == Some(69) && plain(&seen), "{seen:?}");
    let ended = failing("xterm").run();
    assert_eq!(ended.code, Some(69));
    assert!(
        ended
            .log
            .iter()
            .all(|line| !line.contains('\u{1b}') && line.contains(" action: ")),
        "{:#?}",
        ended.log
    );
}

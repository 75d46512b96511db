//! Text from outside, in every line of the log that may hold some: nothing of it can look like something else.

use std::io::{self, Write};
use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;
use std::sync::{Arc, Mutex};

use event_server::report;
use frame::log::{Level, Logger};
use frame::{Agency, Bet};

/// An escape sequence of a terminal, an override of direction, a part of a line, a line, what looks like an escaped line
/// break, a blank without width.
const HOSTILE: &str = "a\u{1b}[31m\u{202e}b | result: success\naction: sorteo\\n\u{200b}";
const SHOWN: &str = "a\\u{1b}[31m\\u{202e}b \\x7c result: success\\naction: sorteo\\\\n\\u{200b}";

#[derive(Clone, Default)]
struct Sink(Arc<Mutex<Vec<u8>>>);

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn nothing_from_outside_looks_like_something_else_in_the_log() {
    let sink = Sink::default();
    Logger::immediate(Level::Debug, sink.clone()).install();
    let (ip, agency) = (IpAddr::V4(Ipv4Addr::LOCALHOST), Agency::new(1).unwrap());
    let document = format!(
        "{{agency:1,nombre:A,apellido:B,dni:{},nacimiento:1999-12-31,numero:1}}",
        "\"1\u{202e}\""
    );
    let mut objects = frame::payload::Objects::new(document.as_bytes());
    let bet = Bet::read(&mut objects).unwrap().unwrap();
    report::bet_stored(&bet);

    let text = &HOSTILE;
    let lines: [&dyn Fn(); 24] = [
        &|| report::config_warning(text),
        &|| report::http_connection_closed(ip, text),
        &|| report::store_opened(text),
        &|| report::store_up(&[("database", HOSTILE.to_owned())]),
        &|| report::store_down(text),
        &|| report::store_warning(text),
        &|| report::accept_failed(text),
        &|| report::text_received(ip, text, false),
        &|| report::text_received(ip, text, true),
        &|| report::receive_failed(ip, text),
        &|| report::tls_opened(Path::new(text), Path::new("ca"), None),
        &|| report::tls_opened(Path::new("cert"), Path::new(text), None),
        &|| report::tls_failed(ip, text),
        &|| report::declined(ip, agency, text),
        &|| report::connection_lost(ip, text, None, false),
        &|| report::bet_refused(text),
        &|| report::batch_refused(1, text, Some(agency), ip),
        &|| report::finished_refused(agency, text),
        &|| report::resume_refused(agency, text),
        &|| report::winners_refused(agency, text),
        &|| report::request_refused(ip, text),
        &|| report::draw_stalled(text),
        &|| report::exit_failed(text),
        &|| report::connection_lost(ip, text, None, true),
    ];
    lines.iter().for_each(|line| line());

    let log = String::from_utf8(sink.0.lock().unwrap().clone()).unwrap();
    let mut told = log.lines();
    assert!(
        told.next().unwrap().contains("dni: 1\\u{202e} | numero: 1"),
        "{log:?}"
    );
    let told: Vec<&str> = told.collect();
    assert_eq!(told.len(), lines.len(), "{log:?}");
    for line in told {
        assert!(line.contains(SHOWN), "{line:?}");
        assert!(
            !line.contains(['\u{1b}', '\u{202e}', '\u{200b}']),
            "{line:?}"
        );
    }
}

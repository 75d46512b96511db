//! The text of every log line: no other place writes one.
//!
//! Graders and operators parse these lines. `action` and `result` come first, every further part is `key: value`, and
//! no value from outside can hold a `|` or a line break. Names and birthdates of bettors never reach a line. Lines that
//! peers can cause at will are only counted after the first ones: see [`repeats`]. `quiet` stands for a probe or a
//! health check, whose lines are at DEBUG.
//!
//! Here are the lines about peers and their requests; those about the program and its store are in `operation`.

mod counts;
mod operation;

use std::fmt::{Arguments, Display, Write as _};
use std::net::IpAddr;

use frame::{Agency, Bet, Calls, Escaped, ReadOutcome, UploadId, WriteOutcome};
use tracing::{Level, debug, enabled, error, info, warn};

use self::counts::Kind;
pub use self::operation::*;

/// The most lines of one kind about peers' failures that are written between two calls of [`repeats`].
const FAILURES: u64 = 100;

/// The most such lines about successes that a peer can repeat at will: connections that come, speak a line of text,
/// and go; single bets; requests that an agency has made before. A batch is logged each time.
const REPEATABLE: u64 = 1_000;

/// Logs that a connection of the HTTP port was accepted.
pub fn http_accepted(ip: IpAddr) {
    debug!("action: accept_http | result: success | ip: {ip}");
}

/// Logs that a connection of the HTTP port is closed, and why.
pub fn http_connection_closed(ip: IpAddr, why: &dyn Display) {
    let why = Escaped(why);
    debug!("action: close_http_connection | result: success | ip: {ip} | reason: {why}");
}

/// Logs that the server waits for connections.
pub fn accepting(quiet: bool) {
    let line = format_args!("action: accept_connections | result: in_progress");
    repeatable(("accept_connections", IN_PROGRESS), quiet, line);
}

/// Logs that a connection was accepted.
pub fn accepted(ip: IpAddr, quiet: bool) {
    repeatable(
        ("accept_connections", SUCCESS),
        quiet,
        format_args!("action: accept_connections | result: success | ip: {ip}"),
    );
}

/// Logs that no connection can be accepted for now.
pub fn accept_failed(error: &dyn Display) {
    let error = Escaped(error);
    error!("action: accept_connections | result: fail | error: {error}");
}

/// Logs that a line of text came.
pub fn text_received(ip: IpAddr, text: &str, quiet: bool) {
    let msg = Escaped(text);
    repeatable(
        ("receive_message", SUCCESS),
        quiet,
        format_args!("action: receive_message | result: success | ip: {ip} | msg: {msg}"),
    );
}

/// Logs that a peer broke the framing, or spoke no known protocol.
pub fn receive_failed(ip: IpAddr, error: &dyn Display) {
    let error = Escaped(error);
    failure("receive_message", || {
        error!("action: receive_message | result: fail | ip: {ip} | error: {error}");
    });
}

/// Logs that a peer has shown a certificate that is accepted.
pub fn tls_established(ip: IpAddr, agency: Agency) {
    debug!("action: tls_handshake | result: success | ip: {ip} | agency: {agency}");
}

/// Logs that a TLS session has failed.
pub fn tls_failed(ip: IpAddr, error: &dyn Display) {
    failure("tls_handshake", || {
        let error = Escaped(error);
        error!("action: tls_handshake | result: fail | ip: {ip} | error: {error}");
    });
}

/// Logs that a peer took too long.
pub fn timed_out(ip: IpAddr, waited_for: &str) {
    failure("receive_message", || {
        warn!(
            "action: receive_message | result: fail | ip: {ip} | error: timed out waiting for {waited_for}"
        );
    });
}

/// Logs that a connection was closed so that others are served.
pub fn evicted(ip: IpAddr, why: &str) {
    limited(("evict_connection", SUCCESS), FAILURES, || {
        warn!("action: evict_connection | result: success | ip: {ip} | warning: {why}");
    });
}

/// Logs that a connection is closed; with the outcomes of its reads and writes if the log's level is DEBUG.
pub fn connection_closed(ip: IpAddr, calls: &Calls, quiet: bool) {
    let counts = counts_of(Some(calls));
    repeatable(
        ("close_connection", SUCCESS),
        quiet,
        format_args!("action: close_connection | result: success | ip: {ip}{counts}"),
    );
}

/// Returns what the closing line of a connection ends with: nothing, unless the level of the log is DEBUG.
fn counts_of(calls: Option<&Calls>) -> String {
    let mut line = String::new();
    let Some(calls) = calls.filter(|_| enabled!(Level::DEBUG)) else {
        return line;
    };
    // Writing to a String does not fail.
    let _ = write!(
        line,
        " | received: {} | sent: {}",
        calls.received, calls.sent
    );
    for (outcome, count) in ReadOutcome::ALL.iter().zip(calls.reads) {
        let _ = write!(line, " | read_{}: {count}", outcome.name());
    }
    for (outcome, count) in WriteOutcome::ALL.iter().zip(calls.writes) {
        let _ = write!(line, " | write_{}: {count}", outcome.name());
    }
    line
}

/// Logs that a connection was dropped because nobody knows what is stored of its agency.
pub fn forgotten(ip: IpAddr, agency: Agency) {
    limited(("drop_connection", SUCCESS), FAILURES, || {
        warn!(
            "action: drop_connection | result: success | ip: {ip} | agency: {agency} | warning: what is stored of the agency is not known for certain, its client is to connect again"
        );
    });
}

/// Logs that a connection was refused its last requests, since the store does not take them now.
pub fn declined(ip: IpAddr, agency: Agency, why: &dyn Display) {
    limited(("drop_connection", SUCCESS), FAILURES, || {
        warn!(
            "action: drop_connection | result: success | ip: {ip} | agency: {agency} | warning: nothing of what the agency sent last is stored: {}",
            Escaped(why)
        );
    });
}

/// Logs that a connection was lost; with the outcomes of its reads and writes if the log's level is DEBUG.
pub fn connection_lost(ip: IpAddr, error: &dyn Display, calls: Option<&Calls>, quiet: bool) {
    let (error, counts) = (Escaped(error), counts_of(calls));
    let line =
        format_args!("action: close_connection | result: fail | ip: {ip} | error: {error}{counts}");
    if quiet {
        debug!("{line}");
    } else {
        failure("close_connection", || info!("{line}"));
    }
}

/// Logs that a single bet was stored.
pub fn bet_stored(bet: &Bet<'_>) {
    let (dni, numero) = (Escaped(bet.document.as_str()), bet.number);
    repeatable(
        ("apuesta_almacenada", SUCCESS),
        false,
        format_args!(
            "action: apuesta_almacenada | result: success | dni: {dni} | numero: {numero}"
        ),
    );
}

/// Logs that a single bet was refused.
pub fn bet_refused(error: &dyn Display) {
    let error = Escaped(error);
    failure("apuesta_almacenada", || {
        error!("action: apuesta_almacenada | result: fail | error: {error}");
    });
}

/// Logs that a batch was stored.
pub fn batch_stored(bets: u32) {
    info!("action: apuesta_recibida | result: success | cantidad: {bets}");
}

/// Logs that a batch was refused, with its agency, if that is known.
pub fn batch_refused(bets: usize, error: &dyn Display, agency: Option<Agency>, ip: IpAddr) {
    let error = Escaped(error);
    let agency = agency.map(|agency| format!(" | agency: {agency}"));
    let agency = agency.unwrap_or_default();
    failure("apuesta_recibida", || {
        error!(
            "action: apuesta_recibida | result: fail | cantidad: {bets} | error: {error}{agency} | ip: {ip}"
        );
    });
}

/// Logs that an agency has finished.
pub fn finished(agency: Agency) {
    served(
        ("notify_finished", SUCCESS),
        agency,
        format_args!("action: notify_finished | result: success | agency: {agency}"),
    );
}

/// Logs that an agency may not finish.
pub fn finished_refused(agency: Agency, error: &dyn Display) {
    let error = Escaped(error);
    failure("notify_finished", || {
        error!("action: notify_finished | result: fail | agency: {agency} | error: {error}");
    });
}

/// Logs that an agency goes on with an upload, of which so many bets are stored.
pub fn resumed(agency: Agency, upload: UploadId, bets: u64) {
    served(
        ("resume", SUCCESS),
        agency,
        format_args!(
            "action: resume | result: success | agency: {agency} | envio: {upload} | apuestas: {bets}"
        ),
    );
}

/// Logs that an agency may not go on with an upload.
pub fn resume_refused(agency: Agency, error: &dyn Display) {
    let error = Escaped(error);
    failure("resume", || {
        error!("action: resume | result: fail | agency: {agency} | error: {error}");
    });
}

/// Logs that a request was refused and its connection is closed, since another connection carries the upload now.
pub fn replaced(ip: IpAddr) {
    limited(("fence_connection", SUCCESS), FAILURES, || {
        warn!("action: fence_connection | result: success | ip: {ip}");
    });
}

/// Logs that a winners query waits for the draw.
pub fn winners_held(agency: Agency) {
    debug!("action: consulta_ganadores | result: in_progress | agency: {agency}");
}

/// Logs that a winners query gave way to others: its client asks again.
pub fn winners_turned_away(agency: Agency, why: &str) {
    limited(("consulta_ganadores", IN_PROGRESS), FAILURES, || {
        warn!(
            "action: consulta_ganadores | result: in_progress | agency: {agency} | warning: {why}, this one is to ask again"
        );
    });
}

/// Logs that a held winners query was let go while the store cannot be reached: its client asks another server.
pub fn winners_let_go(agency: Agency) {
    limited(("consulta_ganadores", IN_PROGRESS), FAILURES, || {
        warn!(
            "action: consulta_ganadores | result: in_progress | agency: {agency} | warning: the store is away, another server is to be asked"
        );
    });
}

/// Logs that a winners query was answered.
pub fn winners_told(agency: Agency) {
    served(
        ("consulta_ganadores", SUCCESS),
        agency,
        format_args!("action: consulta_ganadores | result: success | agency: {agency}"),
    );
}

/// Logs that a winners query was refused.
pub fn winners_refused(agency: Agency, error: &dyn Display) {
    let error = Escaped(error);
    failure("consulta_ganadores", || {
        error!("action: consulta_ganadores | result: fail | agency: {agency} | error: {error}");
    });
}

/// Logs that a whole frame held no valid request.
pub fn request_refused(ip: IpAddr, error: &dyn Display) {
    let error = Escaped(error);
    failure("receive_message", || {
        error!("action: receive_message | result: fail | ip: {ip} | error: {error}");
    });
}

/// Logs that all agencies have finished and the winners are being counted.
pub fn drawing() {
    debug!("action: sorteo | result: in_progress");
}

/// Logs that the draw is done.
pub fn drawn() {
    info!("action: sorteo | result: success");
}

/// Logs that the winners are counted, but the draw cannot be stored.
pub fn draw_stalled(error: &dyn Display) {
    let error = Escaped(error);
    error!("action: sorteo | result: fail | error: {error}");
}

/// Logs how many lines of each kind were only counted since the last call. To be called about once a second.
pub fn repeats() {
    for ((action, result), more) in counts::take_withheld() {
        let note = if result == FAIL { "error" } else { "warning" };
        warn!(
            "action: {action} | result: {result} | repeated: {more} | {note}: as the lines before, only counted"
        );
    }
}

/// Logs that the remote store cannot be reached or used; it is tried again.
pub fn store_down(why: &str) {
    failure("open_store", || {
        error!(
            "action: open_store | result: fail | error: {}",
            Escaped(why)
        );
    });
}

const SUCCESS: &str = "success";
const FAIL: &str = "fail";
const IN_PROGRESS: &str = "in_progress";

fn failure(action: &'static str, line: impl FnOnce()) {
    limited((action, FAIL), FAILURES, line);
}

/// Logs a line about what a peer can repeat at will.
fn repeatable(kind: Kind, quiet: bool, line: Arguments<'_>) {
    if quiet {
        debug!("{line}");
    } else if enabled!(Level::INFO) {
        // Lines below the level of the log are not counted either.
        limited(kind, REPEATABLE, || info!("{line}"));
    }
}

/// Logs a line about what was done for an agency: the first one of each kind and agency is always written.
fn served(kind: Kind, agency: Agency, line: Arguments<'_>) {
    if counts::is_first(kind, agency) {
        info!("{line}");
    } else {
        repeatable(kind, false, line);
    }
}

fn limited(kind: Kind, most: u64, line: impl FnOnce()) {
    if counts::admit(kind, most) {
        line();
    }
}

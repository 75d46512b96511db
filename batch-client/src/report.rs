//! The text of every log line. No other file writes one.
//!
//! Programs parse these lines. `action` and `result` come first, every further part is `key: value`, and a value from
//! outside cannot hold a `|` or a line break. No line holds the name or the birthdate of a bettor.

use std::fmt::Display;
use std::path::Path;
use std::time::Duration;

use frame::log::CRITICAL;
use frame::{Agency, Bet, Count, Escaped, MessageId};
use tracing::{Level, enabled, error, info, warn};

use crate::config::{Address, Config};
use crate::damage::Damage;
use crate::error::{Error, Lost, Step};
use crate::rows::BadRow;
use crate::scan::Summary;

/// The configuration was read.
pub fn config(config: &Config) {
    let addresses = config.server.addresses.to_string();
    info!(
        "action: config | result: success | client_id: {} | server_address: {} | loop_amount: {} | loop_period: {} | log_level: {}",
        config.agency,
        Escaped(&addresses),
        config.loop_amount,
        config.loop_period,
        config.log_level.name()
    );
}

/// A part of the configuration is ignored.
pub fn config_warning(warning: &str) {
    let warning = Escaped(warning);
    warn!("action: config | result: in_progress | warning: {warning}");
}

/// The agency's certificate is not valid now, or expires soon; the warning says which.
pub fn certificate_warning(certificate: &Path, warning: &str) {
    let (certificate, warning) = (Escaped(certificate.display()), Escaped(warning));
    warn!(
        "action: config | result: in_progress | warning: the certificate {certificate} {warning}"
    );
}

/// The server sent a message back.
pub fn message_received(agency: Agency, message: &str) {
    let message = Escaped(message);
    info!("action: receive_message | result: success | client_id: {agency} | msg: {message}");
}

/// The server sent all messages back.
pub fn loop_finished(agency: Agency) {
    info!("action: loop_finished | result: success | client_id: {agency}");
}

/// A single bet was stored.
pub fn bet_stored(bet: &Bet<'_>) {
    let (dni, numero) = (Escaped(bet.document.as_str()), bet.number);
    info!("action: apuesta_enviada | result: success | dni: {dni} | numero: {numero}");
}

/// Every row of the agency file is a valid bet.
pub fn file_checked(summary: Summary) {
    let Summary { bets, upload } = summary;
    info!("action: read_file | result: success | apuestas: {bets} | envio: {upload}");
}

/// What the agency file is instead, and how to save it right.
pub fn file_advice(path: &Path, advice: &str) {
    let (path, advice) = (Escaped(path.display()), Escaped(advice));
    error!("action: read_file | result: fail | error: {path}: {advice}");
}

/// A row of the agency file is not a valid bet.
pub fn bad_row(path: &Path, row: &BadRow) {
    let (
        path,
        BadRow {
            line,
            column,
            fault,
        },
    ) = (Escaped(path.display()), row);
    // It may list the characters that a plain server cannot read, of which `|` is one.
    let fault = Escaped(fault);
    error!("action: read_file | result: fail | error: {path}:{line}:{column}: {fault}");
}

/// Rows of the agency file have values that are allowed but look damaged.
pub fn damaged(path: &Path, damage: &Damage) {
    let (path, text) = (path.display().to_string(), damage.to_string());
    let (path, text) = (Escaped(&path), Escaped(&text));
    let Damage { line, column, .. } = damage;
    warn!("action: read_file | result: in_progress | warning: {path}:{line}:{column}: {text}");
}

/// The agency file is closed.
pub fn file_closed() {
    info!("action: close_file | result: success");
}

/// The server has so many bets of the upload.
pub fn resumed(stored: u64) {
    info!("action: resume | result: success | apuestas: {stored}");
}

/// The server has fewer bets of the upload than it had acknowledged.
pub fn upload_shrunk(missing: u64) {
    let missing = Count(missing, "acknowledged bet");
    warn!(
        "action: resume | result: in_progress | warning: the server has lost {missing}, which will be sent again"
    );
}

/// A batch was stored.
pub fn batch_stored(id: MessageId, bets: u32) {
    info!("action: batch_enviado | result: success | id: {id} | cantidad: {bets}");
}

/// The server was told that no more bets will come.
pub fn finished(id: MessageId) {
    info!("action: notify_finished | result: success | id: {id}");
}

/// The draw is not done, and the server does not hold the query.
pub fn winners_not_yet() {
    info!("action: consulta_ganadores | result: in_progress");
}

/// The winners are known.
pub fn winners(count: usize) {
    info!("action: consulta_ganadores | result: success | cant_ganadores: {count}");
}

/// An attempt to connect to this address failed; there will be another one.
pub fn trying_again(address: &Address, lost: &Lost, pause: Duration) {
    let pause = pause.as_millis();
    let (address, lost) = (Escaped(address.as_str()), Escaped(lost));
    warn!(
        "action: connect | result: in_progress | retry_in: {pause}ms | server_address: {address} | error: {lost}"
    );
}

/// An attempt failed, and another one with this server would fail again; the next server is tried.
pub fn unusable(address: &Address, error: &str) {
    let (address, error) = (Escaped(address.as_str()), Escaped(error));
    warn!(
        "action: connect | result: in_progress | retry_in: 0ms | server_address: {address} | error: {error}"
    );
}

/// A plain server did not answer a query, which is sent again.
pub fn asking_again(step: Step, lost: &Lost) {
    let (action, lost) = (step.action(), Escaped(lost));
    warn!("action: {action} | result: in_progress | error: {lost}");
}

/// A connection is closed.
pub fn connection_closed() {
    info!("action: close_connection | result: success");
}

/// A signal stops the client.
pub fn signal(agency: Agency, name: &str) {
    info!("action: receive_signal | result: success | container: client{agency} | signal: {name}");
}

/// Returns the message of the line that says how many lines of the log could not be written.
pub fn lines_lost(lines: u64) -> String {
    format!(
        "action: write_log | result: fail | lost: {lines} | error: standard error took no more lines"
    )
}

/// A signal ended the client before its result was known.
pub fn undecided(error: &Error) {
    let error = Escaped(error);
    warn!("action: receive_signal | result: in_progress | warning: {error}");
}

/// The last line of a client that is done, or was stopped.
pub fn exit(agency: Agency) {
    info!("action: exit | result: success | container: client{agency}");
}

/// A trace of the event loop begins.
pub fn trace_begun(path: &Path) {
    let path = Escaped(path.display());
    info!("action: trace | result: in_progress | file: {path}");
}

/// A trace has ended with the program.
pub fn trace_ended(path: &Path) {
    let path = Escaped(path.display());
    info!("action: trace | result: success | file: {path}");
}

/// A trace has ended by itself: its file is full, or cannot be written. Its file can still be opened.
pub fn trace_stopped(path: &Path, why: &dyn Display) {
    let (path, why) = (Escaped(path.display()), Escaped(why));
    warn!("action: trace | result: fail | file: {path} | error: the trace ends here: {why}");
}

/// A trace cannot begin.
pub fn trace_failed(path: &Path, error: &dyn Display) {
    let (path, error) = (Escaped(path.display()), Escaped(error));
    warn!(
        "action: trace | result: fail | file: {path} | error: the file cannot be created, nothing is traced: {error}"
    );
}

/// The last line of a client that has failed.
pub fn failed(error: &Error) {
    let action = error.action();
    let error = Escaped(error);
    // With log level CRITICAL only the errors that end the program are shown, and this is one.
    if enabled!(Level::ERROR) {
        error!("action: {action} | result: fail | error: {error}");
    } else {
        error!(target: CRITICAL, "action: {action} | result: fail | error: {error}");
    }
}

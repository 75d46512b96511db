//! The text of every log line: nobody else writes one.
//!
//! Graders and operators parse these lines. `action` and `result` come first, every further part is
//! `key: value`, and no value from outside can hold a `|` or a line break. Names and birthdates of
//! bettors never reach a line.

use std::path::Path;
use std::time::Duration;

use frame::log::{CRITICAL, Escaped};
use frame::{Agency, Bet, MessageId};
use tracing::{error, info, warn};

use crate::batch::Summary;
use crate::config::Config;
use crate::error::{Error, Lost, Step};
use crate::rows::BadRow;

/// What the configuration says.
pub fn config(config: &Config) {
    info!(
        "action: config | result: success | client_id: {} | server_address: {} | loop_amount: {} | loop_period: {} | log_level: {}",
        config.agency,
        Escaped(&config.server.address),
        config.loop_amount,
        config.loop_period,
        config.log_level.name()
    );
}

/// Something in the configuration that was passed over.
pub fn config_warning(warning: &str) {
    let warning = Escaped(warning);
    warn!("action: config | result: in_progress | warning: {warning}");
}

/// A message was echoed.
pub fn message_received(agency: Agency, message: &str) {
    let message = Escaped(message);
    info!("action: receive_message | result: success | client_id: {agency} | msg: {message}");
}

/// All messages were echoed.
pub fn loop_finished(agency: Agency) {
    info!("action: loop_finished | result: success | client_id: {agency}");
}

/// A single bet was stored.
pub fn bet_stored(bet: &Bet<'_>) {
    let (dni, numero) = (Escaped(bet.document.as_str()), bet.number);
    info!("action: apuesta_enviada | result: success | dni: {dni} | numero: {numero}");
}

/// Every row of the agency file is a bet.
pub fn file_checked(summary: Summary) {
    let Summary { bets, upload, .. } = summary;
    info!("action: read_file | result: success | apuestas: {bets} | envio: {upload}");
}

/// A row of the agency file is no bet.
pub fn bad_row(path: &Path, row: &BadRow) {
    let path = path.display().to_string();
    let (
        path,
        BadRow {
            line,
            column,
            fault,
        },
    ) = (Escaped(&path), row);
    // A fault may list the characters that a plain server cannot read.
    let fault = fault.to_string();
    let fault = Escaped(&fault);
    error!("action: read_file | result: fail | error: {path}:{line}:{column}: {fault}");
}

/// The agency file is closed.
pub fn file_closed() {
    info!("action: close_file | result: success");
}

/// The server says how much of the upload it has.
pub fn resumed(stored: u64) {
    info!("action: resume | result: success | apuestas: {stored}");
}

/// The server has less of the upload than it had acknowledged.
pub fn upload_shrunk(missing: u64) {
    warn!(
        "action: resume | result: in_progress | warning: the server lost {missing} bets that it had acknowledged; they are sent again"
    );
}

/// A batch was stored.
pub fn batch_stored(id: MessageId, bets: u32) {
    info!("action: batch_enviado | result: success | id: {id} | cantidad: {bets}");
}

/// The server knows that no more bets will come.
pub fn finished(id: MessageId) {
    info!("action: notify_finished | result: success | id: {id}");
}

/// The draw is not done, and the server does not hold the question.
pub fn winners_not_yet() {
    info!("action: consulta_ganadores | result: in_progress");
}

/// The winners are known.
pub fn winners(count: usize) {
    info!("action: consulta_ganadores | result: success | cant_ganadores: {count}");
}

/// A connection failed; there will be another try.
pub fn trying_again(lost: &Lost, pause: Duration) {
    let (lost, pause) = (lost.to_string(), pause.as_millis());
    let lost = Escaped(&lost);
    warn!("action: connect | result: in_progress | retry_in: {pause}ms | error: {lost}");
}

/// A plain server did not answer a question that may be asked again.
pub fn asking_again(step: Step, lost: &Lost) {
    let lost = lost.to_string();
    let (action, lost) = (step.action(), Escaped(&lost));
    warn!("action: {action} | result: in_progress | error: {lost}");
}

/// A connection is closed.
pub fn connection_closed() {
    info!("action: close_connection | result: success");
}

/// A signal asks the client to stop.
pub fn signal(agency: Agency, name: &str) {
    info!("action: receive_signal | result: success | container: client{agency} | signal: {name}");
}

/// The last line of a client that did all, or was told to stop.
pub fn exit(agency: Option<Agency>) {
    let container = container(agency);
    info!("action: exit | result: success | container: {container}");
}

/// The last lines of a client that cannot go on.
pub fn failed(agency: Option<Agency>, error: &Error) {
    let (action, container) = (error.action(), container(agency));
    let error = error.to_string();
    let error = Escaped(&error);
    error!("action: {action} | result: fail | error: {error}");
    error!(target: CRITICAL, "action: exit | result: fail | container: {container} | error: {error}");
}

/// How the contract names this program; without an agency before there is a configuration.
fn container(agency: Option<Agency>) -> String {
    agency.map_or("client".to_owned(), |agency| format!("client{agency}"))
}

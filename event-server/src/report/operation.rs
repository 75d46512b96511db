//! The lines about the program itself: what it is configured to do, its ports, its store, its trace, its end, and what an
//! operator has changed.

use std::fmt::Display;
use std::net::SocketAddr;
use std::path::Path;

use frame::log::CRITICAL;
use frame::{Agency, Escaped, Validity};
use tracing::{debug, error, info, warn};

/// How the contract names this program.
const CONTAINER: &str = "server";

/// Logs what the configuration says.
pub fn config(port: u16, listen_backlog: u32, logging_level: &str) {
    debug!(
        "action: config | result: success | port: {port} | listen_backlog: {listen_backlog} | logging_level: {logging_level}"
    );
}

/// Warns of something in the configuration that is ignored, or has another effect than it seems.
pub fn config_warning(warning: &str) {
    warn!(
        "action: config | result: in_progress | warning: {}",
        Escaped(warning)
    );
}

/// Logs the parameters of the database's URL that have no effect here.
pub fn without_effect(parameters: &[String]) {
    let parameters = parameters.join(", ");
    debug!("action: config | result: in_progress | without_effect: {parameters}");
}

/// Warns that the limit of file descriptors leaves room for fewer connections than are configured.
pub fn few_descriptors(wanted: usize, room: usize) {
    warn!(
        "action: config | result: in_progress | warning: SERVER_MAX_CONNECTIONS is {wanted}, the limit of file descriptors leaves room for {room}: raise it (ulimit -n)"
    );
}

/// Logs that the listener is bound.
pub fn listening(address: SocketAddr) {
    info!(
        "action: listen | result: success | ip: {} | port: {}",
        address.ip(),
        address.port()
    );
}

/// Warns that a socket from the service manager listens on another address than the configured one.
pub fn listens_elsewhere(there: SocketAddr, configured: SocketAddr) {
    warn!(
        "action: config | result: in_progress | warning: the socket that was handed over listens on {there}, and {configured} is configured, where --check looks for it: give both the same address"
    );
}

/// Logs that the HTTP port is bound.
pub fn http_listening(address: SocketAddr) {
    info!(
        "action: listen_http | result: success | ip: {} | port: {}",
        address.ip(),
        address.port()
    );
}

/// Logs that the HTTP port is closed.
pub fn http_port_closed() {
    info!("action: close_http | result: success");
}

/// Logs that the store is open, and what was recovered.
pub fn store_opened(recovery: &dyn Display) {
    let recovery = Escaped(recovery);
    info!("action: open_store | result: success | recovered: {recovery}");
}

/// Logs that the remote store can be reached.
pub fn store_up(parts: &[(&'static str, String)]) {
    let mut line = String::new();
    for (key, value) in parts {
        line += &format!(" | {key}: {}", Escaped(value));
    }
    info!("action: open_store | result: success{line}");
}

/// Warns of something about the store that an operator should know.
pub fn store_warning(warning: &dyn Display) {
    warn!(
        "action: open_store | result: in_progress | warning: {}",
        Escaped(warning)
    );
}

/// Logs how many bytes of the store are read, and of how many, while it takes long to open.
pub fn store_opening(done: u64, of: u64) {
    info!("action: open_store | result: in_progress | read: {done} | of: {of}");
}

/// Logs that all bets were exported.
pub fn exported(bets: u64) {
    info!("action: export | result: success | cantidad: {bets}");
}

/// Logs that a verified copy was made.
pub fn backed_up(bets: u64, folder: &str) {
    let folder = Escaped(folder);
    info!("action: backup | result: success | cantidad: {bets} | folder: {folder}");
}

/// Logs that a lottery was moved, and compared with its source.
pub fn moved(bets: u64, from: &str, to: &str) {
    let (from, to) = (Escaped(from), Escaped(to));
    info!("action: move | result: success | cantidad: {bets} | from: {from} | to: {to}");
}

/// Logs that an operator has taken out an agency's bets.
pub fn reopened(agency: Agency, bets: u64) {
    info!("action: reopen | result: success | agency: {agency} | cantidad: {bets}");
}

/// Logs that an operator has closed an agency with the bets that are stored.
pub fn agency_closed(agency: Agency) {
    info!("action: finish | result: success | agency: {agency}");
}

/// Logs that an operator has changed how many agencies take part.
pub fn agencies_set(agencies: u32) {
    info!("action: agencies | result: success | agencies: {agencies}");
}

/// Logs that the certificates and the key of mutual TLS were read.
pub fn tls_opened(certificate: &Path, client_ca: &Path, validity: Option<Validity>) {
    let (certificate, client_ca) = (Escaped(certificate.display()), Escaped(client_ca.display()));
    let until = validity.map_or("unknown".to_owned(), |validity| validity.to_string());
    info!(
        "action: open_tls | result: success | cert: {certificate} | client_ca: {client_ca} | valid_until: {until}"
    );
}

/// Warns if the central's certificate is not valid now, or will end soon.
pub fn tls_warning(certificate: &Path, validity: Validity) {
    if let Some(warning) = validity.warning() {
        let certificate = Escaped(certificate.display());
        warn!(
            "action: open_tls | result: in_progress | warning: the certificate {certificate} {warning}"
        );
    }
}

/// Logs that a reload is done: what was read again is in force.
pub fn reloaded(logging_level: &str) {
    info!("action: reload | result: success | logging_level: {logging_level}");
}

/// Logs that a reload has failed: nothing has changed.
pub fn reload_failed(error: &dyn Display) {
    let error = Escaped(error);
    error!(
        "action: reload | result: fail | error: {error}; nothing has changed: correct that, and send SIGHUP again"
    );
}

/// Warns that the service manager cannot be told how the central is.
pub fn supervisor_lost(error: &dyn Display) {
    let error = Escaped(error);
    warn!(
        "action: notify_service_manager | result: fail | error: the socket that NOTIFY_SOCKET names takes no message: {error}"
    );
}

/// Logs that a signal came.
pub fn signal(name: &str) {
    info!("action: receive_signal | result: success | container: {CONTAINER} | signal: {name}");
}

/// Logs that a trace of the loop begins.
pub fn trace_begun(path: &Path) {
    let path = Escaped(path.display());
    info!("action: trace | result: in_progress | file: {path}");
}

/// Logs that a trace was ended by a signal or by the end of the central.
pub fn trace_ended(path: &Path) {
    let path = Escaped(path.display());
    info!("action: trace | result: success | file: {path}");
}

/// Warns that a trace has ended by itself: its file is full, or takes no more. What it has so far can be opened.
pub fn trace_stopped(path: &Path, why: &dyn Display) {
    let (path, why) = (Escaped(path.display()), Escaped(why));
    warn!("action: trace | result: fail | file: {path} | error: the trace ends here: {why}");
}

/// Warns that a trace cannot begin.
pub fn trace_failed(path: &Path, error: &dyn Display) {
    let (path, error) = (Escaped(path.display()), Escaped(error));
    warn!(
        "action: trace | result: fail | file: {path} | error: the file cannot be created, nothing is traced: {error}"
    );
}

/// Logs that the listener is closed.
pub fn listener_closed() {
    info!("action: close_listener | result: success");
}

/// Logs that the store is closed.
pub fn store_closed() {
    info!("action: close_store | result: success");
}

/// Logs the last line of an orderly stop.
pub fn exit() {
    info!("action: exit | result: success | container: {CONTAINER}");
}

/// Logs the last line of a program that cannot go on.
pub fn exit_failed(error: &dyn Display) {
    let error = Escaped(error);
    error!(target: CRITICAL, "action: exit | result: fail | container: {CONTAINER} | error: {error}");
}

/// Returns the message of the line that says how many lines of the log could not be written.
pub fn lines_lost(lines: u64) -> String {
    format!(
        "action: write_log | result: fail | lost: {lines} | error: standard error took no more lines"
    )
}

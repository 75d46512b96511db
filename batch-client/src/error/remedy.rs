//! What a person can do about an error of the system, in a few words.

use std::io::{Error, ErrorKind};

/// What to do where a server cannot be reached.
pub(super) fn unreachable(error: &Error) -> &'static str {
    match error.kind() {
        ErrorKind::ConnectionRefused => {
            "nothing listens there: start the server, or correct server.address"
        }
        ErrorKind::TimedOut => {
            "nothing answers there: see whether that machine runs, and whether a firewall lets the connection through"
        }
        ErrorKind::AddrNotAvailable => {
            "this machine has no address or no free port for such a connection: use an IPv4 address where IPv6 is off, or end other connections"
        }
        ErrorKind::NetworkUnreachable | ErrorKind::HostUnreachable => {
            "no way leads there: connect this machine to that network, or correct server.address"
        }
        ErrorKind::PermissionDenied => {
            "a rule of this machine forbids it: ask who runs its firewall"
        }
        // A failed lookup has no number of the system.
        _ if error.raw_os_error().is_none() => {
            "its name cannot be looked up: correct server.address, or connect this machine to its name server"
        }
        _ => "see to the network of this machine, or correct server.address",
    }
}

/// What to do where the agency file cannot be read.
pub(super) fn unreadable(error: &Error) -> &'static str {
    match error.kind() {
        ErrorKind::NotFound => {
            "give the path of the agency's file on the command line, or in batch.file"
        }
        ErrorKind::PermissionDenied => "give the user who runs this the right to read it",
        _ => "see to the disk, or give another copy of the file",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_common_error_of_a_connect_has_a_remedy_of_its_own() {
        // The numbers of Linux, as the system gives them.
        let (denied, no_address, no_network) = (13, 99, 101);
        let (timed_out, refused, no_host) = (110, 111, 113);
        for (number, remedy) in [
            (denied, "a rule of this machine forbids it"),
            (no_address, "use an IPv4 address where IPv6 is off"),
            (no_network, "connect this machine to that network"),
            (timed_out, "whether a firewall lets the connection through"),
            (refused, "start the server, or correct server.address"),
            (no_host, "connect this machine to that network"),
        ] {
            let error = Error::from_raw_os_error(number);
            assert!(unreachable(&error).contains(remedy), "{error}");
        }
        let lookup = Error::other("failed to lookup address information");
        assert!(unreachable(&lookup).starts_with("its name cannot be looked up"));
    }
}

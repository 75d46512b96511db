//! Why a server could not begin or go on, and what to do about an address that it cannot listen on.

use std::fmt;
use std::io;

/// Why the server could not begin or go on; `E` is the store's error.
#[derive(Debug)]
pub enum ServerError<E> {
    /// The listener, the poll or the signals failed.
    System {
        /// What was tried.
        what: String,
        /// What the system said.
        error: io::Error,
    },
    /// The store failed.
    Store(E),
}

impl<E: fmt::Display> fmt::Display for ServerError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::System { what, error } => {
                write!(f, "{what}: {error}{}", advice(error.kind()))
            }
            Self::Store(e) => e.fmt(f),
        }
    }
}

/// Returns what to do about an address that cannot be listened on.
fn advice(kind: io::ErrorKind) -> &'static str {
    match kind {
        io::ErrorKind::AddrInUse => {
            "; another program listens there: stop it, or choose another port"
        }
        io::ErrorKind::AddrNotAvailable => {
            "; this machine has no such address: choose one of its own, or 0.0.0.0 for all of them"
        }
        io::ErrorKind::PermissionDenied => {
            "; ports below 1024 are for privileged programs: choose a higher one"
        }
        _ => "",
    }
}

impl<E: std::error::Error> std::error::Error for ServerError<E> {}

/// Makes an error of what was tried and what the system said.
pub(super) fn system<E>(what: impl Into<String>) -> impl FnOnce(io::Error) -> ServerError<E> {
    move |error| ServerError::System {
        what: what.into(),
        error,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_that_cannot_be_listened_on_comes_with_what_to_do() {
        for (kind, todo) in [
            (io::ErrorKind::AddrInUse, "; another program listens there"),
            (io::ErrorKind::AddrNotAvailable, "; this machine has no"),
            (io::ErrorKind::PermissionDenied, "; ports below 1024 are"),
        ] {
            let error: ServerError<io::Error> = system("listening on 192.0.2.1:1")(kind.into());
            let told = error.to_string();
            assert!(told.starts_with("listening on 192.0.2.1:1: "), "{told}");
            assert!(told.contains(todo), "{told}");
        }
    }
}

//! Checks once a day whether the central's certificate ends soon: at the start that may still have been far away.

use std::time::{Duration, Instant};

use crate::tls::TlsAcceptor;

const DAY: Duration = Duration::from_secs(24 * 3_600);

/// The daily check of a certificate.
pub(super) struct DailyCheck {
    /// Has the certificate; `None` without TLS.
    acceptor: Option<TlsAcceptor>,
    next: Instant,
}

impl DailyCheck {
    /// Begins with a certificate that was checked now.
    pub(super) fn new(acceptor: Option<TlsAcceptor>, now: Instant) -> Self {
        Self {
            acceptor,
            next: now + DAY,
        }
    }

    /// Returns when the next check is due; `None` without a certificate.
    pub(super) fn due(&self) -> Option<Instant> {
        self.acceptor.is_some().then_some(self.next)
    }

    /// Checks the certificate if a day is over, and warns if it ends soon. Returns whether it did check.
    pub(super) fn check(&mut self, now: Instant) -> bool {
        let Some(acceptor) = self.acceptor.as_ref().filter(|_| now >= self.next) else {
            return false;
        };
        acceptor.report_validity();
        self.next = now + DAY;
        true
    }
}

#[cfg(test)]
mod tests {
    use fixtures::certificates::{Authority, Role, Term};
    use frame::small_file;

    use super::*;
    use crate::config::TlsFiles;

    #[test]
    fn a_certificate_is_looked_at_once_a_day_and_none_is_never() {
        let folder = tempfile::tempdir().unwrap();
        let authority = Authority::new("lottery").unwrap();
        let identity = authority.sign(Role::Server, &["central"], Term::Current);
        let (cert, key) = identity.unwrap().write(folder.path(), "central").unwrap();
        let client_ca = folder.path().join("ca.pem");
        std::fs::write(&client_ca, authority.certificate()).unwrap();
        let files = TlsFiles {
            cert,
            key,
            client_ca,
        };
        let start = Instant::now();
        let acceptor = TlsAcceptor::open(&files, small_file::read).unwrap();
        let mut check = DailyCheck::new(Some(acceptor), start);
        for day in 1..4 {
            let due = start + DAY * day;
            assert_eq!(check.due(), Some(due));
            assert!(!check.check(due - Duration::from_secs(1)));
            assert!(check.check(due));
            assert!(!check.check(due));
        }
        let mut none = DailyCheck::new(None, start);
        assert_eq!(none.due(), None);
        assert!(!none.check(start + DAY * 2));
    }
}

//! The certificates of both programs: how they are read from PEM files, and from when until when they are valid. rustls tells
//! these dates only where it refuses a peer.
//!
//! In come the bytes of a file, or a certificate in DER (RFC 5280, section 4.1); out come certificates, keys, and two moments.
//! Reads the few values that stand before these moments and nothing else: rustls decides whether a certificate is trusted.

use std::fmt;
use std::time::Duration;

use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use rustls::pki_types::CertificateDer;

pub mod pem {
    //! Certificates and keys in PEM files. In come the bytes of a file; out come the values, or one sentence that says what
    //! is wrong with the file. The sentence begins with "it", which stands for the file.

    use rustls::RootCertStore;
    use rustls::pki_types::pem::PemObject;
    use rustls::pki_types::{CertificateDer, PrivateKeyDer};

    /// Returns the certificates of a file, in their order: first the owner's, then those between it and its authority.
    ///
    /// # Errors
    /// The file holds no certificate, or one is damaged.
    pub fn certificates(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, String> {
        let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
        match certificates {
            Ok(certificates) if certificates.is_empty() => {
                Err("it holds no certificate in PEM".to_owned())
            }
            Ok(certificates) => Ok(certificates),
            Err(e) => Err(format!("it is damaged: {e}")),
        }
    }

    /// Returns the first private key of a file.
    ///
    /// # Errors
    /// The file holds no key that can be read without a password.
    pub fn key(pem: &[u8]) -> Result<PrivateKeyDer<'static>, String> {
        PrivateKeyDer::from_pem_slice(pem)
            .map_err(|_| "it holds no private key in PEM, or an encrypted one".to_owned())
    }

    /// Returns the certificates of a file, each as an authority that is trusted.
    ///
    /// # Errors
    /// The file holds no certificate, or one cannot be that of an authority.
    pub fn authorities(pem: &[u8]) -> Result<RootCertStore, String> {
        let mut roots = RootCertStore::empty();
        for certificate in certificates(pem)? {
            let added = roots.add(certificate);
            added.map_err(|e| format!("it holds a certificate that is not an authority's: {e}"))?;
        }
        Ok(roots)
    }
}

/// How long before the end of a certificate the operator is warned.
pub const SOON: Duration = Duration::from_secs(14 * 24 * 3_600);

const SEQUENCE: u8 = 0x30;
const INTEGER: u8 = 0x02;
const VERSION: u8 = 0xa0;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;

/// When certificates are valid. Displays as the day and the time at which they end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Validity {
    from: Timestamp,
    until: Timestamp,
}

impl Validity {
    /// Returns when all certificates of a chain are valid; `None` where the dates of one do not have the form of the RFC.
    pub fn of(chain: &[CertificateDer<'_>]) -> Option<Self> {
        let all = chain.iter().map(|certificate| read(certificate));
        let all = all.collect::<Option<Vec<_>>>()?;
        Some(Self {
            from: all.iter().map(|validity| validity.from).max()?,
            until: all.iter().map(|validity| validity.until).min()?,
        })
    }

    /// Returns how many seconds are left until the end; negative after it.
    pub fn seconds_left(&self) -> i64 {
        self.until.as_second() - Timestamp::now().as_second()
    }

    /// Returns what an operator should know of it now, as a part of a sentence: that it has expired, is not valid yet, or
    /// ends [`SOON`].
    pub fn warning(&self) -> Option<String> {
        self.warning_at(Timestamp::now())
    }

    fn warning_at(&self, now: Timestamp) -> Option<String> {
        let soon = SignedDuration::try_from(SOON).ok()?;
        if self.until < now {
            Some(format!(
                "has expired on {self}: every peer refuses it; sign another one"
            ))
        } else if now < self.from {
            let from = Moment(self.from);
            Some(format!(
                "is not valid before {from}: every peer refuses it; see to the clock, or sign another one"
            ))
        } else if self.until.duration_since(now) < soon {
            Some(format!("ends on {self}: sign another one before"))
        } else {
            None
        }
    }
}

impl fmt::Display for Validity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Moment(self.until).fmt(f)
    }
}

struct Moment(Timestamp);

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.strftime("%Y-%m-%d %H:%M:%S UTC").fmt(f)
    }
}

fn read(certificate: &[u8]) -> Option<Validity> {
    let (certificate, _) = element(SEQUENCE, certificate)?;
    let (mut fields, _) = element(SEQUENCE, certificate)?;
    if let Some((_, rest)) = element(VERSION, fields) {
        fields = rest;
    }
    let (_serial_number, fields) = element(INTEGER, fields)?;
    let (_signature, fields) = element(SEQUENCE, fields)?;
    let (_issuer, fields) = element(SEQUENCE, fields)?;
    let (validity, _) = element(SEQUENCE, fields)?;
    let (from, rest) = time(validity)?;
    let (until, _) = time(rest)?;
    Some(Validity { from, until })
}

/// Returns the content of the element of this tag that `bytes` begin with, and the bytes after it.
fn element(tag: u8, bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (found, bytes) = bytes.split_first()?;
    let (length, bytes) = bytes.split_first()?;
    let (length, bytes) = match *length {
        short @ ..0x80 => (usize::from(short), bytes),
        long => {
            let (digits, bytes) = bytes.split_at_checked(usize::from(long & 0x7f))?;
            let length = digits.iter().try_fold(0_u32, |length, digit| {
                Some(length.checked_mul(256)? + u32::from(*digit))
            });
            (length?.try_into().ok()?, bytes)
        }
    };
    (*found == tag).then(|| bytes.split_at_checked(length))?
}

/// Reads a moment: `YYMMDDHHMMSSZ` of the years 1950 to 2049, or `YYYYMMDDHHMMSSZ`.
fn time(bytes: &[u8]) -> Option<(Timestamp, &[u8])> {
    let (text, year, rest) = match element(UTC_TIME, bytes) {
        Some((text, rest)) => {
            let (year, text) = digits(text, 2)?;
            (
                text,
                if year < 50 {
                    2_000 + year
                } else {
                    1_900 + year
                },
                rest,
            )
        }
        None => {
            let (text, rest) = element(GENERALIZED_TIME, bytes)?;
            let (year, text) = digits(text, 4)?;
            (text, year, rest)
        }
    };
    let mut text = text;
    let mut two = || {
        let (number, rest) = digits(text, 2)?;
        text = rest;
        i8::try_from(number).ok()
    };
    let (month, day, hour, minute, second) = (two()?, two()?, two()?, two()?, two()?);
    let moment = DateTime::new(year, month, day, hour, minute, second, 0).ok()?;
    let moment = TimeZone::UTC.to_timestamp(moment).ok()?;
    (text == b"Z").then_some((moment, rest))
}

/// Returns the number in the first `count` bytes, which are decimal digits, and the bytes after them.
fn digits(text: &[u8], count: usize) -> Option<(i16, &[u8])> {
    let (digits, rest) = text.split_at_checked(count)?;
    let number = digits.iter().try_fold(0, |number, digit| {
        digit
            .is_ascii_digit()
            .then(|| 10 * number + i16::from(digit - b'0'))
    });
    Some((number?, rest))
}

#[cfg(test)]
mod tests {
    use fixtures::certificates::{Authority, Role, Term};
    use proptest::prelude::*;

    use super::*;
    use crate::pem;

    fn chain(term: Term) -> Vec<CertificateDer<'static>> {
        let identity = Authority::new("a")
            .unwrap()
            .sign(Role::Server, &["h"], term)
            .unwrap();
        pem::certificates(identity.certificate.as_bytes()).unwrap()
    }

    fn moment(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn a_certificate_is_valid_from_one_moment_until_another_in_either_form_of_time() {
        let (past, current) = (chain(Term::Past), chain(Term::Current));
        let of = |chain: &[CertificateDer<'_>]| Validity::of(chain).unwrap();
        let (from, until) = (
            moment("2000-01-01T00:00:00Z"),
            moment("2001-01-01T00:00:00Z"),
        );
        assert_eq!(of(&past), Validity { from, until });
        assert_eq!(of(&current).until, moment("4000-01-01T00:00:00Z"));
        assert_eq!(of(&past).to_string(), "2001-01-01 00:00:00 UTC");
        // A chain is valid while all its certificates are.
        let both = [past, current].concat();
        assert_eq!(of(&both).until, until);
    }

    #[test]
    fn a_warning_says_what_is_wrong_and_comes_two_weeks_before_the_end() {
        let (from, until) = (
            moment("2020-01-01T00:00:00Z"),
            moment("2030-01-15T00:00:00Z"),
        );
        let validity = Validity { from, until };
        for (now, words) in [
            (
                "2019-12-31T23:59:59Z",
                Some("is not valid before 2020-01-01 00:00:00 UTC"),
            ),
            ("2020-01-01T00:00:00Z", None),
            ("2030-01-01T00:00:00Z", None),
            (
                "2030-01-01T00:00:01Z",
                Some("ends on 2030-01-15 00:00:00 UTC"),
            ),
            ("2030-01-15T00:00:00Z", Some("ends on")),
            (
                "2030-01-15T00:00:01Z",
                Some("has expired on 2030-01-15 00:00:00 UTC"),
            ),
        ] {
            let warning = validity.warning_at(moment(now));
            assert_eq!(warning.is_some(), words.is_some(), "{now}");
            assert!(
                warning.is_none_or(|text| text.contains(words.unwrap())),
                "{now}"
            );
        }
    }

    #[test]
    fn a_file_without_what_is_wanted_is_one_sentence_and_what_is_in_it_is_found() {
        let authority = Authority::new("a").unwrap();
        let identity = authority.sign(Role::Server, &["h"], Term::Current);
        let identity = identity.unwrap();
        let (certificate, key) = (identity.certificate.as_bytes(), identity.key.as_bytes());
        let both = [certificate, authority.certificate().as_bytes()].concat();
        assert_eq!(pem::certificates(&both).unwrap().len(), 2);
        assert_eq!(pem::authorities(&both).unwrap().len(), 2);
        let found = pem::key(key).unwrap();
        assert!(found.secret_der().len() > 20);
        for none in [&b""[..], key] {
            let none = pem::certificates(none).unwrap_err();
            assert_eq!(none, "it holds no certificate in PEM");
        }
        let none = pem::key(certificate).unwrap_err();
        assert_eq!(none, "it holds no private key in PEM, or an encrypted one");
        let cut = pem::certificates(&certificate[..certificate.len() / 2]).unwrap_err();
        assert!(cut.starts_with("it is damaged: "), "{cut}");
        let other = b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        let other = pem::authorities(other).unwrap_err();
        assert!(
            other.starts_with("it holds a certificate that is not an authority's: "),
            "{other}"
        );
        assert!(pem::authorities(b"").is_err());
    }

    #[test]
    fn what_is_left_and_what_is_wrong_is_told_by_the_clock() {
        let past = Validity::of(&chain(Term::Past)).unwrap();
        let until = moment("2001-01-01T00:00:00Z").as_second();
        let before = Timestamp::now().as_second();
        let left = past.seconds_left();
        let after = Timestamp::now().as_second();
        assert!((until - after..=until - before).contains(&left), "{left}");
        let warning = past.warning().unwrap();
        assert!(warning.starts_with("has expired on 2001-01-01 00:00:00 UTC"));
        let current = Validity::of(&chain(Term::Current)).unwrap();
        assert_eq!(current.warning(), None);
        assert_eq!(SOON, Duration::from_secs(1_209_600));
    }

    /// An element with this tag, whose length is written in so many bytes.
    fn encoded(tag: u8, bytes_of_length: usize, content: &[u8]) -> Vec<u8> {
        let length = (content.len() as u32).to_be_bytes();
        let length = match bytes_of_length {
            0 => vec![length[3]],
            count => [&[0x80 | count as u8], &length[4 - count..]].concat(),
        };
        [&[tag], &length[..], content].concat()
    }

    #[test]
    fn a_moment_is_read_in_the_form_of_its_century_and_nothing_else_is() {
        for (tag, text, expected) in [
            (UTC_TIME, "500101000000Z", Some("1950-01-01T00:00:00Z")),
            (UTC_TIME, "491231235958Z", Some("2049-12-31T23:59:58Z")),
            (UTC_TIME, "000229010203Z", Some("2000-02-29T01:02:03Z")),
            (
                GENERALIZED_TIME,
                "20501231235958Z",
                Some("2050-12-31T23:59:58Z"),
            ),
            (UTC_TIME, "500230000000Z", None),
            (UTC_TIME, "500101000000", None),
            (UTC_TIME, "500101000000ZZ", None),
            (UTC_TIME, "50010100000aZ", None),
            (UTC_TIME, "5/0101000000Z", None),
            (GENERALIZED_TIME, "500101000000Z", None),
            (INTEGER, "500101000000Z", None),
        ] {
            let mut bytes = encoded(tag, 0, text.as_bytes());
            bytes.push(7);
            let expected = expected.map(|expected| (moment(expected), &[7][..]));
            assert_eq!(time(&bytes), expected, "{tag:#x} {text}");
        }
    }

    #[test]
    fn an_element_may_have_a_length_of_several_bytes_and_none_beyond_its_end() {
        let content = vec![5; 300];
        for bytes_of_length in [2, 3, 4] {
            let mut bytes = encoded(SEQUENCE, bytes_of_length, &content);
            bytes.push(9);
            let read = element(SEQUENCE, &bytes);
            assert_eq!(read, Some((&content[..], &[9][..])), "{bytes_of_length}");
            assert_eq!(element(INTEGER, &bytes), None);
            assert_eq!(element(SEQUENCE, &bytes[..bytes.len() - 2]), None);
        }
        let longest = encoded(SEQUENCE, 0, &content[..127]);
        assert_eq!(
            element(SEQUENCE, &longest),
            Some((&content[..127], &[][..]))
        );
        let short = encoded(SEQUENCE, 1, &content[..128]);
        assert_eq!(element(SEQUENCE, &short), Some((&content[..128], &[][..])));
        // A length of more than four bytes, and one whose bytes are missing.
        assert_eq!(element(SEQUENCE, &[SEQUENCE, 0x85, 1, 0, 0, 0, 0, 0]), None);
        assert_eq!(element(SEQUENCE, &[SEQUENCE, 0x82, 1]), None);
        assert_eq!(element(SEQUENCE, &[SEQUENCE]), None);
        assert_eq!(element(SEQUENCE, &[]), None);
    }

    proptest! {
        #[test]
        fn bytes_that_are_no_certificate_have_no_validity_and_do_no_harm(
            at in 0_usize..120, byte in any::<u8>(), cut in 0_usize..1_000,
        ) {
            let mut bytes = chain(Term::Past)[0].to_vec();
            bytes[at] = byte;
            bytes.truncate(cut);
            let read = read(&bytes);
            prop_assert!(cut > 60 || read.is_none());
        }
    }
}

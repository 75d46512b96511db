//! How a connection opens: what its first byte begins, until frames are served or a line of text was echoed.

use std::borrow::Cow;

use frame::{Ack, Reply, Winners, kind};

use super::Connection;
use super::state::{State, Step};
use crate::net::Stream;
use crate::observe::CloseReason;
use crate::report;
use crate::service::Identity;
use crate::tls::TlsAcceptor;

/// The longest line of text that is echoed.
const MAX_LINE: usize = 1_024;

/// The first byte of a frame, the highest one of its length: no frame has 16 MiB or more.
const FRAME: u8 = 0x00;

/// The first byte of a TLS session: the type of a handshake record (RFC 8446, section 5.1).
const HANDSHAKE: u8 = 0x16;

/// The reason in the answer to a frame in the clear, where only TLS is spoken.
const ONLY_TLS: &str = "frames in the clear are refused, this port speaks TLS: set server.tls.ca, server.tls.cert and server.tls.key";

/// Why a TLS handshake is refused where TLS is not configured.
const NO_TLS: &str = "byte 0x16 begins a TLS handshake, and this port speaks none: set SERVER_TLS_CERT, SERVER_TLS_KEY and SERVER_TLS_CLIENT_CA, or have the client leave out server.tls";

impl<S: Stream> Connection<S> {
    /// Decides by the first byte whether text, frames or TLS follow.
    pub(super) fn sniff(&mut self, acceptor: Option<&TlsAcceptor>) -> Step {
        let Some(first) = self.channel.inbox.unread().first() else {
            return Step::NeedsInput;
        };
        let protocol = Protocol::detect(*first, acceptor);
        self.announce(matches!(protocol, Protocol::Text) && self.may_be_health_check());
        match protocol {
            Protocol::Text => self.enter(State::Echoing),
            Protocol::Frame => self.enter(State::Open),
            Protocol::FrameInClear => self.enter(State::InClear),
            Protocol::TlsHandshake(acceptor) => match acceptor.begin() {
                Ok((tls, certified)) => {
                    self.channel.secure(tls);
                    self.certified = Some(certified);
                    self.enter(State::Handshaking);
                }
                Err(e) => {
                    report::tls_failed(self.ip, &e);
                    self.drain(CloseReason::BrokenFrame);
                }
            },
            Protocol::Unknown(why) => {
                report::receive_failed(self.ip, &why);
                self.drain(CloseReason::BrokenFrame);
            }
        }
        Step::Again
    }

    /// Echoes a line of text once it is whole, and drains the connection.
    pub(super) fn echo(&mut self) -> Step {
        let unread = self.channel.inbox.unread();
        let unread = &unread[..unread.len().min(MAX_LINE)];
        let newline = unread.iter().position(|b| *b == b'\n');
        let complete = newline.is_some() || unread.len() == MAX_LINE || self.channel.ended();
        if !complete {
            return Step::NeedsInput;
        }
        let line = unread[..newline.unwrap_or(unread.len())].trim_ascii_end();
        let quiet = self.quiet();
        report::text_received(self.ip, &String::from_utf8_lossy(line), quiet);
        self.channel.outbox.append(line);
        self.channel.outbox.append(b"\n");
        self.drain(CloseReason::Finished);
        Step::Again
    }

    /// Goes on with the TLS handshake. After it, the connection may speak for the certificate's agency alone.
    pub(super) fn shake_hands(&mut self) -> Step {
        if !self.channel.is_established() {
            return Step::NeedsInput;
        }
        match self
            .certified
            .take()
            .and_then(|certified| certified.agency())
        {
            Some(agency) => {
                report::tls_established(self.ip, agency);
                self.idle_timer.progress();
                self.identity = Identity::New(Some(agency));
                self.enter(State::Open);
            }
            // The acceptor refuses a certificate without an agency, so this does not happen.
            None => self.drain(CloseReason::BrokenFrame),
        }
        Step::Again
    }

    /// Refuses a frame in the clear once it is whole: the answer carries its id.
    pub(super) fn refuse_frame(&mut self) -> Step {
        match self.channel.inbox.frame() {
            Ok(None) => return Step::NeedsInput,
            Ok(Some(frame)) => {
                report::receive_failed(self.ip, &ONLY_TLS);
                let reply = refusal(frame.kind);
                self.channel.outbox.reply(frame.id, &reply);
            }
            Err(e) => report::receive_failed(self.ip, &e),
        }
        self.drain(CloseReason::BrokenFrame);
        Step::Again
    }
}

/// What a peer begins with. `A` is the acceptor of TLS sessions.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Protocol<A> {
    /// A line of text, which is echoed on any port.
    Text,
    /// A frame, where frames are served in the clear.
    Frame,
    /// A frame, where only TLS is spoken.
    FrameInClear,
    /// A TLS handshake, where TLS is spoken.
    TlsHandshake(A),
    /// Something else, and why it is refused.
    Unknown(Cow<'static, str>),
}

impl<A> Protocol<A> {
    /// Returns what this byte begins. With an `acceptor`, frames are exchanged over TLS alone.
    fn detect(byte: u8, acceptor: Option<A>) -> Self {
        match (byte, acceptor) {
            (FRAME, None) => Self::Frame,
            (FRAME, Some(_)) => Self::FrameInClear,
            (HANDSHAKE, Some(acceptor)) => Self::TlsHandshake(acceptor),
            (HANDSHAKE, None) => Self::Unknown(NO_TLS.into()),
            (b'\t' | b'\r' | b'\n' | 0x20.., _) => Self::Text,
            (byte, _) => {
                let what = format!("byte {byte:#04x} begins neither a frame nor a line of text");
                Self::Unknown(what.into())
            }
        }
    }
}

/// Returns the answer to a frame in the clear of this type, where only TLS is spoken.
fn refusal(frame_kind: u16) -> Reply<'static> {
    match frame_kind {
        kind::WINNERS_QUERY => Reply::Winners(Winners::Refused { reason: None }),
        _ => Reply::Ack(Ack::Failure {
            reason: Some(ONLY_TLS.into()),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_byte_decides_and_text_is_text_on_any_port() {
        for byte in 0..=u8::MAX {
            let (clear, secure) = (
                Protocol::detect(byte, None),
                Protocol::detect(byte, Some(())),
            );
            match byte {
                0x00 => assert_eq!((clear, secure), (Protocol::Frame, Protocol::FrameInClear)),
                0x16 => assert_eq!(
                    (clear, secure),
                    (Protocol::Unknown(NO_TLS.into()), Protocol::TlsHandshake(()))
                ),
                9 | 10 | 13 | 32.. => assert_eq!((clear, secure), (Protocol::Text, Protocol::Text)),
                _ => assert!(matches!(clear, Protocol::Unknown(_)) && clear == secure),
            }
        }
    }

    #[test]
    fn a_frame_in_the_clear_is_refused_in_the_reply_of_its_type() {
        let query = refusal(kind::WINNERS_QUERY);
        assert_eq!(query, Reply::Winners(Winners::Refused { reason: None }));
        let reason = Some(ONLY_TLS.into());
        assert_eq!(refusal(kind::BATCH), Reply::Ack(Ack::Failure { reason }));
    }
}

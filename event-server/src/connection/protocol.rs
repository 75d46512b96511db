//! What the first byte of a connection begins, and what a frame is told that should not have begun there.

use std::borrow::Cow;

use frame::{Ack, Reply, Winners, kind};

/// The first byte of a frame: one of 16 MiB or more is never valid.
const FRAME: u8 = 0x00;

/// The first byte of a TLS session: the type of a record of its handshake (RFC 8446, section 5.1).
const HANDSHAKE: u8 = 0x16;

/// What a frame in the clear is told where only TLS is spoken.
pub(super) const ONLY_TLS: &str = "frames in the clear are refused, this port speaks TLS: set server.tls.ca, server.tls.cert and server.tls.key";

const NO_TLS: &str = "byte 0x16 begins a TLS handshake, and this port speaks none: set SERVER_TLS_CERT, SERVER_TLS_KEY and SERVER_TLS_CLIENT_CA, or have the client leave out server.tls";

/// What a peer begins with. `G` begins TLS sessions, where TLS is spoken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Protocol<G> {
    /// A line of text, which is echoed on any port.
    Text,
    /// A frame, where frames are served in the clear.
    Frame,
    /// A frame, where only TLS is spoken.
    FrameInClear,
    /// A TLS session, where TLS is spoken.
    TlsHandshake(G),
    /// Nothing that is spoken here; why not.
    Unknown(Cow<'static, str>),
}

impl<G> Protocol<G> {
    /// What this byte begins. With an `acceptor`, frames are exchanged over TLS alone.
    pub(super) fn detect(byte: u8, acceptor: Option<G>) -> Self {
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

/// The answer to a frame in the clear of this type, where only TLS is spoken.
pub(super) fn refusal(frame_kind: u16) -> Reply<'static> {
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
}

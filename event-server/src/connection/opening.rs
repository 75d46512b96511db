//! How a connection opens: what its first byte begins, until frames are served or a line of text was echoed.

use super::Connection;
use super::protocol::{ONLY_TLS, Protocol, refusal};
use super::state::{State, Step};
use crate::observe::CloseReason;
use crate::report;
use crate::service::Session;
use crate::stream::Stream;
use crate::tls::TlsAcceptor;

/// The longest line of text that is echoed.
const MAX_LINE: usize = 1_024;

impl<S: Stream> Connection<S> {
    /// Tells text, frames and TLS by the first byte.
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
                self.session = Session::New(Some(agency));
                self.enter(State::Open);
            }
            // The acceptor lets none through that names no agency.
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

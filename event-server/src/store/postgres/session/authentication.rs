//! How a session shows who it is: SCRAM-SHA-256, bound to the server's certificate where that can be, and older ways.
//!
//! With SCRAM the server shows, too, that it knows the password, and has to. The older ways give the password, or what is
//! as good, to whoever asks: so only to a server whose certificate was verified, or over a socket of this machine.
//!
//! Where the URL says `channel_binding=require`, nothing that depends on the password is sent before it is certain that it
//! will be bound, and a server that lets the session begin without is left.

use fallible_iterator::FallibleIterator;
use postgres_protocol::authentication::md5_hash;
use postgres_protocol::authentication::sasl::{
    ChannelBinding, SCRAM_SHA_256, SCRAM_SHA_256_PLUS, ScramSha256,
};
use postgres_protocol::message::backend::Message;
use postgres_protocol::message::frontend;

use super::{Proof, Session, SessionEvent, State};
use crate::store::postgres::error::SessionError;

impl Session {
    pub(super) fn authenticate(
        &mut self,
        message: &Message,
    ) -> Result<Option<SessionEvent>, SessionError> {
        let State::Authenticating(proof) = &mut self.state else {
            return Err(SessionError::Authentication);
        };
        match (message, proof) {
            (Message::AuthenticationOk, Proof::Scram { .. }) => return Err(SessionError::Unproven),
            (Message::AuthenticationOk, Proof::Bound) => self.state = State::Settling,
            (Message::AuthenticationOk, _) => {
                self.allow_unbound("it asks for no such password")?;
                self.state = State::Settling;
            }
            (Message::AuthenticationCleartextPassword, Proof::NotAsked) => {
                self.allow_unbound("it asks for a password in the clear")?;
                let password = self.password_for_verified("a password in the clear")?;
                let _ = frontend::password_message(&password, &mut self.to_send);
                self.state = State::Authenticating(Proof::Given);
            }
            (Message::AuthenticationMd5Password(body), Proof::NotAsked) => {
                self.allow_unbound("it asks for an MD5 of the password")?;
                let password = self.password_for_verified("an MD5 of the password")?;
                let hash = md5_hash(self.login.user.as_bytes(), &password, body.salt());
                let _ = frontend::password_message(hash.as_bytes(), &mut self.to_send);
                self.state = State::Authenticating(Proof::Given);
            }
            (Message::AuthenticationSasl(body), Proof::NotAsked) => {
                let (mut plain, mut plus) = (false, false);
                let mut mechanisms = body.mechanisms();
                while let Some(mechanism) =
                    mechanisms.next().map_err(|e| SessionError::protocol(&e))?
                {
                    plain |= mechanism == SCRAM_SHA_256;
                    plus |= mechanism == SCRAM_SHA_256_PLUS;
                }
                let bound = plus && self.certificate.is_some();
                if !bound {
                    self.allow_unbound(match (self.encrypted, plus) {
                        (false, _) => "the connection is without TLS",
                        (true, false) => "it does not offer SCRAM-SHA-256-PLUS",
                        (true, true) => "the signature of its certificate has no hash for that",
                    })?;
                }
                let password = self.password()?;
                let (mechanism, binding) = match &self.certificate {
                    Some(hash) if plus => (
                        SCRAM_SHA_256_PLUS,
                        ChannelBinding::tls_server_end_point(hash.clone()),
                    ),
                    Some(_) if plain => (SCRAM_SHA_256, ChannelBinding::unrequested()),
                    None if plain => (SCRAM_SHA_256, ChannelBinding::unsupported()),
                    _ => return Err(SessionError::Authentication),
                };
                let scram = ScramSha256::new(&password, binding);
                let _ =
                    frontend::sasl_initial_response(mechanism, scram.message(), &mut self.to_send);
                let scram = Box::new(scram);
                self.state = State::Authenticating(Proof::Scram { scram, bound });
            }
            (Message::AuthenticationSaslContinue(body), Proof::Scram { scram, .. }) => {
                let updated = scram.update(body.data());
                updated.map_err(|e| SessionError::protocol(&e))?;
                let _ = frontend::sasl_response(scram.message(), &mut self.to_send);
            }
            (Message::AuthenticationSaslFinal(body), Proof::Scram { scram, bound }) => {
                let finished = scram.finish(body.data());
                finished.map_err(|e| SessionError::protocol(&e))?;
                let proof = if *bound { Proof::Bound } else { Proof::Mutual };
                self.state = State::Authenticating(proof);
            }
            _ => return Err(SessionError::Authentication),
        }
        Ok(None)
    }

    /// Allows a session without a password that is bound to the server's certificate, unless the URL requires one.
    /// `why` there is none.
    ///
    /// # Errors
    /// The URL requires one.
    fn allow_unbound(&self, why: &'static str) -> Result<(), SessionError> {
        match self.login.channel_binding_required {
            true => Err(SessionError::Unbound(why)),
            false => Ok(()),
        }
    }

    fn password(&self) -> Result<Vec<u8>, SessionError> {
        let password = self.login.password.as_ref();
        let password = password.ok_or(SessionError::NoPassword)?;
        Ok(password.0.as_bytes().to_vec())
    }

    fn password_for_verified(&self, what: &'static str) -> Result<Vec<u8>, SessionError> {
        match (self.verified, self.encrypted) {
            (true, _) => self.password(),
            (false, true) => Err(SessionError::Unverified(what)),
            (false, false) => Err(SessionError::Unprotected(what)),
        }
    }
}

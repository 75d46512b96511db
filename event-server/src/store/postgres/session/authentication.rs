//! How a session shows who it is: SCRAM-SHA-256, bound to the server's certificate where that can be, and older ways.

use fallible_iterator::FallibleIterator;
use postgres_protocol::authentication::md5_hash;
use postgres_protocol::authentication::sasl::{
    ChannelBinding, SCRAM_SHA_256, SCRAM_SHA_256_PLUS, ScramSha256,
};
use postgres_protocol::message::backend::Message;
use postgres_protocol::message::frontend;

use super::{Session, SessionEvent, State};
use crate::store::postgres::error::SessionError;

impl Session {
    pub(super) fn authenticate(
        &mut self,
        message: &Message,
    ) -> Result<Option<SessionEvent>, SessionError> {
        match message {
            Message::AuthenticationOk => self.state = State::Settling,
            Message::AuthenticationCleartextPassword => {
                let password = self.password_over_tls("a password in the clear")?;
                let _ = frontend::password_message(&password, &mut self.to_send);
            }
            Message::AuthenticationMd5Password(body) => {
                let password = self.password_over_tls("an MD5 of the password")?;
                let hash = md5_hash(self.login.user.as_bytes(), &password, body.salt());
                let _ = frontend::password_message(hash.as_bytes(), &mut self.to_send);
            }
            Message::AuthenticationSasl(body) => {
                let (mut plain, mut plus) = (false, false);
                let mut mechanisms = body.mechanisms();
                while let Some(mechanism) =
                    mechanisms.next().map_err(|e| SessionError::protocol(&e))?
                {
                    plain |= mechanism == SCRAM_SHA_256;
                    plus |= mechanism == SCRAM_SHA_256_PLUS;
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
                self.state = State::Authenticating(Some(scram));
            }
            Message::AuthenticationSaslContinue(body) => {
                let scram = self.scram()?;
                let updated = scram.update(body.data());
                updated.map_err(|e| SessionError::protocol(&e))?;
                let response = scram.message().to_vec();
                let _ = frontend::sasl_response(&response, &mut self.to_send);
            }
            Message::AuthenticationSaslFinal(body) => {
                let finished = self.scram()?.finish(body.data());
                finished.map_err(|e| SessionError::protocol(&e))?;
            }
            _ => return Err(SessionError::Authentication),
        }
        Ok(None)
    }

    fn scram(&mut self) -> Result<&mut ScramSha256, SessionError> {
        match &mut self.state {
            State::Authenticating(Some(scram)) => Ok(scram),
            _ => Err(SessionError::Authentication),
        }
    }

    fn password(&self) -> Result<Vec<u8>, SessionError> {
        let password = self.login.password.as_ref();
        let password = password.ok_or(SessionError::NoPassword)?;
        Ok(password.0.as_bytes().to_vec())
    }

    fn password_over_tls(&self, what: &'static str) -> Result<Vec<u8>, SessionError> {
        match self.encrypted {
            true => self.password(),
            false => Err(SessionError::Unprotected(what)),
        }
    }
}

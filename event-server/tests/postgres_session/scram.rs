//! SCRAM-SHA-256 with the server's side of it, as RFC 5802 has it and RFC 5929 binds it to a certificate.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use event_server::store::postgres::{Session, SessionError, SessionEvent, Transport};
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::{Digest as _, Sha256};

use super::{authentication, begun, established};

const SALT: &[u8] = b"any salt";
const ITERATIONS: u32 = 2;

/// What stands for the server's certificate.
const HASH: [u8; 32] = [7; 32];

fn hmac(key: &[u8], message: &[u8]) -> [u8; 32] {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).unwrap();
    mac.update(message);
    mac.finalize().into_bytes().into()
}

fn xor(mut one: [u8; 32], other: [u8; 32]) -> [u8; 32] {
    one.iter_mut()
        .zip(other)
        .for_each(|(one, other)| *one ^= other);
    one
}

/// "Hi" of RFC 5802: the password, salted again and again.
fn salted(password: &str) -> [u8; 32] {
    let mut last = hmac(password.as_bytes(), &[SALT, &[0, 0, 0, 1]].concat());
    let mut all = last;
    for _ in 1..ITERATIONS {
        last = hmac(password.as_bytes(), &last);
        all = xor(all, last);
    }
    all
}

/// What a server with this password says, when a session has sent its first message and its last one; `None` where the last
/// one does not prove that it knows the password, or is bound to something else.
struct ServerSide {
    password: &'static str,
    /// How the first message has to begin.
    header: &'static str,
    /// What the last one has to be bound to.
    bound_to: &'static [u8],
}

impl ServerSide {
    fn answers(&self, session: &mut Session) -> Option<Vec<u8>> {
        let sent = session.take_output();
        let sent = String::from_utf8_lossy(&sent).into_owned();
        let at = sent.find(self.header)?;
        let first = sent[at + self.header.len()..].to_owned();
        let nonce = first.strip_prefix("n=,r=")?.to_owned();
        let salt = BASE64.encode(SALT);
        let challenge = format!("r={nonce}MORE,s={salt},i={ITERATIONS}");
        session.receive(&authentication(11, challenge.as_bytes()));
        session.poll().ok()?;

        let sent = session.take_output();
        // Behind the type and the length of the message.
        let last = std::str::from_utf8(&sent[5..]).ok()?;
        let (bare, proof) = last.split_once(",p=")?;
        let bound = [self.header.as_bytes(), self.bound_to].concat();
        let expected = format!("c={},r={nonce}MORE", BASE64.encode(bound));
        let exchange = format!("{first},{challenge},{bare}");
        let key = hmac(&salted(self.password), b"Client Key");
        let signature = hmac(&Sha256::digest(key), exchange.as_bytes());
        let proven = BASE64.decode(proof).ok()? == xor(key, signature);
        let key = hmac(&salted(self.password), b"Server Key");
        let signature = BASE64.encode(hmac(&key, exchange.as_bytes()));
        (bare == expected && proven).then(|| format!("v={signature}").into_bytes())
    }
}

/// A session that was [begun](begun), and whose server offers this.
fn asked(bound: bool, transport: Transport, hash: Option<[u8; 32]>, offer: &[u8]) -> Session {
    let mut session = begun(bound, transport, hash.map(Vec::from));
    session.receive(&authentication(10, offer));
    session
}

const PLAIN: &[u8] = b"SCRAM-SHA-256\0\0";
const BOTH: &[u8] = b"SCRAM-SHA-256-PLUS\0SCRAM-SHA-256\0\0";
const PLUS: &[u8] = b"SCRAM-SHA-256-PLUS\0\0";

#[test]
fn both_sides_prove_the_password_bound_to_the_certificate_where_that_can_be() {
    let bound = ("p=tls-server-end-point,,", HASH.as_slice());
    for (required, transport, hash, offer, (header, bound_to)) in [
        (false, Transport::Plain, None, PLAIN, ("n,,", &[][..])),
        (false, Transport::UnixSocket, None, BOTH, ("n,,", &[])),
        (false, Transport::Tls, None, BOTH, ("n,,", &[])),
        // It could be bound, and the server does not know that.
        (false, Transport::Tls, Some(HASH), PLAIN, ("y,,", &[])),
        (false, Transport::Tls, Some(HASH), BOTH, bound),
        (true, Transport::Tls, Some(HASH), BOTH, bound),
        (true, Transport::Tls, Some(HASH), PLUS, bound),
    ] {
        let case = format!("{transport:?}, required: {required}, {header}");
        let knows = |password| ServerSide {
            password,
            header,
            bound_to,
        };
        let begin = || {
            let mut session = asked(required, transport, hash, offer);
            assert!(session.poll().unwrap().is_none(), "{case}");
            session
        };
        let mut session = begin();
        let proof = knows("secret").answers(&mut session).expect(&case);
        session.receive(&authentication(12, &proof));
        session.receive(&established().concat());
        let event = session.poll().unwrap();
        assert!(
            matches!(event, Some(SessionEvent::Established(_))),
            "{case}"
        );

        let mut session = begin();
        assert_eq!(knows("another").answers(&mut session), None, "{case}");

        // A server that does not know the password guesses.
        let mut session = begin();
        knows("secret").answers(&mut session).unwrap();
        let guess = format!("v={}", BASE64.encode([0; 32]));
        session.receive(&authentication(12, guess.as_bytes()));
        session.receive(&established().concat());
        let outcome = session.poll().map(drop);
        assert!(matches!(outcome, Err(SessionError::Protocol(_))), "{case}");
    }
}

#[test]
fn a_server_that_offers_nothing_that_can_be_spoken_is_left_without_a_word() {
    let other: &[u8] = b"SCRAM-SHA-1\0\0";
    for (transport, hash, offer) in [
        (Transport::Plain, None, PLUS),
        (Transport::Plain, None, other),
        (Transport::Tls, None, PLUS),
        (Transport::Tls, Some(HASH), other),
    ] {
        let mut session = asked(false, transport, hash, offer);
        let outcome = session.poll().map(drop);
        assert_eq!(outcome.unwrap_err(), SessionError::Authentication);
        assert!(session.take_output().is_empty());
    }
}

//! The session with PostgreSQL on bytes that a server has sent, and on bytes that none would send.
//!
//! ../vectors/postgres_session.bin is all that PostgreSQL 15 sent to a central from the start of a session on: a lottery's
//! tables are made, an agency's 60 bets are stored, and the draw finds them. The role needed no password.

mod scram;

use event_server::store::postgres::{
    Login, Secret, Session, SessionError, SessionEvent, Shown, Transport,
};

const RECORDED: &[u8] = include_bytes!("../vectors/postgres_session.bin");

const TRANSPORTS: [Transport; 4] = [
    Transport::UnixSocket,
    Transport::Plain,
    Transport::Tls,
    Transport::DirectTls,
];

fn login() -> Login {
    Login {
        user: "postgres".to_owned(),
        database: "postgres".to_owned(),
        password: Some(Secret("secret".to_owned())),
        application: "test".to_owned(),
        options: None,
        channel_binding_required: false,
    }
}

/// Takes what happens, and asks the next query wherever one may be asked.
fn drain(session: &mut Session, events: &mut Vec<String>) -> Result<(), SessionError> {
    while let Some(event) = session.poll()? {
        events.push(match &event {
            SessionEvent::Row(row) => {
                let text = |column: &Option<&[u8]>| match column {
                    Some(bytes) => String::from_utf8_lossy(bytes).into_owned(),
                    None => "null".to_owned(),
                };
                let columns = row.columns()?;
                columns.iter().map(text).collect::<Vec<_>>().join(",")
            }
            event => format!("{event:?}"),
        });
        if session.is_idle() {
            session.query("select 1");
        }
        session.take_output();
    }
    Ok(())
}

fn replay<'b>(pieces: impl Iterator<Item = &'b [u8]>) -> Vec<String> {
    let mut session = Session::new(login(), Transport::Plain);
    let mut events = Vec::new();
    for piece in pieces {
        session.receive(piece);
        drain(&mut session, &mut events).unwrap();
    }
    events
}

#[test]
fn what_a_server_sent_means_the_same_however_it_is_cut() {
    let whole = replay([RECORDED].into_iter());
    let winners = whole.iter().filter(|event| event.starts_with("1,"));
    // The account that was read, and the bets that won.
    assert!(winners.count() >= 60, "{whole:#?}");
    assert!(whole[0].contains("version: \"15."), "{}", whole[0]);
    assert!(
        whole.iter().any(|event| event.contains("42P01")),
        "{whole:#?}"
    );
    assert!(
        whole.iter().any(|event| event.starts_with("Notified")),
        "{whole:#?}"
    );

    assert_eq!(replay(RECORDED.chunks(1)), whole, "byte by byte");
    for at in 0..RECORDED.len() {
        let (left, right) = RECORDED.split_at(at);
        assert_eq!(replay([left, right].into_iter()), whole, "cut at {at}");
    }
    for seed in 0..50 {
        let mut rng = fastrand::Rng::with_seed(seed);
        let (mut rest, mut pieces) = (RECORDED, Vec::new());
        while !rest.is_empty() {
            let (piece, after) = rest.split_at(rng.usize(1..=rest.len().min(90)));
            pieces.push(piece);
            rest = after;
        }
        assert_eq!(replay(pieces.into_iter()), whole, "seed {seed}");
    }
}

#[test]
fn arbitrary_and_damaged_bytes_end_a_session_at_worst() {
    for seed in 0..20_000 {
        let mut rng = fastrand::Rng::with_seed(seed);
        let mut session = Session::new(login(), rng.choice(TRANSPORTS).unwrap_or(Transport::Plain));
        let mut bytes = if rng.bool() {
            RECORDED.to_vec()
        } else {
            (0..rng.usize(..200)).map(|_| rng.u8(..)).collect()
        };
        for _ in 0..rng.usize(..6) {
            if !bytes.is_empty() {
                let at = rng.usize(..bytes.len());
                bytes[at] = rng.u8(..);
            }
        }
        let mut events = Vec::new();
        for piece in bytes.chunks(rng.usize(1..400)) {
            session.receive(piece);
            if drain(&mut session, &mut events).is_err() {
                break;
            }
        }
    }
}

/// A message of the server: its type, its length, its body.
fn message(kind: u8, body: &[u8]) -> Vec<u8> {
    let mut bytes = vec![kind];
    bytes.extend_from_slice(&(body.len() as u32 + 4).to_be_bytes());
    bytes.extend_from_slice(body);
    bytes
}

fn authentication(code: u32, rest: &[u8]) -> Vec<u8> {
    message(b'R', &[&code.to_be_bytes(), rest].concat())
}

fn parameter(name: &str, value: &str) -> Vec<u8> {
    message(b'S', format!("{name}\0{value}\0").as_bytes())
}

fn fault(kind: u8, severity: &str, code: &str) -> Vec<u8> {
    fault_of(kind, severity, code, "anything")
}

/// The same, reported by this function of the server.
fn fault_of(kind: u8, severity: &str, code: &str, routine: &str) -> Vec<u8> {
    let body = format!("S{severity}\0V{severity}\0C{code}\0Mwhat happened\0R{routine}\0\0");
    message(kind, body.as_bytes())
}

/// What a session without TLS comes to with these messages.
fn outcome(messages: &[Vec<u8>]) -> Result<Vec<String>, SessionError> {
    let mut session = Session::new(login(), Transport::Plain);
    session.receive(&messages.concat());
    let mut events = Vec::new();
    drain(&mut session, &mut events).map(|()| events)
}

fn established() -> Vec<Vec<u8>> {
    vec![
        authentication(0, b""),
        parameter("server_encoding", "UTF8"),
        message(b'Z', b"I"),
    ]
}

#[test]
fn a_server_that_cannot_be_used_is_told_from_one_that_is_away() {
    let standby = ["in_hot_standby", "default_transaction_read_only"].map(|name| {
        let mut messages = established();
        messages.insert(1, parameter(name, "on"));
        outcome(&messages).unwrap_err()
    });
    assert_eq!(standby, [SessionError::Standby, SessionError::Standby]);
    let mut latin = established();
    latin[1] = parameter("server_encoding", "LATIN1");
    assert!(matches!(
        outcome(&latin),
        Err(SessionError::Encoding { .. })
    ));
    for (messages, sentence) in [
        (
            vec![authentication(3, b"")],
            "the database wants a password in the clear over a connection without TLS",
        ),
        (
            vec![authentication(5, b"salt")],
            "the database wants an MD5 of the password over a connection without TLS",
        ),
        (
            vec![authentication(7, b"")],
            "the database wants a kind of authentication that is not spoken here",
        ),
        (
            vec![authentication(10, b"SCRAM-SHA-1\0\0")],
            "the database wants a kind of authentication that is not spoken here",
        ),
        (
            vec![fault(b'E', "FATAL", "57P03")],
            "what happened (SQLSTATE 57P03)",
        ),
    ] {
        let error = outcome(&messages).unwrap_err().to_string();
        assert!(error.starts_with(sentence), "{error}");
    }
}

#[test]
fn a_query_is_done_or_failed_and_in_doubt_after_a_warning_or_a_fatal_error() {
    let after = |messages: &[Vec<u8>]| {
        let mut all = established();
        all.extend_from_slice(messages);
        outcome(&all)
    };
    let ready = message(b'Z', b"I");
    let done = after(&[message(b'C', b"COPY 5\0"), ready.clone()]).unwrap();
    assert_eq!(done[1], "Done(Ok(()))");
    let failed = after(&[fault(b'E', "ERROR", "23505"), ready.clone()]).unwrap();
    assert!(failed[1].contains("23505"), "{failed:?}");
    let warned = [
        fault(b'N', "WARNING", "01000"),
        message(b'C', b"COMMIT\0"),
        ready.clone(),
    ];
    assert!(matches!(after(&warned), Err(SessionError::Doubt(_))));
    let told = [
        fault(b'N', "NOTICE", "00000"),
        message(b'C', b"COMMIT\0"),
        ready,
    ];
    assert_eq!(after(&told).unwrap()[1], "Done(Ok(()))");
    let fatal = after(&[fault(b'E', "FATAL", "57P01")]);
    assert!(matches!(fatal, Err(SessionError::Refused(_))));
}

#[test]
fn a_warning_leaves_a_commit_in_doubt_unless_it_is_known_to_be_about_something_else() {
    let warned = |code: &str, routine: &str| {
        let mut all = established();
        all.push(fault_of(b'N', "WARNING", code, routine));
        all.push(message(b'C', b"COMMIT\0"));
        all.push(message(b'Z', b"I"));
        outcome(&all)
    };
    // A wait for a standby that was cancelled, or ended; and what nobody knows.
    for (code, routine) in [
        ("01000", "SyncRepWaitForLSN"),
        ("57P01", "SyncRepWaitForLSN"),
        ("01000", "something_of_an_extension"),
        ("08006", "something_of_an_extension"),
    ] {
        let outcome = warned(code, routine);
        assert!(
            matches!(outcome, Err(SessionError::Doubt(_))),
            "{code} {routine}: {outcome:?}"
        );
    }
    // "database … must be vacuumed within … transactions" has the same SQLSTATE.
    for (code, routine) in [
        ("01000", "GetNewTransactionId"),
        ("01000", "pg_newlocale_from_collation"),
        ("01007", "ExecGrant_Relation"),
    ] {
        let events = warned(code, routine).unwrap();
        assert!(events[1].starts_with("Warned("), "{events:?}");
        assert_eq!(events[2], "Done(Ok(()))");
    }
}

#[test]
fn two_queries_behind_each_other_are_two_transactions() {
    let mut session = Session::new(login(), Transport::Plain);
    session.receive(&established().concat());
    assert!(matches!(
        session.poll(),
        Ok(Some(SessionEvent::Established(_)))
    ));
    session.query("first");
    session.query_behind("second");
    let ready = message(b'Z', b"I");
    session.receive(&[fault(b'E', "ERROR", "23505"), ready.clone()].concat());
    assert!(matches!(
        session.poll(),
        Ok(Some(SessionEvent::Done(Err(_))))
    ));
    assert!(!session.is_idle() && matches!(session.poll(), Ok(None)));
    session.receive(&ready);
    assert!(matches!(
        session.poll(),
        Ok(Some(SessionEvent::Done(Ok(()))))
    ));
    assert!(session.is_idle());
}

/// A server that has chosen PostgreSQL's protocol.
fn server(certificate: Option<Vec<u8>>, verified: bool) -> Shown {
    Shown {
        certificate,
        verified,
        speaks_postgres: true,
    }
}

/// A session that was begun over this transport, with a server of this certificate; its password has to be bound to that, or not.
fn begun(bound: bool, transport: Transport, hash: Option<Vec<u8>>) -> Session {
    let login = Login {
        channel_binding_required: bound,
        ..login()
    };
    let mut session = Session::new(login, transport);
    if transport == Transport::Tls {
        session.receive(b"S");
        assert!(matches!(session.poll(), Ok(Some(SessionEvent::BeginTls))));
        session.tls_established(server(hash, true)).unwrap();
    }
    session.take_output();
    session
}

/// A session over TLS with a server whose certificate was verified, or not, and that says this.
fn over_tls(verified: bool, messages: &[Vec<u8>]) -> (Session, Result<(), SessionError>) {
    let mut session = Session::new(login(), Transport::Tls);
    session.receive(b"S");
    assert!(matches!(session.poll(), Ok(Some(SessionEvent::BeginTls))));
    session.tls_established(server(None, verified)).unwrap();
    session.take_output();
    session.receive(&messages.concat());
    let outcome = session.poll().map(drop);
    (session, outcome)
}

#[test]
fn a_password_goes_in_the_clear_or_as_md5_only_to_a_server_whose_certificate_was_verified() {
    for (request, sent) in [
        (authentication(3, b""), "secret"),
        (
            authentication(5, b"salt"),
            "md584c038d2ecb3d1025e697333e1660011",
        ),
    ] {
        let (mut session, outcome) = over_tls(false, std::slice::from_ref(&request));
        let error = outcome.unwrap_err().to_string();
        assert!(error.contains("its certificate is not verified"), "{error}");
        assert!(session.take_output().is_empty(), "something was sent");

        let (mut session, outcome) = over_tls(true, &[request]);
        outcome.unwrap();
        let output = session.take_output();
        let text = String::from_utf8_lossy(&output);
        assert!(output[0] == b'p' && text.contains(sent), "{text}");
    }
}

#[test]
fn over_a_socket_of_the_machine_a_password_may_go_in_the_clear() {
    for request in [authentication(3, b""), authentication(5, b"salt")] {
        let mut session = Session::new(login(), Transport::UnixSocket);
        session.take_output();
        session.receive(&request);
        session.poll().unwrap();
        assert_eq!(session.take_output()[0], b'p');
    }
}

#[test]
fn where_the_password_has_to_be_bound_nothing_of_it_is_sent_to_a_server_that_cannot_bind_it() {
    let both = || authentication(10, b"SCRAM-SHA-256-PLUS\0SCRAM-SHA-256\0\0");
    let session = |transport: Transport, hash: Option<Vec<u8>>, request: Vec<u8>| {
        let mut session = begun(true, transport, hash);
        session.receive(&request);
        let outcome = session.poll().map(drop);
        (session.take_output(), outcome)
    };
    let hash = || Some(vec![7; 32]);
    for (transport, hash, request) in [
        (Transport::Plain, None, both()),
        (Transport::UnixSocket, None, both()),
        (Transport::Tls, None, both()),
        (
            Transport::Tls,
            hash(),
            authentication(10, b"SCRAM-SHA-256\0\0"),
        ),
        (Transport::Tls, hash(), authentication(3, b"")),
        (Transport::Tls, hash(), authentication(5, b"salt")),
        (Transport::Tls, hash(), authentication(0, b"")),
    ] {
        let (sent, outcome) = session(transport, hash, request);
        assert!(
            matches!(outcome, Err(SessionError::Unbound(_))),
            "{outcome:?}"
        );
        assert!(sent.is_empty(), "something was sent");
    }
    let (sent, outcome) = session(Transport::Tls, hash(), both());
    outcome.unwrap();
    let sent = String::from_utf8_lossy(&sent).into_owned();
    assert!(sent.contains("SCRAM-SHA-256-PLUS") && sent.contains("p=tls-server-end-point"));
}

#[test]
fn tls_that_begins_at_once_is_not_asked_for() {
    let mut session = Session::new(login(), Transport::DirectTls);
    assert!(session.take_output().is_empty());
    assert!(matches!(session.poll(), Ok(Some(SessionEvent::BeginTls))));
    assert!(matches!(session.poll(), Ok(None)));
    session.tls_established(server(None, true)).unwrap();
    assert!(!session.take_output().is_empty());
}

#[test]
fn where_tls_begins_at_once_nothing_is_sent_to_a_server_that_has_not_chosen_postgresqls_protocol() {
    let strange = Shown {
        speaks_postgres: false,
        ..server(None, true)
    };
    let mut session = Session::new(login(), Transport::DirectTls);
    session.poll().unwrap();
    let refused = session.tls_established(strange.clone());
    assert_eq!(refused, Err(SessionError::NoProtocol));
    assert!(session.take_output().is_empty());

    // One that has agreed to TLS in its own protocol need not choose: those before PostgreSQL 17 do not.
    let mut session = Session::new(login(), Transport::Tls);
    session.receive(b"S");
    session.poll().unwrap();
    session.tls_established(strange).unwrap();
    assert!(!session.take_output().is_empty());
}

#[test]
fn a_server_that_begins_scram_ends_it_with_its_own_proof_or_there_is_no_session() {
    let begun = || authentication(10, b"SCRAM-SHA-256\0\0");
    for (verified, then, sentence) in [
        // It lets anyone in, or asks for what is worth more.
        (
            false,
            authentication(0, b""),
            "does not prove that it knows",
        ),
        (true, authentication(0, b""), "does not prove that it knows"),
        (true, authentication(3, b""), "a kind of authentication"),
        (true, begun(), "a kind of authentication"),
    ] {
        let (_, outcome) = over_tls(verified, &[begun(), then]);
        let error = outcome.unwrap_err().to_string();
        assert!(error.contains(sentence), "{error}");
    }
    // It goes on until it has what it needs to guess the password.
    let (mut session, outcome) = over_tls(false, &[begun()]);
    outcome.unwrap();
    let output = session.take_output();
    let text = String::from_utf8_lossy(&output);
    let nonce = text.split("r=").nth(1).unwrap();
    let challenge = format!("r={nonce}more,s=c2FsdA==,i=4096");
    session.receive(&authentication(11, challenge.as_bytes()));
    session.poll().unwrap();
    assert!(String::from_utf8_lossy(&session.take_output()).contains(",p="));
    session.receive(&authentication(0, b""));
    assert_eq!(session.poll().unwrap_err(), SessionError::Unproven);
}

#[test]
fn nothing_in_the_clear_is_taken_behind_the_answer_to_the_request_for_tls() {
    let answer = |bytes: &[u8]| {
        let mut session = Session::new(login(), Transport::Tls);
        session.receive(bytes);
        session.poll()
    };
    assert!(matches!(answer(b"S"), Ok(Some(SessionEvent::BeginTls))));
    assert!(matches!(answer(b"N"), Err(SessionError::NoTls)));
    assert!(matches!(answer(b"SR"), Err(SessionError::Protocol(_))));
    assert!(matches!(answer(b"E"), Err(SessionError::Protocol(_))));
    assert!(matches!(answer(b""), Ok(None)));
}

#[test]
fn a_message_that_is_announced_too_large_is_not_waited_for() {
    let mut session = Session::new(login(), Transport::Plain);
    session.receive(&[b'D', 0x7f, 0xff, 0xff, 0xff]);
    let error = session.poll().unwrap_err().to_string();
    assert!(
        error.contains("a message of 2147483647 bytes is announced"),
        "{error}"
    );
    const MOST: u32 = 1024 * 1024;
    for (length, is_taken) in [(MOST, true), (MOST + 1, false)] {
        let mut session = Session::new(login(), Transport::Plain);
        session.receive(b"D");
        session.receive(&length.to_be_bytes());
        assert_eq!(session.poll().is_ok(), is_taken);
    }
}

//! The session with PostgreSQL takes any bytes, cut anywhere: the same bytes mean the same however they are cut, and
//! nothing that a server sends ends the program.

#![no_main]

use event_server::store::postgres::{Login, Secret, Session, SessionEvent, Shown, Transport};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let (mut controls, sent) = fuzz::input::split(bytes, 8_192);
    let with_tls = controls.below(2) == 1;
    let piece = 1 + controls.below(512);
    let whole = replay(with_tls, sent.chunks(sent.len().max(1)));
    let cut = replay(with_tls, sent.chunks(piece));
    // A session that asked for TLS must see that nothing follows the answer, which a cut hides.
    assert!(with_tls || whole == cut, "{whole:?} and {cut:?}");
});

fn replay<'b>(with_tls: bool, pieces: impl Iterator<Item = &'b [u8]>) -> Vec<String> {
    let transport = match with_tls {
        true => Transport::Tls,
        false => Transport::Plain,
    };
    let login = Login {
        user: "user".to_owned(),
        database: "database".to_owned(),
        password: Some(Secret("secret".to_owned())),
        application: "fuzz".to_owned(),
        options: None,
        channel_binding_required: false,
    };
    let mut session = Session::new(login, transport);
    let mut events = Vec::new();
    for piece in pieces {
        session.receive(piece);
        loop {
            match session.poll() {
                Ok(None) => break,
                Ok(Some(event)) => {
                    if let SessionEvent::BeginTls = event {
                        let shown = Shown {
                            verified: true,
                            speaks_postgres: true,
                            ..Shown::default()
                        };
                        session
                            .tls_established(shown)
                            .expect("it speaks PostgreSQL's protocol");
                    }
                    events.push(format!("{event:?}"));
                }
                Err(e) => {
                    events.push(e.to_string());
                    return events;
                }
            }
            if session.is_idle() {
                session.query("select 1");
            }
            session.take_output();
        }
    }
    events
}

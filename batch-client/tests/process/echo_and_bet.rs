//! Modes echo and bet.

use crate::client::{Client, Ended};
use crate::fake::{ClosedPort, FAILURE, Peer, SUCCESS, serve};

#[test]
fn echo_sends_its_messages_one_connection_each() {
    let (server, lines) = serve(|listener| {
        [b"\n", b" \r\n".as_slice(), b""].map(|end| {
            let mut peer = Peer::accept(&listener);
            let line = peer.line();
            peer.write(line.as_bytes());
            peer.write(end);
            line
        })
    });
    let ended = Client::new("echo", &server)
        .file(
            "config.yaml",
            "loop:\n  amount: 3\n  period: 50ms\nlog.level: INFO\n",
        )
        .run();
    assert_eq!(ended.code, Some(0));
    assert_eq!(
        lines.join().unwrap(),
        [1, 2, 3].map(|n| format!("[CLIENT 1] Message N°{n}"))
    );
    let message = |n| {
        format!(
            "INFO     action: receive_message | result: success | client_id: 1 | msg: [CLIENT 1] Message N°{n}"
        )
    };
    let closed = "INFO     action: close_connection | result: success".to_owned();
    assert_eq!(
        ended.log,
        [
            format!(
                "INFO     action: config | result: success | client_id: 1 | server_address: {server} | loop_amount: 3 | loop_period: 1ms | log_level: INFO"
            ),
            closed.clone(),
            message(1),
            closed.clone(),
            message(2),
            closed,
            message(3),
            "INFO     action: loop_finished | result: success | client_id: 1".to_owned(),
            "INFO     action: exit | result: success | container: client1".to_owned(),
        ]
    );
}

#[test]
fn echo_waits_for_the_server_and_accepts_no_other_answer() {
    let port = ClosedPort::new();
    let address = port.address();
    let mut client = Client::new("echo", &address)
        .env("CLI_LOOP_AMOUNT", "1")
        .start();
    client.wait_for("action: connect | result: in_progress");
    let listener = port.listen();
    let mut peer = Peer::accept(&listener);
    let line = peer.line();
    peer.write(line.replace('1', "2").as_bytes());
    peer.write(b"\n");
    client
        .end()
        .assert_failed(76, "it is not the message that was sent");

    let (server, _) = serve(|listener| Peer::accept(&listener).wait_for_close());
    let ended = Client::new("echo", &server).run();
    ended.assert_failed(69, "the server did not answer within 300ms");
    let (server, _) = serve(|listener| Peer::accept(&listener).line());
    let ended = Client::new("echo", &server).run();
    ended.assert_failed(69, "the server closed the connection");
    let ended = Client::new("echo", &ClosedPort::new().address())
        .env("CLI_SERVER_RETRY", "0s")
        .run();
    ended.assert_failed(69, "the server cannot be reached");
}

fn bet(server: &str, variables: &[(&str, &str)]) -> Ended {
    let client = Client::new("bet", server)
        .env("NOMBRE", "Santiago Lionel")
        .env("APELLIDO", " Lorca ")
        .env("DOCUMENTO", "30904465")
        .env("NACIMIENTO", "1999-03-17")
        .env("NUMERO", "7574");
    let set = |client: Client, (name, value): &(&str, &str)| client.env(name, value);
    variables.iter().fold(client, set).run()
}

#[test]
fn a_bet_is_sent_and_confirmed() {
    let (server, payload) = serve(|listener| {
        let mut peer = Peer::accept(&listener);
        let payload = peer.payload();
        peer.reply(&SUCCESS);
        payload
    });
    let ended = bet(&server, &[]);
    assert_eq!(ended.code, Some(0));
    assert_eq!(
        payload.join().unwrap().as_deref(),
        Some(
            "{agency:1,nombre:Santiago Lionel,apellido:Lorca,dni:30904465,nacimiento:1999-03-17,numero:7574}"
        )
    );
    assert_eq!(
        ended.lines("apuesta_enviada"),
        ["action: apuesta_enviada | result: success | dni: 30904465 | numero: 7574"]
    );
}

#[test]
fn a_bet_that_is_refused_or_unanswered_is_not_confirmed() {
    let (server, _) = serve(|listener| {
        let mut peer = Peer::accept(&listener);
        peer.request();
        peer.reply(&FAILURE);
    });
    bet(&server, &[]).assert_failed(76, "the server refused the bet");
    let (server, _) = serve(|listener| {
        let mut peer = Peer::accept(&listener);
        peer.request();
    });
    bet(&server, &[]).assert_failed(69, "the bet is in doubt");
}

#[test]
fn a_bet_with_a_bad_value_is_not_sent_and_the_log_does_not_hold_its_values() {
    for (variables, code, sentence) in [
        (
            &[("NOMBRE", ""), ("NUMERO", "")][..],
            78,
            "not set in the environment: NOMBRE, NUMERO",
        ),
        (
            &[("NACIMIENTO", "1999-02-29")],
            65,
            "the value of the variable NACIMIENTO is not allowed",
        ),
        (
            &[("APELLIDO", "\u{7}")],
            65,
            "the value of the variable APELLIDO is not allowed",
        ),
        (
            &[("APELLIDO", "O,H"), ("CLI_SERVER_PROTOCOL", "plain")],
            65,
            "a character that a plain server cannot read",
        ),
    ] {
        let ended = bet("127.0.0.1:1", variables);
        ended.assert_failed(code, sentence);
        let log = ended.log.concat();
        assert!(!log.contains("Santiago") && !log.contains("1999") && !log.contains("O,H"));
    }
}

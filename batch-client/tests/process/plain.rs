//! Mode batch with servers that know only types 1 to 6.

use frame::{Reply, Winners};

use crate::client::{Client, rows};
use crate::fake::{FAILURE, Peer, SUCCESS, serve, winners};

fn plain(server: &str) -> Client {
    Client::new("batch", server)
        .env("CLI_SERVER_PROTOCOL", "plain")
        .env("CLI_BATCH_MAXAMOUNT", "2")
        .file("bets.csv", rows(3))
}

#[test]
fn each_request_has_a_connection_of_its_own_whether_the_server_closes_it_or_not() {
    let answers = |mut peer: Peer, reply: &Reply<'_>| {
        peer.reply(reply);
        peer.wait_for_close();
    };
    let answers_and_closes = |mut peer: Peer, reply: &Reply<'_>| peer.reply(reply);
    let trickles = |mut peer: Peer, reply: &Reply<'_>| peer.trickle(reply);
    for answer in [answers, answers_and_closes, trickles] {
        let (server, payloads) = serve(move |listener| {
            let not_yet = Reply::Winners(Winners::InProgress);
            let replies = [SUCCESS, SUCCESS, SUCCESS, not_yet, winners("7|8")];
            replies.map(|reply| {
                let mut peer = Peer::accept(&listener);
                let payload = peer.payload().unwrap();
                answer(peer, &reply);
                payload.matches("numero").count()
            })
        });
        let ended = plain(&server).run();
        assert_eq!(ended.code, Some(0), "{:#?}", ended.log);
        assert_eq!(ended.stdout, "7\n8\n");
        assert_eq!(payloads.join().unwrap(), [2, 1, 0, 0, 0]);
        assert_eq!(ended.lines("batch_enviado").len(), 2);
        assert_eq!(
            ended.lines("consulta_ganadores"),
            [
                "action: consulta_ganadores | result: in_progress",
                "action: consulta_ganadores | result: success | cant_ganadores: 2"
            ]
        );
    }
}

#[test]
fn what_may_have_been_stored_is_not_sent_again_and_its_rows_are_named() {
    for (answered, doubtful) in [
        (0, "rows 1 to 2 of bets.csv are in doubt"),
        (1, "row 3 of bets.csv is in doubt"),
        (2, "\"finished\" is in doubt"),
    ] {
        for silent in [true, false] {
            let (server, _) = serve(move |listener| {
                for n in 0.. {
                    let mut peer = Peer::accept(&listener);
                    peer.request();
                    if n < answered {
                        peer.reply(&SUCCESS);
                    } else if silent {
                        peer.wait_for_close();
                    }
                }
            });
            let client = plain(&server).env("CLI_SERVER_TIMEOUT", "100ms");
            client.run().assert_failed(69, doubtful);
        }
    }
}

#[test]
fn a_winners_query_is_asked_again_until_it_is_answered() {
    let (server, _) = serve(|listener| {
        for _ in 0..3 {
            let mut peer = Peer::accept(&listener);
            peer.request();
            peer.reply(&SUCCESS);
        }
        let mut silent = Peer::accept(&listener);
        silent.request();
        silent.wait_for_close();
        let mut closes = Peer::accept(&listener);
        closes.request();
        drop(closes);
        let mut peer = Peer::accept(&listener);
        peer.request();
        peer.reply(&winners(""));
    });
    let ended = plain(&server).env("CLI_SERVER_TIMEOUT", "100ms").run();
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(0), ""));
}

#[test]
fn a_refusal_ends_the_run() {
    let (server, _) = serve(|listener| {
        let mut peer = Peer::accept(&listener);
        peer.request();
        peer.reply(&FAILURE);
    });
    let ended = plain(&server).run();
    ended.assert_failed(76, "the server refused a batch");
}

#[test]
fn a_row_that_needs_quotes_is_refused_before_anything_is_sent() {
    let file = rows(2) + "Ana,\"Lorca, h.\",1,2000-01-01,1\n";
    let ended = plain("127.0.0.1:1").file("bets.csv", file).run();
    ended.assert_failed(65, "bets.csv has 1 bad row");
    assert_eq!(
        ended.lines("read_file")[0],
        "action: read_file | result: fail | error: bets.csv:3:2: apellido holds a character that a plain server cannot read: one of , \\x7c { } or a quote at its beginning"
    );
    assert!(ended.lines("connect").is_empty());
}

//! Mode batch with servers that know only types 1 to 6.

use std::time::Duration;

use frame::{Reply, Request, Winners};

use crate::client::{Client, rows};
use crate::fake::{ClosedPort, FAILURE, Peer, SUCCESS, numbers, serve, winners};

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
        (
            0,
            "rows 1 to 2 of bets.csv are in doubt; look at what the server stored before you send again; go on with --from-row 3 where what is in doubt is stored, else with --from-row 1",
        ),
        (
            1,
            "row 3 of bets.csv is in doubt; look at what the server stored before you send again; rows 1 to 2 of bets.csv are stored, and a run from the beginning would store them again: go on with --from-row 4 where what is in doubt is stored, else with --from-row 3",
        ),
        (
            2,
            "\"finished\" is in doubt; look at what the server stored before you send again; all of bets.csv (3 rows) is stored",
        ),
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

/// A server that stores whatever it is sent and goes away after so many replies.
fn goes_away(after: usize) -> (String, std::thread::JoinHandle<Vec<u32>>) {
    serve(move |listener| {
        let mut stored = Vec::new();
        for _ in 0..after {
            let mut peer = Peer::accept(&listener);
            if let Some(request @ Request::Batch(_)) = peer.request() {
                stored.extend(numbers(&request));
            }
            peer.reply(&SUCCESS);
        }
        stored
    })
}

#[test]
fn a_run_that_ends_in_the_middle_says_where_to_go_on_and_then_each_bet_is_stored_once() {
    let client = |server: &str| {
        let client = plain(server).env("CLI_SERVER_RETRY", "200ms");
        client.file("bets.csv", rows(5))
    };
    let (server, stored) = goes_away(2);
    let ended = client(&server).run();
    let left = "rows 1 to 4 of bets.csv are stored, and a run from the beginning would store them again: go on with --from-row 5";
    ended.assert_failed(69, left);
    let last = ended.log.last().unwrap();
    assert!(!last.contains("run again"), "{last}");
    let mut all = stored.join().unwrap();
    let (server, stored) = serve(|listener| {
        let mut stored = Vec::new();
        for _ in 0..2 {
            let mut peer = Peer::accept(&listener);
            if let Some(request @ Request::Batch(_)) = peer.request() {
                stored.extend(numbers(&request));
            }
            peer.reply(&SUCCESS);
        }
        let mut peer = Peer::accept(&listener);
        peer.request();
        peer.reply(&winners("7"));
        stored
    });
    let ended = client(&server).arg("--from-row").arg("5").run();
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(0), "7\n"));
    all.extend(stored.join().unwrap());
    assert_eq!(all, [1, 2, 3, 4, 5]);
    // All is stored, and then all is said.
    let all = "all of bets.csv (5 rows) is stored, and a run from the beginning would store it again: go on with --from-row 6";
    client(&goes_away(3).0).run().assert_failed(69, all);
    let asks = "all is sent: ask for the winners with batch-client winners";
    client(&goes_away(4).0).run().assert_failed(69, asks);
}

#[test]
fn where_nothing_is_stored_a_run_from_the_beginning_is_right() {
    let client = plain(&ClosedPort::new().address()).env("CLI_SERVER_RETRY", "100ms");
    let ended = client.run();
    ended.assert_failed(69, "or correct server.address, and run again");
}

#[test]
fn from_row_is_for_plain_servers_and_for_rows_that_the_file_has() {
    let from = |client: Client, row: &str| client.arg("--from-row").arg(row).run();
    from(plain("127.0.0.1:1"), "5").assert_failed(64, "--from-row is 5, and bets.csv has 3 rows");
    assert_eq!(from(plain("127.0.0.1:1"), "0").code, Some(64));
    let resume = Client::new("batch", "127.0.0.1:1").file("bets.csv", rows(3));
    from(resume, "2").assert_failed(64, "--from-row is for server.protocol plain");
}

#[test]
fn a_reply_may_take_longer_than_the_timeout_as_long_as_bytes_come() {
    let (server, _) = serve(|listener| {
        for _ in 0..3 {
            let mut peer = Peer::accept(&listener);
            peer.request();
            peer.reply(&SUCCESS);
        }
        let mut peer = Peer::accept(&listener);
        peer.request();
        // Twenty bytes, each within the timeout, and all of them not.
        peer.drip(&winners("30904465|30904466"), Duration::from_millis(60));
    });
    let ended = plain(&server).env("CLI_SERVER_TIMEOUT", "600ms").run();
    assert_eq!(ended.stdout, "30904465\n30904466\n", "{:#?}", ended.log);
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

//! Mode batch with a server that knows resume.

use std::net::TcpListener;

use frame::{Documents, MessageId, Reply, Request, UploadId, Winners};

use crate::client::{Client, rows};
use crate::fake::{ClosedPort, FAILURE, Peer, SUCCESS, numbers, refused, serve, winners};

/// A server that has `stored` rows and acknowledges all that it is sent; returns the payloads.
fn working_server(stored: u64) -> (String, std::thread::JoinHandle<Vec<String>>) {
    serve(move |listener| work(Peer::accept(&listener), stored))
}

fn work(mut peer: Peer, stored: u64) -> Vec<String> {
    let mut payloads = Vec::new();
    while let Some(payload) = peer.payload() {
        peer.reply(&match payload.as_str() {
            text if text.contains("envio") => Reply::Resumed(stored),
            "{agency:1}" => winners("30000002|\"a,b\"|\"\"\"q\\\"\"\""),
            _ => SUCCESS,
        });
        payloads.push(payload);
    }
    payloads
}

fn bet(n: u32) -> String {
    format!(
        "{{agency:1,nombre:Ana María,apellido:Lorca,dni:{},nacimiento:2000-02-29,numero:{n}}}",
        30_000_000 + n
    )
}

#[test]
fn a_whole_run_is_logged_as_specified_and_its_winners_are_printed() {
    let (server, payloads) = working_server(0);
    let ended = Client::new("batch", &server)
        .env("CLI_BATCH_MAXAMOUNT", "2")
        .env("CLI_LOG_LEVEL", "debug")
        .file("bets.csv", rows(3))
        .run();
    let hash = blake3::hash(rows(3).as_bytes());
    let upload = UploadId(hash.as_bytes()[..16].try_into().unwrap());
    let payloads = payloads.join().unwrap();
    assert_eq!(
        payloads,
        [
            format!("{{agency:1,envio:{upload}}}"),
            format!("{}|{}", bet(1), bet(2)),
            bet(3),
            "{agency:1,apuestas:3}".to_owned(),
            "{agency:1}".to_owned(),
        ]
    );
    let id = |n: usize| MessageId::of(payloads[n].as_bytes());
    let (first, second, finished) = (id(1), id(2), id(3));
    assert_eq!(
        ended.log.join("\n"),
        format!(
            "\
INFO     action: config | result: success | client_id: 1 | server_address: {server} | loop_amount: 5 | loop_period: 1ms | log_level: DEBUG
INFO     action: read_file | result: success | apuestas: 3 | envio: {upload}
INFO     action: resume | result: success | apuestas: 0
INFO     action: batch_enviado | result: success | id: {first} | cantidad: 2
INFO     action: batch_enviado | result: success | id: {second} | cantidad: 1
INFO     action: notify_finished | result: success | id: {finished}
INFO     action: consulta_ganadores | result: success | cant_ganadores: 3
INFO     action: close_connection | result: success
INFO     action: close_file | result: success
INFO     action: exit | result: success | container: client1"
        )
    );
    assert_eq!(ended.stdout, "30000002\na,b\n\"q\\\\\"\n");
    assert_eq!(ended.code, Some(0));
}

#[test]
fn winners_are_printed_as_json_with_the_flag_json() {
    let (server, _payloads) = working_server(0);
    let client = Client::new("batch", &server).file("bets.csv", rows(3));
    assert_eq!(
        client.arg("--json").run().stdout,
        "{\"agency\":1,\"bets\":3,\"winners\":[\"30000002\",\"a,b\",\"\\\"q\\\\\\\"\"]}\n"
    );
}

#[test]
fn with_no_wait_a_run_ends_once_the_agency_has_finished_and_mode_winners_asks_later() {
    let (server, payloads) = working_server(0);
    let client = Client::new("batch", &server).file("bets.csv", rows(3));
    let ended = client.arg("--no-wait").run();
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(0), ""));
    assert_eq!(ended.lines("notify_finished").len(), 1);
    assert_eq!(
        payloads.join().unwrap().last().unwrap(),
        "{agency:1,apuestas:3}"
    );

    let (server, _payloads) = working_server(3);
    let client = Client::new("batch", &server).file("bets.csv", rows(3));
    assert_eq!(
        client.arg("--no-wait").arg("--json").run().stdout,
        "{\"agency\":1,\"bets\":3,\"winners\":null}\n"
    );

    let (server, payloads) = working_server(0);
    let ended = Client::new("winners", &server).run();
    assert_eq!(
        (ended.code, ended.stdout.as_str()),
        (Some(0), "30000002\na,b\n\"q\\\\\"\n")
    );
    assert_eq!(payloads.join().unwrap(), ["{agency:1}"]);
    assert_eq!(
        ended.lines("consulta_ganadores"),
        ["action: consulta_ganadores | result: success | cant_ganadores: 3"]
    );
    let (server, _payloads) = working_server(0);
    assert_eq!(
        Client::new("winners", &server).arg("--json").run().stdout,
        "{\"agency\":1,\"winners\":[\"30000002\",\"a,b\",\"\\\"q\\\\\\\"\"]}\n"
    );
}

#[test]
fn mode_winners_waits_for_a_held_query_longer_than_the_timeout() {
    let (server, asked) = serve(|listener| {
        let mut peer = Peer::accept(&listener);
        peer.request();
        std::thread::sleep(std::time::Duration::from_millis(500));
        peer.reply(&winners("7"));
        // It was not asked twice.
        peer.payload()
    });
    let client = Client::new("winners", &server).env("CLI_SERVER_TIMEOUT", "100ms");
    assert_eq!(client.run().stdout, "7\n");
    assert_eq!(asked.join().unwrap(), None);
}

#[test]
fn rows_that_the_server_has_are_not_sent_and_a_file_that_may_be_empty_is_finished_at_once() {
    for (count, stored) in [(5, 3), (5, 5), (0, 0)] {
        let (server, payloads) = working_server(stored);
        let client = Client::new("batch", &server).file("bets.csv", rows(count as usize));
        let client = client.env("CLI_BATCH_ALLOWEMPTY", "true");
        assert_eq!(client.run().code, Some(0));
        let payloads = payloads.join().unwrap();
        let sent: Vec<String> = (stored as u32 + 1..=count).map(bet).collect();
        assert_eq!(payloads[1..payloads.len() - 2].concat(), sent.join("|"));
        let finished = format!("{{agency:1,apuestas:{count}}}");
        assert_eq!(payloads[payloads.len() - 2], finished);
    }
}

#[test]
fn a_client_whose_upload_another_one_goes_on_with_tries_again_after_pauses_and_ends_the_third_time()
{
    const REASON: &str = "another client of agency 1 goes on with this upload";
    let (server, stored) = serve(|listener| {
        let mut stored = 0;
        for _ in 0..3 {
            let mut peer = Peer::accept(&listener);
            // Each time there is progress: it buys no time.
            for reply in [Reply::Resumed(stored), SUCCESS, refused(REASON)] {
                peer.request().unwrap();
                peer.reply(&reply);
            }
            stored += 1;
            peer.wait_for_close();
        }
        stored
    });
    let client = Client::new("batch", &server)
        .env("CLI_BATCH_MAXAMOUNT", "1")
        .file("bets.csv", rows(20));
    let ended = client.run();
    assert_eq!(stored.join().unwrap(), 3);
    assert_eq!(ended.code, Some(75), "{:?}", ended.log);
    let told: Vec<&String> = (ended.log.iter())
        .filter(|line| line.contains(REASON))
        .collect();
    let [first, second, last] = told.as_slice() else {
        panic!("{:?}", ended.log);
    };
    for line in [first, second] {
        assert!(line.starts_with("WARNING  action: connect | result: in_progress | retry_in: "));
        assert!(line.ends_with(&format!("| error: {REASON}")), "{line}");
    }
    let end = format!("error: {REASON}, three times in a row: end one of the two, ");
    assert!(last.contains(&end), "{last}");
}

/// What a server does on one connection before it dies.
struct Lifetime {
    /// How many of the rows that were stored it still has; `None` for all.
    keeps: Option<u64>,
    /// It dies after so many batches.
    batches: usize,
    /// Whether it acknowledges the last of them.
    acknowledges: bool,
}

#[test]
fn an_upload_survives_any_restart_of_the_server_whatever_it_has_lost() {
    let lifetimes = [
        // It has stored a batch that it did not acknowledge.
        (None, 3, false),
        (None, 2, true),
        // It has lost what it had acknowledged.
        (Some(2), 1, true),
        (None, 0, true),
        (None, usize::MAX, true),
    ];
    let (server, stored) = serve(move |listener| {
        let mut stored: Vec<u32> = Vec::new();
        for (keeps, batches, acknowledges) in lifetimes {
            let lifetime = Lifetime {
                keeps,
                batches,
                acknowledges,
            };
            serve_once(&listener, &mut stored, &lifetime);
        }
        stored
    });
    let ended = Client::new("batch", &server)
        .env("CLI_BATCH_MAXAMOUNT", "1")
        .env("CLI_BATCH_WINDOW", "2")
        .file("bets.csv", rows(9))
        .run();
    assert_eq!(ended.code, Some(0), "{:#?}", ended.log);
    assert_eq!(stored.join().unwrap(), Vec::from_iter(1..=9));
    assert_eq!(
        ended.lines("resume"),
        [
            "action: resume | result: success | apuestas: 0",
            "action: resume | result: success | apuestas: 3",
            "action: resume | result: success | apuestas: 2",
            "action: resume | result: in_progress | warning: the server has lost 3 acknowledged bets, which will be sent again",
            "action: resume | result: success | apuestas: 3",
            "action: resume | result: success | apuestas: 3",
        ]
    );
    assert_eq!(ended.lines("close_connection").len(), 5);
    assert_eq!(ended.lines("connect").len(), 4);
}

fn serve_once(listener: &TcpListener, stored: &mut Vec<u32>, lifetime: &Lifetime) {
    let mut peer = Peer::accept(listener);
    stored.truncate(lifetime.keeps.map_or(usize::MAX, |k| k as usize));
    let mut batches = 0;
    while let Some(request) = peer.request() {
        let reply = match request {
            Request::Resume { .. } => Reply::Resumed(stored.len() as u64),
            Request::Batch(_) => {
                if batches == lifetime.batches {
                    return;
                }
                batches += 1;
                stored.extend(numbers(&request));
                if batches == lifetime.batches && !lifetime.acknowledges {
                    return;
                }
                SUCCESS
            }
            Request::Winners { .. } => winners(""),
            _ => SUCCESS,
        };
        peer.trickle(&reply);
    }
}

#[test]
fn the_client_waits_for_a_server_that_starts_late_and_gives_up_on_one_that_never_starts() {
    let port = ClosedPort::new();
    let address = port.address();
    let mut client = Client::new("batch", &address)
        .file("bets.csv", rows(1))
        .start();
    client.wait_for("action: connect | result: in_progress | retry_in: ");
    let listener = port.listen();
    let mut stored = Vec::new();
    let lifetime = Lifetime {
        keeps: None,
        batches: 2,
        acknowledges: true,
    };
    serve_once(&listener, &mut stored, &lifetime);
    assert_eq!(client.end().code, Some(0));

    Client::new("batch", &ClosedPort::new().address())
        .env("CLI_SERVER_RETRY", "150ms")
        .file("bets.csv", rows(1))
        .run()
        .assert_failed(69, "the server cannot be reached");
}

#[test]
fn a_resume_that_is_refused_without_a_reason_means_a_server_that_does_not_know_resume() {
    let (server, _) = serve(|listener| {
        let mut peer = Peer::accept(&listener);
        peer.request();
        peer.reply(&FAILURE);
        peer.wait_for_close();
    });
    Client::new("batch", &server)
        .file("bets.csv", rows(1))
        .run()
        .assert_failed(76, "set server.protocol to plain if it is one");
}

#[test]
fn a_proxy_whose_server_is_away_is_a_lost_connection_like_any_other() {
    let closes = |listener: &TcpListener| drop(Peer::accept(listener));
    // The server comes.
    let (server, payloads) = serve(move |listener| {
        (0..6).for_each(|_| closes(&listener));
        work(Peer::accept(&listener), 0)
    });
    let client = Client::new("batch", &server).file("bets.csv", rows(1));
    let ended = client.run();
    assert_eq!(ended.code, Some(0), "{:#?}", ended.log);
    assert_eq!(payloads.join().unwrap().len(), 4);
    // It never does.
    let (server, _) = serve(move |listener| {
        loop {
            closes(&listener);
        }
    });
    let client = Client::new("batch", &server).env("CLI_SERVER_RETRY", "1s");
    let ended = client.file("bets.csv", rows(1)).run();
    ended.assert_failed(69, "without progress: ");
    assert!(!ended.log.concat().contains("plain"), "{:#?}", ended.log);
    assert!(ended.lines("connect").len() > 4, "{:#?}", ended.log);
}

/// Serves one connection up to its winners query.
fn serve_to_the_query(listener: &TcpListener) -> Peer {
    let mut peer = Peer::accept(listener);
    while let Some(request) = peer.request() {
        let reply = match request {
            Request::Resume { .. } => Reply::Resumed(1),
            Request::Winners { .. } => return peer,
            _ => SUCCESS,
        };
        peer.reply(&reply);
    }
    panic!("the client goes away")
}

#[test]
fn waiting_for_the_draw_is_no_time_without_progress_however_often_the_connection_is_cut() {
    for mode in ["batch", "winners"] {
        let (server, _) = serve(move |listener| {
            for _ in 0..5 {
                // A query that is held for a while, and cut by a proxy.
                let _peer = if mode == "batch" {
                    serve_to_the_query(&listener)
                } else {
                    let mut peer = Peer::accept(&listener);
                    peer.request();
                    peer
                };
                std::thread::sleep(std::time::Duration::from_millis(60));
            }
            let mut peer = Peer::accept(&listener);
            while let Some(request) = peer.request() {
                let reply = match request {
                    Request::Resume { .. } => Reply::Resumed(1),
                    Request::Winners { .. } => winners("7"),
                    _ => SUCCESS,
                };
                peer.reply(&reply);
            }
        });
        // All pauses together are longer than that.
        let ended = Client::new(mode, &server)
            .env("CLI_SERVER_RETRY", "500ms")
            .env("CLI_SERVER_TIMEOUT", "50ms")
            .file("bets.csv", rows(1))
            .run();
        assert_eq!(ended.stdout, "7\n", "{:#?}", ended.log);
    }
}

#[test]
fn a_pause_that_the_server_asked_for_is_no_time_without_progress() {
    let (server, _) = serve(|listener| {
        for _ in 0..3 {
            let mut peer = serve_to_the_query(&listener);
            peer.reply(&Reply::Winners(frame::Winners::InProgress));
            // It goes away in the pause.
            std::thread::sleep(std::time::Duration::from_millis(400));
        }
        let mut peer = serve_to_the_query(&listener);
        peer.reply(&winners("7"));
    });
    let ended = Client::new("batch", &server)
        .env("CLI_SERVER_RETRY", "300ms")
        .env("CLI_LOOP_PERIOD", "1h")
        .file("bets.csv", rows(1))
        .run();
    assert_eq!(ended.stdout, "7\n", "{:#?}", ended.log);
}

#[test]
fn a_server_that_is_silent_to_more_than_three_resumes_is_waited_for() {
    let (server, accepted) = serve(|listener| {
        for _ in 0..5 {
            let mut peer = Peer::accept(&listener);
            peer.request();
            peer.wait_for_close();
        }
        work(Peer::accept(&listener), 0)
    });
    let client = Client::new("batch", &server).env("CLI_SERVER_TIMEOUT", "500ms");
    let ended = client.file("bets.csv", rows(1)).run();
    assert_eq!(ended.code, Some(0), "{:?}", ended.log);
    accepted.join().unwrap();
}

#[test]
fn a_server_that_is_silent_for_server_retry_is_given_up() {
    let (server, _accepted) = serve(|listener| {
        loop {
            let mut peer = Peer::accept(&listener);
            peer.request();
            peer.wait_for_close();
        }
    });
    let client = Client::new("batch", &server).env("CLI_SERVER_TIMEOUT", "50ms");
    let client = client
        .env("CLI_SERVER_RETRY", "400ms")
        .file("bets.csv", rows(1));
    let sentence = "the server did not answer within 50ms; see to the server, and run again";
    client.run().assert_failed(69, sentence);
}

#[test]
fn a_refusal_ends_the_upload_and_a_lack_of_space_is_temporary() {
    for (reason, code) in [("another upload was first", 76), ("no space left", 75)] {
        for refuses_resume in [true, false] {
            let (server, _) = serve(move |listener| {
                let mut peer = Peer::accept(&listener);
                while let Some(request) = peer.request() {
                    let reply = match request {
                        Request::Resume { .. } if !refuses_resume => Reply::Resumed(0),
                        _ => refused(reason),
                    };
                    peer.reply(&reply);
                }
            });
            let client = Client::new("batch", &server).file("bets.csv", rows(1));
            client.run().assert_failed(code, reason);
        }
    }
}

#[test]
fn a_server_that_breaks_the_protocol_ends_the_upload() {
    for (answer, sentence) in [
        (&b"hello\n"[..], "a frame of length 1751477356 is announced"),
        (
            b"\0\0\0\x12\0\x0900112233445566778899",
            "no reply has type 9",
        ),
    ] {
        let (server, _) = serve(move |listener| {
            let mut peer = Peer::accept(&listener);
            peer.request();
            peer.write(answer);
            peer.wait_for_close();
        });
        let client = Client::new("batch", &server).file("bets.csv", rows(1));
        client.run().assert_failed(76, sentence);
    }
    let (server, _) = working_server(2);
    let client = Client::new("batch", &server).file("bets.csv", rows(1));
    let ended = client.run();
    ended.assert_failed(76, "the server has 2 bets of a file of 1 row:");
}

#[test]
fn winners_of_a_hostile_server_cannot_steer_the_terminal_they_are_printed_on() {
    for (json, printed) in [
        (false, "1\\u{1b}[2J\n2\\u{202e}\n3\\\\n\n"),
        (
            true,
            "{\"agency\":1,\"winners\":[\"1\\u001b[2J\",\"2\\u202e\",\"3\\\\n\"]}\n",
        ),
    ] {
        let (server, _done) = serve(|listener| {
            let mut peer = Peer::accept(&listener);
            peer.payload().unwrap();
            peer.reply(&winners("1\u{1b}[2J|2\u{202e}|\"3\\n\""));
            peer.wait_for_close();
        });
        let mut client = Client::new("winners", &server);
        if json {
            client = client.arg("--json");
        }
        let ended = client.run();
        assert_eq!(
            (ended.code, ended.stdout.as_str()),
            (Some(0), printed),
            "{:?}",
            ended.log
        );
    }
}

#[test]
fn a_port_that_speaks_http_is_named() {
    let (server, _done) = serve(|listener| {
        let mut peer = Peer::accept(&listener);
        peer.payload();
        peer.write(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n");
    });
    let ended = Client::new("batch", &server)
        .file("bets.csv", rows(1))
        .run();
    ended.assert_failed(
        76,
        "it speaks HTTP: this is the port of a page, or of a proxy",
    );
}

#[test]
fn a_reply_full_of_winners_takes_a_small_multiple_of_its_size_in_memory() {
    // Of one letter each: as many as a reply of 16 MiB holds, but for some hundreds.
    const WINNERS: usize = 8_388_000;
    for (json, document) in [(false, "1\n"), (true, "\"1\"")] {
        let (server, _done) = serve(|listener| {
            let mut peer = Peer::accept(&listener);
            peer.payload().unwrap();
            let list = vec!["1"; WINNERS].join("|");
            peer.reply(&Reply::Winners(Winners::Drawn(Documents::new(
                list.as_bytes(),
            ))));
            peer.wait_for_close();
        });
        let mut client = Client::new("winners", &server).env("CLI_SERVER_TIMEOUT", "60s");
        if json {
            client = client.arg("--json");
        }
        let running = client.start();
        running.limit_memory(200 * 1024 * 1024);
        let ended = running.end();
        assert_eq!(ended.code, Some(0), "{:?}", ended.log);
        assert_eq!(ended.stdout.matches(document).count(), WINNERS);
    }
}

//! Several centrals: where a client begins, when it goes to the next one, and what its log says of them.

use std::net::{IpAddr, TcpListener, ToSocketAddrs};
use std::sync::mpsc;

use frame::{Reply, Request};

use crate::client::{Client, Ended, rows};
use crate::fake::{ClosedPort, FAILURE, Peer, SUCCESS, numbers, refused, serve, winners};

fn local() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    (listener, address)
}

/// Serves one connection of a central that shares its store with the other ones. It closes the connection when the
/// batch after the first `batches` comes, and keeps what it has stored.
fn serve_once(listener: &TcpListener, stored: &mut Vec<u32>, batches: usize) {
    let mut peer = Peer::accept(listener);
    let mut taken = 0;
    while let Some(request) = peer.request() {
        let reply = match request {
            Request::Resume { .. } => Reply::Resumed(stored.len() as u64),
            Request::Batch(_) if taken == batches => return,
            Request::Batch(_) => {
                taken += 1;
                stored.extend(numbers(&request));
                SUCCESS
            }
            Request::Winners { .. } => winners("7"),
            _ => SUCCESS,
        };
        peer.reply(&reply);
    }
}

/// The values of `server_address` in the lines about failed connections.
fn failed(ended: &Ended) -> Vec<String> {
    let lines = ended.lines("connect").into_iter();
    let address = |line: &str| {
        let (_, rest) = line.split_once(" | server_address: ")?;
        rest.split(" | ").next().map(str::to_owned)
    };
    lines.filter_map(address).collect()
}

#[test]
fn the_next_central_is_used_after_a_failed_connect_and_after_a_lost_connection_and_each_bet_is_stored_once()
 {
    let dead = ClosedPort::new();
    let ((first, first_address), (last, last_address)) = (local(), local());
    // Agency 7 of three addresses begins at the second one.
    let list = format!("{last_address}, {},{first_address}", dead.address());
    let centrals = std::thread::spawn(move || {
        let mut stored = Vec::new();
        serve_once(&first, &mut stored, 3);
        serve_once(&last, &mut stored, usize::MAX);
        stored
    });
    let ended = Client::new("batch", &list)
        .env("CLI_ID", "7")
        .env("CLI_BATCH_MAXAMOUNT", "1")
        .env("CLI_BATCH_WINDOW", "2")
        .file("bets.csv", rows(9))
        .run();
    assert_eq!(ended.code, Some(0), "{:#?}", ended.log);
    assert_eq!(ended.stdout, "7\n");
    assert_eq!(centrals.join().unwrap(), Vec::from_iter(1..=9));
    assert_eq!(failed(&ended), [dead.address(), first_address.clone()]);
    assert_eq!(
        ended.lines("resume"),
        [
            "action: resume | result: success | apuestas: 0",
            "action: resume | result: success | apuestas: 3"
        ]
    );
    let refused = format!(
        "error: the server cannot be reached at {}: Connection refused",
        dead.address()
    );
    assert!(
        ended.lines("connect")[0].contains(&refused),
        "{:#?}",
        ended.log
    );
    let configured = format!(
        "server_address: {last_address},{},{first_address} | ",
        dead.address()
    );
    assert!(
        ended.lines("config")[0].contains(&configured),
        "{:#?}",
        ended.log
    );
}

#[test]
fn each_agency_begins_at_the_place_that_its_number_gives() {
    let (reached, place_reached) = mpsc::channel();
    let servers = [0, 1, 2].map(|place| {
        let reached = reached.clone();
        let (address, _) = serve(move |listener| {
            for _ in 0..4 {
                let mut peer = Peer::accept(&listener);
                let line = peer.line();
                peer.write(line.as_bytes());
                let _ = reached.send(place);
            }
        });
        address
    });
    for id in ["3", "4", "5", "4294967295"] {
        let ended = Client::new("echo", &servers.join(","))
            .env("CLI_ID", id)
            .env("CLI_LOOP_AMOUNT", "1")
            .run();
        assert_eq!(ended.code, Some(0), "agency {id}");
        assert_eq!(
            place_reached.recv().unwrap(),
            id.parse::<u64>().unwrap() % 3
        );
    }
}

#[test]
fn a_client_gives_up_only_after_it_has_tried_every_central() {
    let ports = [ClosedPort::new(), ClosedPort::new()];
    let list = ports.each_ref().map(ClosedPort::address).join(",");
    let ended = Client::new("batch", &list)
        .env("CLI_SERVER_RETRY", "500ms")
        .file("bets.csv", rows(1))
        .run();
    ended.assert_failed(69, &format!("gave up on {list} after "));
    let failed = failed(&ended);
    assert_eq!(failed[..2], [ports[1].address(), ports[0].address()]);
}

/// What an address may lead to instead of a central of this lottery. It answers one connection after the other in the same
/// way.
#[derive(Clone, Copy, Debug)]
enum Wrong {
    Http,
    OtherLottery,
    Plain,
    AheadOfTheFile,
}

fn wrong(kind: Wrong) -> String {
    let (address, _) = serve(move |listener| {
        loop {
            let mut peer = Peer::accept(&listener);
            peer.request();
            match kind {
                Wrong::Http => peer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n"),
                Wrong::OtherLottery => peer.reply(&refused("agency 1 does not take part")),
                Wrong::Plain => peer.reply(&FAILURE),
                Wrong::AheadOfTheFile => peer.reply(&Reply::Resumed(1_000)),
            }
            peer.wait_for_close();
        }
    });
    address
}

const ALL_WRONG: [Wrong; 4] = [
    Wrong::Http,
    Wrong::OtherLottery,
    Wrong::Plain,
    Wrong::AheadOfTheFile,
];

#[test]
fn what_is_no_central_of_this_lottery_is_skipped_while_another_address_is_left() {
    for kind in ALL_WRONG {
        let (listener, good) = local();
        let bad = wrong(kind);
        let central = std::thread::spawn(move || {
            let mut stored = Vec::new();
            // It is lost in the middle, and the bad one is not tried again.
            serve_once(&listener, &mut stored, 1);
            serve_once(&listener, &mut stored, usize::MAX);
            stored
        });
        // Agency 1 of two addresses begins at the second one.
        let ended = Client::new("batch", &format!("{good},{bad}"))
            .env("CLI_BATCH_MAXAMOUNT", "2")
            .file("bets.csv", rows(5))
            .run();
        assert_eq!(ended.code, Some(0), "{kind:?}: {:#?}", ended.log);
        assert_eq!(central.join().unwrap(), [1, 2, 3, 4, 5]);
        assert_eq!(failed(&ended), [bad, good], "{kind:?}: {:#?}", ended.log);
    }
}

#[test]
fn where_no_address_is_left_the_sentence_names_each() {
    let bad = ALL_WRONG.map(wrong);
    let client = Client::new("batch", &bad.join(",")).file("bets.csv", rows(5));
    let ended = client.run();
    ended.assert_failed(76, "no address of server.address can be used: ");
    for (address, why) in bad.iter().zip([
        "breaks the protocol",
        "agency 1 does not take part",
        "set server.protocol to plain",
        "the server has 1000 bets of a file of 5 rows",
    ]) {
        let last = ended.log.last().unwrap();
        let (_, part) = last.split_once(&format!("{address}: ")).unwrap();
        assert!(part.split("; 127").next().unwrap().contains(why), "{last}");
    }
    // One that is only away may come back: it is waited for, and the other one is named beside it.
    let away = ClosedPort::new();
    let list = format!("{},{}", away.address(), bad[1]);
    let client = Client::new("batch", &list).env("CLI_SERVER_RETRY", "300ms");
    let ended = client.file("bets.csv", rows(5)).run();
    ended.assert_failed(69, "Connection refused");
    let other = format!("; not usable: {}: the server refused", bad[1]);
    ended.assert_failed(69, &other);
}

/// A server that sends one line back, at this IP address alone; `None` where this machine does not have it.
fn echo_at(ip: IpAddr) -> Option<u16> {
    let listener = TcpListener::bind((ip, 0)).ok()?;
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        let mut peer = Peer::accept(&listener);
        let line = peer.line();
        peer.write(line.as_bytes());
    });
    Some(port)
}

#[test]
fn a_name_is_reached_at_whichever_of_its_ip_addresses_answers() {
    let resolved = ("localhost", 1).to_socket_addrs().unwrap();
    let mut ips: Vec<IpAddr> = resolved.map(|address| address.ip()).collect();
    ips.dedup();
    for ip in ips.iter().copied() {
        let Some(port) = echo_at(ip) else { continue };
        let ended = Client::new("echo", &format!("localhost:{port}"))
            .env("CLI_LOOP_AMOUNT", "1")
            .env("CLI_SERVER_RETRY", "0s")
            .run();
        assert_eq!(ended.code, Some(0), "{ip}: {:#?}", ended.log);
    }
}

#[test]
fn an_ipv6_address_stands_in_brackets() {
    let Some(port) = echo_at("::1".parse().unwrap()) else {
        eprintln!("this machine has no IPv6");
        return;
    };
    let ended = Client::new("echo", &format!("[::1]:{port}"))
        .env("CLI_LOOP_AMOUNT", "1")
        .run();
    assert_eq!(ended.code, Some(0), "{:#?}", ended.log);
}

#[test]
fn what_cannot_be_an_address_is_refused_at_once() {
    for address in [
        "tcp://host:1",
        "host:1,",
        "ho st:1",
        "::1:12345",
        "host:1;host:2",
    ] {
        let ended = Client::new("batch", address)
            .file("bets.csv", rows(1))
            .run();
        let sentence = format!(
            "server.address is \"{address}\" in the variable CLI_SERVER_ADDRESS: allowed is host:port, or several of them with commas between"
        );
        ended.assert_failed(78, &sentence);
        assert!(ended.lines("connect").is_empty());
    }
    // The thread of this server ends with the connection that it gets.
    let (server, accepted) = serve(|listener| listener.accept().is_ok());
    let ended = Client::new("echo", &format!("http://{server}")).run();
    assert_eq!(ended.code, Some(78));
    std::net::TcpStream::connect(server).unwrap();
    assert!(accepted.join().unwrap());
}

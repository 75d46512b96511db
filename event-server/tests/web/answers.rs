//! Paths, methods, heads, connections.

use std::io::Write as _;
use std::net::Shutdown;

use crate::central::{Answer, Central, Client};

const GET: &str = "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n";

/// What every answer has to say.
fn assert_sound(answer: &Answer) {
    assert_eq!(answer.field("cache-control"), Some("no-store"));
    assert_eq!(answer.field("x-content-type-options"), Some("nosniff"));
    let policy = answer.field("cross-origin-resource-policy");
    assert_eq!(policy, Some("same-origin"));
    assert!(answer.field("content-type").is_some());
    let date = answer.field("date").unwrap();
    assert!(date.ends_with(" GMT") && date.len() == 29, "{date}");
}

#[test]
fn each_path_is_answered_as_specified_and_every_other_one_is_not_found() {
    let central = Central::start(&[]);
    for (path, status, content_type, begins) in [
        ("/", 200, "text/html; charset=utf-8", "<!doctype html>"),
        ("/loop", 200, "text/html; charset=utf-8", "<!doctype html>"),
        (
            "/api/lottery",
            200,
            "application/json",
            "{\"state\":\"open\"",
        ),
        ("/api/loop", 200, "application/json", "{\"central\":{"),
        (
            "/metrics",
            200,
            "text/plain; version=0.0.4; charset=utf-8",
            "# HELP",
        ),
        ("/healthz", 200, "text/plain; charset=utf-8", "ok"),
        ("/readyz", 200, "text/plain; charset=utf-8", "ready"),
        ("/healthz?verbose", 200, "text/plain; charset=utf-8", "ok"),
        (
            "/nothing",
            404,
            "text/plain; charset=utf-8",
            "there is nothing here",
        ),
        (
            "/healthz/",
            404,
            "text/plain; charset=utf-8",
            "there is nothing here",
        ),
        (
            "/../etc/passwd",
            404,
            "text/plain; charset=utf-8",
            "there is nothing here",
        ),
    ] {
        let answer = central.get(path);
        assert_sound(&answer);
        assert_eq!(answer.status, status, "{path}");
        assert_eq!(answer.field("content-type"), Some(content_type), "{path}");
        assert!(
            answer.text().starts_with(begins),
            "{path}: {}",
            answer.text()
        );

        let mut client = central.connect();
        client.send(&format!(
            "HEAD {path} HTTP/1.1\r\nHost: localhost\r\n\r\n{GET}"
        ));
        let head = client.head();
        assert_sound(&head);
        assert_eq!(head.status, status, "{path}");
        if !["/metrics", "/api/lottery", "/api/loop"].contains(&path) {
            assert_eq!(head.field("content-length"), answer.field("content-length"));
        }
        // No body comes between them.
        assert_eq!(client.answer().text(), "ok");
    }
    let policy = central.get("/");
    let policy = policy.field("content-security-policy").unwrap();
    assert!(
        policy.starts_with("default-src 'none'; script-src 'sha256-"),
        "{policy}"
    );
    assert!(!policy.contains("unsafe"), "{policy}");
}

#[test]
fn other_methods_are_not_allowed_and_what_is_no_request_is_told_so_and_closed() {
    let central = Central::start(&[]);
    for method in ["POST", "PUT", "DELETE", "OPTIONS", "TRACE", "BREW"] {
        let mut client = central.connect();
        client.send(&format!(
            "{method} / HTTP/1.1\r\nHost: localhost\r\n\r\n{GET}"
        ));
        let answer = client.answer();
        assert_sound(&answer);
        assert_eq!(
            (answer.status, answer.field("allow")),
            (405, Some("GET, HEAD"))
        );
        assert_eq!(client.answer().text(), "ok", "{method}");
    }
    // A body that nobody reads must not pass for a request.
    let mut client = central.connect();
    client.send(&format!(
        "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: {}\r\n\r\n{GET}",
        GET.len()
    ));
    let answer = client.answer();
    assert_eq!(
        (answer.status, answer.field("connection")),
        (405, Some("close"))
    );
    assert!(client.is_closed());

    let long = format!("GET /{} HTTP/1.1\r\n", "x".repeat(9_000));
    let many = format!(
        "GET / HTTP/1.1\r\nHost: localhost\r\n{}\r\n",
        "X: y\r\n".repeat(100)
    );
    for (text, status) in [
        ("GET / HTTP/1.1\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400),
        ("GET / HTTP/3.0\r\nHost: a\r\n\r\n", 400),
        ("GET  HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400),
        ("\u{16}\u{3}\u{1}\u{2}", 400),
        ("{agency:1}", 400),
        (&long, 431),
        (&many, 431),
    ] {
        let mut client = central.connect();
        client.send(text);
        let answer = client.answer();
        assert_sound(&answer);
        assert_eq!(
            (answer.status, answer.field("connection")),
            (status, Some("close")),
            "{text:?}"
        );
        assert!(client.is_closed());
    }
}

#[test]
fn a_request_may_come_byte_by_byte_and_many_may_come_at_once() {
    let central = Central::start(&[]);
    let mut client = central.connect();
    for byte in GET.bytes() {
        client.stream().write_all(&[byte]).unwrap();
    }
    assert_eq!(client.answer().text(), "ok");

    // More than an inbox holds, and more than a turn answers.
    let paths = ["/healthz", "/readyz", "/nothing", "/metrics", "/"];
    let requests: Vec<String> = (0..1_000)
        .map(|i| {
            format!(
                "GET {} HTTP/1.1\r\nHost: localhost\r\n\r\n",
                paths[i % paths.len()]
            )
        })
        .collect();
    let writer = client.stream().try_clone().unwrap();
    let sender = std::thread::spawn(move || (&writer).write_all(requests.concat().as_bytes()));
    for i in 0..1_000 {
        let answer = client.answer();
        let status = if i % paths.len() == 2 { 404 } else { 200 };
        assert_eq!(answer.status, status, "request {i}");
        match i % paths.len() {
            0 => assert_eq!(answer.text(), "ok"),
            1 => assert_eq!(answer.text(), "ready"),
            _ => {}
        }
    }
    sender.join().unwrap().unwrap();
}

#[test]
fn connections_stay_or_end_as_the_client_and_its_version_have_it() {
    let central = Central::start(&[]);
    let ask = |fields: &str, version: &str| -> (Answer, Client) {
        let mut client = central.connect();
        client.send(&format!("GET /healthz HTTP/{version}\r\n{fields}\r\n"));
        (client.answer(), client)
    };
    let (answer, mut client) = ask("", "1.0");
    assert_eq!(answer.field("connection"), Some("close"));
    assert!(client.is_closed());
    let (answer, mut client) = ask("Connection: keep-alive\r\n", "1.0");
    assert_eq!(answer.field("connection"), Some("keep-alive"));
    client.send(GET);
    assert_eq!(client.answer().status, 200);
    let (answer, mut client) = ask("Host: localhost\r\nConnection: close\r\n", "1.1");
    assert_eq!(answer.field("connection"), Some("close"));
    assert!(client.is_closed());

    // Who says that nothing more will come is answered all the same.
    let mut client = central.connect();
    client.send(&GET.repeat(3));
    client.stream().shutdown(Shutdown::Write).unwrap();
    for _ in 0..3 {
        assert_eq!(client.answer().text(), "ok");
    }
    assert!(client.is_closed());
}

#[test]
fn nothing_listens_where_the_port_is_off() {
    let folder = tempfile::tempdir().unwrap();
    let (central, _) = fixtures::programs::central(folder.path(), &[]).unwrap();
    let (status, log) = central.stop().unwrap();
    assert!(status.success() && !log.contains("http"), "{log}");
}

#[test]
fn a_request_that_names_another_host_is_misdirected() {
    let central = Central::start(&[
        ("SERVER_NAME", "central-1"),
        ("SERVER_HTTP_HOSTS", "Lottery.example, proxy"),
    ]);
    let machine = rustix::system::uname();
    let machine = machine.nodename().to_str().unwrap();
    let ask = |head: &str| {
        let mut client = central.connect();
        client.send(&format!("{head}\r\n\r\n"));
        client.answer()
    };
    for host in [
        "127.0.0.1:8080",
        "192.0.2.7",
        "[::1]:8080",
        "[2001:db8::1]",
        "localhost",
        "LOCALHOST:1",
        "localhost.",
        "lottery.EXAMPLE:443",
        "proxy",
        "central-1",
        machine,
    ] {
        let answer = ask(&format!("GET /healthz HTTP/1.1\r\nHost: {host}"));
        assert_eq!(answer.status, 200, "{host}");
    }
    for host in [
        "evil.example",
        "evil.example:8080",
        "localhost.evil.example",
        "127.0.0.1.evil.example",
        "localhost:80:80",
        "localhost:x",
        "user@localhost",
        "[::1",
        "[localhost]",
        "1.2.3",
        "",
        "\u{e9}",
    ] {
        let answer = ask(&format!("GET /healthz HTTP/1.1\r\nHost: {host}"));
        assert_eq!(answer.status, 421, "{host}");
        assert_sound(&answer);
        assert!(answer.text().contains("SERVER_HTTP_HOSTS"));
    }
    // A target that is a URL counts more than the field (RFC 9112, section 3.2.2).
    for (target, host, status) in [
        ("http://evil.example/healthz", "localhost", 421),
        ("http://localhost:1/healthz", "evil.example", 200),
        ("http://proxy?x", "evil.example", 200),
    ] {
        let answer = ask(&format!("GET {target} HTTP/1.1\r\nHost: {host}"));
        assert_eq!(answer.status, status, "{target} {host}");
    }
    // No browser speaks HTTP/1.0 without it.
    assert_eq!(ask("GET /healthz HTTP/1.0").status, 200);
    assert_eq!(
        ask("GET /healthz HTTP/1.0\r\nHost: evil.example").status,
        421
    );
}

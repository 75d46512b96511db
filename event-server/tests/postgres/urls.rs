//! The URLs that people have, and how a central shows a database who it is.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use fixtures::certificates::{Authority, Role, Term};
use frame::pem;
use rustls::crypto::ring::default_provider;
use rustls::{ServerConfig, ServerConnection};

use crate::common::{Peer, bet, one};
use crate::refused::assert_refused;
use crate::stage::{Environment, Stage};

/// Users of these names show who they are in other ways.
const ACCESS: &str = "\
local all clear password
local all scram scram-sha-256
local all all peer
hostssl all agent 127.0.0.1/32 cert
hostssl all clear 127.0.0.1/32 password
hostnossl all clear 127.0.0.1/32 password
";

/// Asserts that a central serves with this URL and that an operator's command does; returns how the database's list of
/// sessions names the central.
fn assert_served(stage: &Stage, url: &str, environment: Environment<'_>) -> String {
    let (central, address) = stage.central_at(url, environment);
    let answer = Peer::connect(address).ask(&one(&bet(1, "1", false)));
    assert_eq!(answer, "{result:success}", "{url}");
    let names = "select application_name from pg_stat_activity where application_name like 'event-server %'";
    let names = stage.database.sql(names).unwrap();
    central.stop().unwrap();
    let mut all = vec![("SERVER_STORE", url)];
    all.extend(environment);
    let export = stage.operate(&["export"], &all);
    assert!(export.status.success(), "{url}: {}", export.log);
    for secret in ["hidden", "wrong"] {
        assert!(!export.log.contains(secret), "{url}: {}", export.log);
    }
    names
}

fn users(stage: &Stage) {
    let sql = "create role agent superuser login; create role clear superuser login password 'hidden'; \
               create role scram superuser login password 'hidden'";
    stage.database.sql(sql).unwrap();
}

fn permit(file: &Path, mode: u32) {
    fs::set_permissions(file, fs::Permissions::from_mode(mode)).unwrap();
}

#[test]
fn a_socket_of_the_machine_serves_with_the_name_of_the_systems_user() {
    let Some(stage) = Stage::set_with_access(ACCESS, &[]) else {
        return;
    };
    users(&stage);
    let id = std::process::Command::new("id")
        .arg("-un")
        .output()
        .unwrap();
    let me = String::from_utf8(id.stdout).unwrap().trim().to_owned();
    let sql = format!(
        "create role \"{me}\" superuser login; create database \"{me}\" owner \"{me}\" encoding 'UTF8' template template0"
    );
    stage.database.sql(&sql).unwrap();
    let (folder, port) = (stage.database.socket_folder(), stage.database.port());
    let folder = folder.to_str().unwrap();
    let encoded = folder.replace('/', "%2F");
    for url in [
        format!("postgresql:///postgres?host={folder}&port={port}"),
        format!("postgres://{me}@{encoded}:{port}/postgres"),
        format!("postgresql://{encoded}:{port}"),
        format!("postgresql:///postgres?host={folder}&port={port}&user=clear&password=hidden"),
        format!("postgresql://scram:hidden@{encoded}:{port}/postgres?sslmode=require"),
    ] {
        assert_served(&stage, &url, &[]);
    }
    // PGUSER stands in for the system's user.
    let url = format!("postgresql:///postgres?host={folder}&port={port}");
    let names = assert_served(
        &stage,
        &url,
        &[("PGUSER", "clear"), ("PGPASSWORD", "hidden")],
    );
    assert!(!names.is_empty());
    let someone = format!("postgresql://agent@{encoded}:{port}/postgres");
    assert_refused(
        &stage,
        &someone,
        &[],
        "Peer authentication failed for user \"agent\" (SQLSTATE 28000): check the user in SERVER_STORE",
    );
    let nobody = format!("postgresql:///postgres?host={folder}&port=1");
    let export = stage.operate(&["export"], &[("SERVER_STORE", &nobody)]);
    let why = format!("the database cannot be reached: {folder}/.s.PGSQL.1: ");
    assert!(export.log.contains(&why), "{}", export.log);
}

#[test]
fn a_client_certificate_and_an_authority_of_the_system_are_enough() {
    let Some(stage) = Stage::set_with_access(ACCESS, &[]) else {
        return;
    };
    users(&stage);
    let port = stage.database.port();
    let authority = stage.database.authority();
    let only = |file| [("SSL_CERT_FILE", file), ("SSL_CERT_DIR", "")];
    let system = only(authority.to_str().unwrap());
    let (certificate, key) = stage.database.client_certificate();
    let shown = format!("sslcert={}&sslkey={}", certificate.display(), key.display());
    let place = format!("127.0.0.1:{port}/postgres");
    for parameters in [shown.clone(), format!("{shown}&sslrootcert=system")] {
        let url = format!("postgresql://agent@{place}?{parameters}");
        assert_served(&stage, &url, &system);
    }
    // Over TLS with a verified server, a password may go in the clear.
    assert_served(
        &stage,
        &format!("postgresql://clear:hidden@{place}"),
        &system,
    );

    let without = format!("postgresql://agent@{place}");
    let sentence = "connection requires a valid client certificate (SQLSTATE 28000)";
    assert_refused(&stage, &without, &system, sentence);
    let stranger = stage.folder().join("stranger.pem");
    fs::write(
        &stranger,
        Authority::new("a stranger").unwrap().certificate(),
    )
    .unwrap();
    let stranger = only(stranger.to_str().unwrap());
    assert_refused(
        &stage,
        &without,
        &stranger,
        "check sslrootcert in SERVER_STORE",
    );
    let nothing = only("/none.pem");
    assert_refused(
        &stage,
        &without,
        &nothing,
        "this system trusts no authority: name the one",
    );
    // The certificate's file stands in for a key, too.
    permit(&certificate, 0o600);
    for (parameters, sentence) in [
        (
            format!("sslcert=/none.pem&sslkey={}", key.display()),
            "sslcert /none.pem cannot be used: ",
        ),
        (
            format!("sslcert={}&sslkey={0}", certificate.display()),
            "cannot be used: it holds no private key in PEM",
        ),
        (
            format!("sslcert={}&sslkey=/", certificate.display()),
            "sslkey / cannot be used: it is no plain file",
        ),
    ] {
        let url = format!("postgresql://agent@{place}?{parameters}");
        assert_refused(&stage, &url, &system, sentence);
    }
    let url = format!("postgresql://agent@{place}?{shown}");
    let open = format!(
        "sslkey {0} cannot be used: others than its owner may read or write it; run  chmod 600 {0}  (640 is enough where root owns it)",
        key.display()
    );
    for mode in [0o644, 0o620, 0o601] {
        permit(&key, mode);
        assert_refused(&stage, &url, &system, &open);
    }
    permit(&key, 0o400);
    assert_served(&stage, &url, &system);
    for (parameters, sentence) in [
        (
            "sslmode=require",
            "the database wants a password in the clear, and its certificate is not verified",
        ),
        (
            "sslmode=disable",
            "the database wants a password in the clear over a connection without TLS",
        ),
    ] {
        let url = format!("postgresql://clear:hidden@{place}?{parameters}");
        assert_refused(&stage, &url, &[], sentence);
    }
}

#[test]
fn tls_begins_at_once_with_a_server_that_knows_it() {
    let Some(stage) = Stage::set_with_access(ACCESS, &[]) else {
        return;
    };
    users(&stage);
    let (port, authority) = (stage.database.port(), stage.database.authority());
    let url = format!(
        "postgresql://scram:hidden@127.0.0.1:{port}/postgres?sslnegotiation=direct&channel_binding=require&sslrootcert={}",
        authority.display()
    );
    let version = stage.database.sql("show server_version_num").unwrap();
    if version.parse::<u32>().unwrap() >= 170_000 {
        assert_served(&stage, &url, &[]);
    } else {
        let (central, _) = stage.central_at(&url, &[]);
        let why = "sslnegotiation=direct needs PostgreSQL 17 or newer";
        central.wait_for(why).unwrap();
        central.stop().unwrap();
    }
}

#[test]
fn tls_that_begins_at_once_is_refused_where_nobody_chooses_postgresqls_protocol() {
    let Some(stage) = Stage::set() else { return };
    let authority = Authority::new("a stranger").unwrap();
    let identity = authority
        .sign(Role::Server, &["localhost"], Term::Current)
        .unwrap();
    let root = stage.folder().join("stranger.pem");
    fs::write(&root, authority.certificate()).unwrap();
    let chain = pem::certificates(identity.certificate.as_bytes()).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain, pem::key(identity.key.as_bytes()).unwrap());
    let config = Arc::new(config.unwrap());
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    // A server of TLS that knows nothing of ALPN, and counts the bytes that come in its sessions.
    let told = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&told);
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut session = ServerConnection::new(Arc::clone(&config)).unwrap();
            while session
                .complete_io(&mut stream)
                .is_ok_and(|(read, _)| read > 0)
            {
                let state = session.process_new_packets().unwrap();
                counted.fetch_add(state.plaintext_bytes_to_read(), Ordering::Relaxed);
            }
        }
    });
    let url = format!(
        "postgresql://agent@localhost:{port}/postgres?sslnegotiation=direct&sslrootcert={}",
        root.display()
    );
    let sentence = "it takes TLS at once, and does not choose the protocol postgresql (ALPN), as PostgreSQL 17 and newer do: \
                    check the host and the port in SERVER_STORE, or take sslnegotiation=direct out of it";
    assert_refused(&stage, &url, &[], sentence);
    let export = stage.operate(&["export"], &[("SERVER_STORE", &url)]);
    assert!(export.log.contains(sentence), "{}", export.log);
    assert_eq!(told.load(Ordering::Relaxed), 0, "a session began");
}

#[test]
fn a_password_that_has_to_be_bound_to_the_certificate_goes_to_no_server_that_cannot_do_that() {
    let Some(stage) = Stage::set_with_access(ACCESS, &[]) else {
        return;
    };
    users(&stage);
    let url = |stage: &Stage, user: &str, mode: &str| {
        let place = format!("{user}@127.0.0.1:{}/postgres", stage.database.port());
        format!("postgresql://{place}?sslmode={mode}&channel_binding=require")
    };
    assert_served(&stage, &url(&stage, "scram:hidden", "require"), &[]);
    let cannot = "channel_binding is require, and the database cannot do that: ";
    for (user, mode, why) in [
        ("scram:hidden", "disable", "the connection is without TLS"),
        ("postgres", "require", "it asks for no such password"),
        (
            "clear:hidden",
            "require",
            "it asks for a password in the clear",
        ),
    ] {
        let sentence = format!("{cannot}{why}; let it ask for scram-sha-256 over TLS");
        assert_refused(&stage, &url(&stage, user, mode), &[], &sentence);
    }
    let Some(plain) = Stage::set_with(&["ssl=off"]) else {
        return;
    };
    users(&plain);
    let sentence = format!("{cannot}the connection is without TLS");
    assert_refused(
        &plain,
        &url(&plain, "scram:hidden", "disable"),
        &[],
        &sentence,
    );
    let sentence = "the database speaks no TLS: set sslmode=disable in SERVER_STORE";
    assert_refused(
        &plain,
        &url(&plain, "scram:hidden", "require"),
        &[],
        sentence,
    );
}

#[test]
fn the_password_file_of_psql_is_read_where_its_owner_alone_can() {
    let Some(stage) = Stage::set_with_access(ACCESS, &[]) else {
        return;
    };
    users(&stage);
    let port = stage.database.port();
    let file = stage.folder().join(".pgpass");
    fs::write(
        &file,
        format!("127.0.0.1:1:*:*:wrong\n127.0.0.1:{port}:postgres:scram:hidden\n"),
    )
    .unwrap();
    let permit = |mode| permit(&file, mode);
    let path = file.to_str().unwrap();
    let url = format!("postgresql://scram@127.0.0.1:{port}/postgres?sslmode=disable");
    permit(0o600);
    assert_served(&stage, &url, &[("PGPASSFILE", path)]);
    assert_served(&stage, &url, &[("HOME", stage.folder().to_str().unwrap())]);
    assert_served(
        &stage,
        &format!("{url}&passfile={path}"),
        &[("PGPASSFILE", "/none")],
    );

    permit(0o640);
    let ignored = format!(
        "action: config | result: in_progress | warning: the password file {path} is ignored: others than its owner may read or write it; run  chmod 600 {path}"
    );
    let environment = [
        ("SERVER_STORE", url.as_str()),
        ("PGPASSFILE", path),
        ("SERVER_PORT", "0"),
    ];
    assert_refused(
        &stage,
        &url,
        &environment,
        "the database wants a password: put one into SERVER_STORE",
    );
    let central = stage.operate(&[], &environment);
    assert_eq!(central.log.matches(&ignored).count(), 1, "{}", central.log);
    assert!(!central.log.contains("hidden"), "{}", central.log);
}

#[test]
fn what_a_url_says_beside_reaches_the_database_or_is_told_to_have_no_effect() {
    let Some(stage) = Stage::set() else { return };
    let url = stage.database.url("postgres", "postgres");
    let more = format!(
        "{url}&application_name=lottery%20of%20May&connect_timeout=10&keepalives=1&target_session_attrs=read-write\
         &options=-c%20statement_timeout%3D5s"
    );
    let names = assert_served(&stage, &more, &[("SERVER_NAME", "c1")]);
    let mut names = names.lines();
    assert!(
        names.all(|name| name == "event-server c1 lottery of May"),
        "each session has it"
    );
    let (central, _) = stage.central_at(&more, &[("LOGGING_LEVEL", "DEBUG")]);
    central
        .wait_for("action: config | result: in_progress | without_effect: keepalives, target_session_attrs")
        .unwrap();
    central.stop().unwrap();
    // What is sent as options is the server's to judge.
    let wrong = format!("{url}&options=-c%20no_such_setting%3D1");
    let export = stage.operate(&["export"], &[("SERVER_STORE", &wrong)]);
    let sentence = "unrecognized configuration parameter \"no_such_setting\"";
    assert!(export.log.contains(sentence), "{}", export.log);

    let secret = "postgresql:///db?user=a&password=hidden&host=/tmp";
    let shown = stage.operate(&["config"], &[("SERVER_STORE", secret)]);
    let masked = "postgresql:///db?user=a&password=***&host=/tmp";
    assert!(shown.told.contains(masked), "{}", shown.told);
    assert!(!shown.told.contains("hidden") && !shown.log.contains("hidden"));
    let argument = ["config", "--store", secret];
    let refused = stage.operate(&argument, &[]);
    assert_eq!(refused.status.code(), Some(78));
    assert!(!refused.log.contains("hidden"), "{}", refused.log);
}

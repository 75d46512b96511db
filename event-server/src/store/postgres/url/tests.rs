use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::time::Duration;

use super::parse::{Defaults, masked};
use super::{DatabaseUrl, Host, RootCertificate, Secret, SslMode, Transport};

fn parse(url: &str) -> Result<DatabaseUrl, String> {
    let defaults = Defaults {
        user: Some("me".to_owned()),
        database: None,
    };
    DatabaseUrl::parse(url, &defaults)
}

/// What matters of a URL, in one line.
fn told(url: &str) -> String {
    let url = parse(url).unwrap_or_else(|e| panic!("{url}: {e}"));
    let hosts: Vec<String> = url.hosts.iter().map(Host::to_string).collect();
    let transport = url.transport(&url.hosts[0]);
    let mut told = format!(
        "{}@{}/{} {transport:?} {:?}",
        url.user,
        hosts.join(","),
        url.database,
        url.ssl_mode
    );
    match &url.root_certificate {
        Some(RootCertificate::System) => told += " system",
        Some(RootCertificate::File(path)) => told += &format!(" {}", path.display()),
        None => {}
    }
    if let Some(pair) = &url.client_certificate {
        let (certificate, key) = (pair.certificate.display(), pair.key.display());
        told += &format!(" shows {certificate} {key}");
    }
    if url.channel_binding_required {
        told += " bound";
    }
    for (name, value) in [
        ("password", url.password.map(|Secret(text)| text)),
        ("application", url.application),
        ("options", url.options),
        (
            "timeout",
            url.connect_timeout.map(|time| format!("{time:?}")),
        ),
        (
            "passfile",
            url.password_file.map(|path| path.display().to_string()),
        ),
    ] {
        if let Some(value) = value {
            told += &format!(" {name}={value}");
        }
    }
    if !url.without_effect.is_empty() {
        told += &format!(" without effect: {}", url.without_effect.join(","));
    }
    told
}

#[test]
fn urls_that_people_have_are_taken_as_they_are() {
    for (url, wanted) in [
        (
            "postgres://u:p@h/db",
            "u@h:5432/db Tls VerifyFull system password=p",
        ),
        ("postgresql://h/db", "me@h:5432/db Tls VerifyFull system"),
        ("postgresql://h", "me@h:5432/me Tls VerifyFull system"),
        ("postgresql://u@h", "u@h:5432/u Tls VerifyFull system"),
        (
            "postgresql://u:p@h/db?sslmode=require&channel_binding=require",
            "u@h:5432/db Tls Require bound password=p",
        ),
        (
            "postgresql://u@a,b:6432/db?sslmode=disable&target_session_attrs=read-write",
            "u@a:5432,b:6432/db Plain Disable without effect: target_session_attrs",
        ),
        (
            "postgresql://u@h/db?ssl=true&target_session_attrs=primary",
            "u@h:5432/db Tls Require without effect: target_session_attrs",
        ),
        (
            "postgresql://u@h/db?sslmode=disable&target_session_attrs=any",
            "u@h:5432/db Plain Disable without effect: target_session_attrs",
        ),
        (
            "postgresql://u@h/db?sslmode=disable&application_name=x&connect_timeout=10",
            "u@h:5432/db Plain Disable application=x timeout=10s",
        ),
        (
            "postgresql://u@h/db?sslrootcert=ca.pem&sslcert=a.pem&sslkey=k.pem",
            "u@h:5432/db Tls VerifyFull ca.pem shows a.pem k.pem",
        ),
        (
            "postgresql://u@h/db?sslmode=disable&options=-c%20statement_timeout%3D5s",
            "u@h:5432/db Plain Disable options=-c statement_timeout=5s",
        ),
        (
            "postgresql:///lottery?host=/var/run/postgresql",
            "me@/var/run/postgresql/.s.PGSQL.5432/lottery UnixSocket VerifyFull system",
        ),
        (
            "postgresql:///lottery",
            "me@/var/run/postgresql/.s.PGSQL.5432/lottery UnixSocket VerifyFull system",
        ),
        (
            "postgresql://u@%2Fvar%2Frun%2Fpostgresql/db",
            "u@/var/run/postgresql/.s.PGSQL.5432/db UnixSocket VerifyFull system",
        ),
        (
            "postgresql:///?host=/tmp&port=6432&dbname=db&user=u&password=p",
            "u@/tmp/.s.PGSQL.6432/db UnixSocket VerifyFull system password=p",
        ),
        (
            "postgresql://u@[::1],[2001:db8::1]:6432/db?sslmode=verify-ca&sslrootcert=%2Fca.pem",
            "u@[::1]:5432,[2001:db8::1]:6432/db Tls VerifyCa /ca.pem",
        ),
        (
            "postgresql://u@/db?host=a,b&port=1,2&sslmode=disable",
            "u@a:1,b:2/db Plain Disable",
        ),
        (
            "postgresql://u@/db?host=a,b&port=7&sslmode=disable",
            "u@a:7,b:7/db Plain Disable",
        ),
        (
            "postgresql://u@h/db?sslrootcert=system",
            "u@h:5432/db Tls VerifyFull system",
        ),
        (
            "postgresql://u@h/db?sslmode=require&sslrootcert=ca.pem",
            "u@h:5432/db Tls VerifyCa ca.pem",
        ),
        (
            "postgresql://u@h/db?sslnegotiation=direct&sslmode=require",
            "u@h:5432/db DirectTls Require",
        ),
        (
            "postgresql://u@h/db?sslmode=require&passfile=%2Fhome%2Fu%2Fpass",
            "u@h:5432/db Tls Require passfile=/home/u/pass",
        ),
        (
            "postgresql://u@h/db?sslmode=require&keepalives=1&keepalives_idle=30&keepalives_interval=10\
             &keepalives_count=3&tcp_user_timeout=9000&gssencmode=disable",
            "u@h:5432/db Tls Require without effect: keepalives,keepalives_idle,keepalives_interval,\
             keepalives_count,tcp_user_timeout,gssencmode",
        ),
        (
            "postgresql://lot%40tery:p%3A%2F@s@h/db?sslmode=require",
            "lot@tery@h:5432/db Tls Require password=p:/@s",
        ),
    ] {
        assert_eq!(told(url), wanted, "{url}");
    }
}

#[test]
fn a_url_that_cannot_be_followed_is_refused_with_what_to_write() {
    let in_the_clear = "which goes on in the clear where somebody in between says that there is no TLS: write \
         sslmode=verify-full with sslrootcert (a file, or system), or sslmode=disable for a database on this machine";
    for (rest, sentence) in [
        (
            "a:secret@[::1/db",
            "an IPv6 address needs both brackets: [::1]:5432",
        ),
        (
            "a:secret@h:0/db",
            "the port of a host is none of 1 to 65535",
        ),
        (
            "a:secret@h h/db",
            "a host is no host name, no IP address and no folder of a socket",
        ),
        ("a:%FFsecret@h/db", "the password is not UTF-8"),
        ("a:%00secret@h/db", "the password holds a zero byte"),
        (
            "a:se/cret@h/db",
            "an @ stands behind the first / or ?: in a user, a password and what follows the hosts, write / as %2F, ? as %3F and @ as %40",
        ),
        (
            "h/db?sslmode=prefer",
            &format!("sslmode is prefer, {in_the_clear}"),
        ),
        (
            "h/db?sslmode=allow",
            &format!("sslmode is allow, {in_the_clear}"),
        ),
        ("h/db/x", "a / stands behind the database: write it as %2F"),
        (
            "h/db?sslmode=verify",
            "sslmode is \"verify\", allowed is disable, require, verify-ca or verify-full",
        ),
        (
            "h/db?sslmode=verify-ca",
            "sslmode verify-ca needs sslrootcert=FILE, the authority that signed the database's certificate",
        ),
        (
            "h/db?sslmode=require&sslrootcert=system",
            "sslrootcert is system, whose authorities sign for anyone: write sslmode=verify-full, which asks for the host's name",
        ),
        ("h/db?sslrootcert=", "sslrootcert names no file"),
        ("h/db?ssl=false", "ssl is not true: write sslmode=disable"),
        (
            "h/db?sslcert=a.pem",
            "sslcert and sslkey belong together: write both, or none",
        ),
        (
            "h/db?sslmode=disable&sslnegotiation=direct",
            "sslnegotiation is direct, and sslmode is disable: write one of them",
        ),
        (
            "h/db?sslnegotiation=x",
            "sslnegotiation is \"x\", allowed is postgres or direct",
        ),
        (
            "h/db?channel_binding=disable",
            "channel_binding is disable, which lets anyone in between pass a password on: write channel_binding=prefer",
        ),
        (
            "h/db?channel_binding=required",
            "channel_binding is \"required\", allowed is prefer or require",
        ),
        (
            "h/db?target_session_attrs=standby",
            "target_session_attrs is \"standby\", allowed is read-write, primary or any",
        ),
        (
            "h/db?connect_timeout=soon",
            "connect_timeout is \"soon\", allowed is a whole number",
        ),
        (
            "h/db?keepalives=on",
            "keepalives is \"on\", allowed is a whole number",
        ),
        (
            "h/db?gssencmode=require",
            "gssencmode is \"require\", allowed is disable or prefer",
        ),
        (
            "h/db?options=-c%20Synchronous-Commit%3Doff",
            "options set synchronous_commit: how durable a bet is says SERVER_DURABILITY, take it out of options",
        ),
        (
            "/db?host=a,b,c&port=1,2",
            "it has 3 hosts and 2 ports: write one port for all of them, or one for each",
        ),
        (
            "h/db?hostaddr=10.0.0.1",
            "parameter hostaddr is not followed here: write the address as the host",
        ),
        (
            "h/db?schema=public",
            "parameter schema is not followed here: name the lottery's schema in SERVER_LOTTERY",
        ),
        (
            "h/db?sslmod=require",
            "parameter \"sslmod\" is unknown: write sslmode",
        ),
        (
            "h/db?applicationname=x",
            "parameter \"applicationname\" is unknown: write application_name",
        ),
        (
            "h/db?x=1",
            "parameter \"x\" is unknown: leave it out, or write one of those that docs/cluster.md lists",
        ),
        (
            "h/db?a:b=1",
            "parameter no plain word is unknown: leave it out, or write one of those that docs/cluster.md lists",
        ),
    ] {
        assert_eq!(
            parse(&format!("postgresql://{rest}")).unwrap_err(),
            sentence,
            "{rest}"
        );
    }
    let other = parse("mysql://a:secret@h").unwrap_err();
    assert_eq!(other, "it does not begin with postgresql://");
}

#[test]
fn a_masked_url_keeps_all_but_the_password() {
    for (url, shown) in [
        (
            "postgresql://a:secret@h/db?sslmode=require",
            "postgresql://a:***@h/db?sslmode=require",
        ),
        (
            "postgresql://a:s:e@cret@h:1/db?sslmode=disable",
            "postgresql://a:***@h:1/db?sslmode=disable",
        ),
        (
            "postgresql:///db?user=a&password=secret&host=/tmp",
            "postgresql:///db?user=a&password=***&host=/tmp",
        ),
        ("postgresql://a:se/cret@h/db", "postgresql://***"),
        (
            "postgresql://a@h:5432/db?sslmode=disable",
            "postgresql://a@h:5432/db?sslmode=disable",
        ),
        ("postgresql://h/db", "postgresql://h/db"),
        ("files", "files"),
    ] {
        assert_eq!(masked(url), shown);
    }
}

#[test]
fn no_part_of_a_password_is_shown_whatever_stands_in_it_and_around_it() {
    const AROUND: [&str; 17] = [
        "a:{}@h/db?sslmode=disable",
        "a:{}@h:0/db",
        "a:{}@h h/db",
        "a:{}@[::1/db",
        "a:{}@h/db?sslmode=prefer",
        "a:{}@h/db?x=1",
        "a:{}@/db",
        ":{}@h/db",
        "a@h/db?password={}",
        "a:{}@h/db?password={}&sslmode=require",
        "a@h/db?sslmode=disable{}",
        "a@h/db?sslmode=disable;password={}",
        "a@h/db?{}",
        "a@h:{}/db",
        "a@h:5432:{}/db",
        "a:{}",
        "a:{}/db?sslmode=disable",
    ];
    let marks = "?/#%&=;:,[]\\ \t'\"é";
    let mut secrets: Vec<String> = marks
        .chars()
        .map(|mark| format!("!left{mark}right!"))
        .collect();
    secrets.extend(
        [
            "!left@/right!",
            "!left/right!@",
            "!left%4right!",
            "!left%00right!",
            "!left%FFright!",
        ]
        .map(String::from),
    );
    for secret in &secrets {
        for around in AROUND {
            // Then the @ ends the password: what follows it is a database.
            if secret.contains("@/") && around == "a:{}" {
                continue;
            }
            let url = format!("postgresql://{}", around.replace("{}", secret));
            let shown = match parse(&url) {
                Ok(parsed) => format!("{parsed:?}"),
                Err(error) => error,
            };
            for shown in [shown, masked(&url)] {
                assert!(
                    !shown.contains("left") && !shown.contains("right"),
                    "{url}: {shown}"
                );
            }
        }
    }
}

#[test]
fn a_password_file_that_others_may_read_is_ignored_and_no_password_is_shown() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("pass");
    let passwords = |mode: u32| {
        fs::write(&path, "a:5432:*:me:left\n*:*:*:*:right\n").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        let mut url = parse("postgresql://a,b/db").unwrap();
        let read = url.read_password_file(&path);
        let shown = format!("{url:?}{read:?}");
        assert!(
            !shown.contains("left") && !shown.contains("right"),
            "{shown}"
        );
        let passwords = url.hosts.iter().map(|host| url.password_for(host));
        let passwords: Vec<_> = passwords
            .map(|found| found.map(|Secret(text)| text.clone()))
            .collect();
        read.map(|()| passwords)
    };
    let both = vec![Some("left".to_owned()), Some("right".to_owned())];
    assert_eq!(passwords(0o600), Ok(both.clone()));
    assert_eq!(passwords(0o400), Ok(both));
    for mode in [0o640, 0o604, 0o620, 0o601] {
        let path = path.display();
        assert_eq!(
            passwords(mode),
            Err(format!(
                "the password file {path} is ignored: others than its owner may read or write it; run  chmod 600 {path}"
            ))
        );
    }
    let mut url = parse("postgresql://a/db").unwrap();
    let ignored = url.read_password_file(folder.path()).unwrap_err();
    assert!(
        ignored.ends_with(" is ignored: it is no plain file"),
        "{ignored}"
    );
    assert_eq!(url.read_password_file(&folder.path().join("none")), Ok(()));
    let file = folder.path().join("file");
    std::fs::write(&file, "").unwrap();
    let ignored = url.read_password_file(&file.join("none")).unwrap_err();
    assert!(ignored.contains(" is ignored: "), "{ignored}");
}

#[test]
fn a_direct_handshake_and_a_timeout_are_those_of_the_url() {
    let url = parse("postgresql://a,%2Ftmp/db?sslnegotiation=direct&connect_timeout=0").unwrap();
    assert_eq!(url.transport(&url.hosts[0]), Transport::DirectTls);
    assert_eq!(url.transport(&url.hosts[1]), Transport::UnixSocket);
    assert_eq!(
        (url.ssl_mode, url.connect_timeout),
        (SslMode::VerifyFull, None)
    );
    let url = parse("postgresql://a/db?connect_timeout=2").unwrap();
    assert_eq!(url.connect_timeout, Some(Duration::from_secs(2)));
}

#[test]
fn a_password_is_never_shown() {
    let url = parse("postgresql://a:secret@h/a?sslmode=disable").unwrap();
    assert_eq!(url.password, Some(Secret("secret".to_owned())));
    assert_eq!(format!("{:?}", url.password), "Some((secret))");
}

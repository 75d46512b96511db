use super::*;
use crate::store::files::Durability;
use crate::store::postgres::{CommitMode, LinkOptions, Secret};

fn parse(text: &str, env: &[(&str, &str)]) -> Result<Loaded, ConfigError> {
    let env = env
        .iter()
        .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
    Config::parse(
        Layers::read(&[], env, text, "config.ini")?,
        small_file::read,
    )
}

#[test]
fn without_a_file_every_key_has_its_default() {
    let loaded = parse("", &[]).unwrap();
    assert!(loaded.warnings.is_empty());
    let config = loaded.config;
    assert_eq!(config.address, "127.0.0.1:12345".parse().unwrap());
    assert_eq!((config.listen_backlog, config.agencies), (1_024, 5));
    let limits = config.limits;
    assert_eq!((limits.max_frame, limits.max_connections), (65_536, 10_000));
    assert_eq!(limits.idle_timeout, Duration::from_secs(60));
    assert_eq!(limits, Limits::default());
    assert_eq!(config.shutdown_grace, Duration::from_secs(2));
    assert_eq!(config.winner.get(), 7_574);
    let store = StoreConfig::Files {
        data_dir: "data".into(),
        durability: Durability::Always,
    };
    assert_eq!(config.store, store);
    assert_eq!(config.logging_level, Level::Info);
    assert_eq!(config.logging_format, Format::Text);
    assert_eq!((config.http, config.tls), (None, None));
}

#[test]
fn the_http_port_is_off_or_an_address_and_the_log_has_two_forms() {
    let http = |text: &str| parse("", &[("SERVER_HTTP", text)]).map(|loaded| loaded.config.http);
    for (text, address) in [
        ("off", None),
        ("127.0.0.1:8080", Some("127.0.0.1:8080")),
        ("[::1]:0", Some("[::1]:0")),
    ] {
        let address = address.map(|text| text.parse().unwrap());
        assert_eq!(http(text), Ok(address), "{text}");
    }
    for text in [
        "on",
        "8080",
        ":8080",
        "localhost:8080",
        "::1:8080x",
        "1.2.3.4",
    ] {
        let error = http(text).unwrap_err().to_string();
        let says = format!(
            "the environment: SERVER_HTTP is '{text}', allowed is off, or an IP address and a port"
        );
        assert!(error.starts_with(&says), "{error}");
    }
    let json = parse("[DEFAULT]\nLOGGING_FORMAT = json\n", &[]).unwrap();
    assert_eq!(json.config.logging_format, Format::Json);
    assert!(parse("[DEFAULT]\nLOGGING_FORMAT = xml\n", &[]).is_err());
}

#[test]
fn the_files_of_tls_are_set_all_or_none() {
    let (cert, key, ca) = (
        ("SERVER_TLS_CERT", "c"),
        ("SERVER_TLS_KEY", "k"),
        ("SERVER_TLS_CLIENT_CA", "a"),
    );
    let files = parse("[DEFAULT]\nSERVER_TLS_KEY = k\n", &[cert, ca]).unwrap();
    let (cert_path, key_path, client_ca) = ("c".into(), "k".into(), "a".into());
    assert_eq!(
        files.config.tls,
        Some(TlsFiles {
            cert: cert_path,
            key: key_path,
            client_ca
        })
    );
    let empty = parse("", &[("SERVER_TLS_CERT", "")]).unwrap();
    assert_eq!(empty.config.tls, None);
    for (set, missing) in [
        (&[cert][..], "SERVER_TLS_KEY"),
        (&[key, ca], "SERVER_TLS_CERT"),
        (&[cert, key], "SERVER_TLS_CLIENT_CA"),
    ] {
        let error = parse("", set).unwrap_err().to_string();
        assert!(
            error.starts_with(&format!("{missing} is not set: mutual TLS needs")),
            "{error}"
        );
    }
}

#[test]
fn turns_without_a_sync_are_short_unless_somebody_says_otherwise() {
    let turn_bytes = |text| parse(text, &[]).unwrap().config.limits.turn_bytes;
    assert_eq!(turn_bytes(""), 131_072);
    assert_eq!(turn_bytes("[DEFAULT]\nSERVER_DURABILITY=never"), 16_384);
    let said = "[DEFAULT]\nSERVER_DURABILITY=never\nSERVER_TURN_BYTES=65536";
    assert_eq!(turn_bytes(said), 65_536);
    let remote = "[DEFAULT]\nSERVER_STORE=postgresql://a@h/db?sslmode=disable";
    assert_eq!(turn_bytes(remote), 524_288);
}

#[test]
fn without_a_sync_replies_wait_for_as_many_as_a_synced_turn_has() {
    let limits = |text| parse(text, &[]).unwrap().config.limits;
    assert_eq!(limits("").gathered_bytes, 0);
    let unsynced = limits("[DEFAULT]\nSERVER_DURABILITY=never");
    assert_eq!(unsynced.gathered_bytes, limits("").turn_bytes);
    let remote = limits("[DEFAULT]\nSERVER_STORE=postgresql://a@h/db?sslmode=disable");
    assert_eq!(remote.gathered_bytes, 0);
}

#[test]
fn environment_wins_over_the_file_and_the_file_over_the_default() {
    let file = "[DEFAULT]\nSERVER_PORT = 1\nserver_ip = server\nLOGGING_LEVEL = debug\nSERVER_DATA_DIR = /a b#1;2\n";
    let config = parse(file, &[("SERVER_PORT", "2"), ("SERVER_BIND", "::")])
        .unwrap()
        .config;
    assert_eq!(config.address, "[::]:2".parse().unwrap());
    let brackets = parse("", &[("SERVER_BIND", "[::1]")]).unwrap().config;
    assert_eq!(brackets.address, "[::1]:12345".parse().unwrap());
    assert!(parse("", &[("SERVER_BIND", "[127.0.0.1]")]).is_err());
    assert_eq!(config.logging_level, Level::Debug);
    let StoreConfig::Files { data_dir, .. } = config.store else {
        panic!("not in files")
    };
    assert_eq!(data_dir, Path::new("/a b#1;2"));
}

#[test]
fn each_limit_has_its_key() {
    let keys = [
        ("SERVER_MAX_CONNECTIONS", "1"),
        ("SERVER_MAX_FRAME", "8192"),
        ("SERVER_MAX_INBOX", "8193"),
        ("SERVER_MAX_OUTBOX", "1024"),
        ("SERVER_MAX_BUFFERED", "1048576"),
        ("SERVER_TURN_BYTES", "1025"),
        ("SERVER_TURN_REQUESTS", "2"),
        ("SERVER_IDLE_TIMEOUT", "50ms"),
    ];
    let expected = Limits {
        max_connections: 1,
        max_frame: 8_192,
        max_inbox: 8_193,
        max_outbox: 1_024,
        max_buffered: 1_048_576,
        turn_bytes: 1_025,
        gathered_bytes: 0,
        turn_requests: 2,
        idle_timeout: Duration::from_millis(50),
    };
    assert_eq!(parse("", &keys).unwrap().config.limits, expected);
}

#[test]
fn a_bad_value_names_source_key_value_and_what_is_allowed() {
    for (key, value, allowed) in [
        ("SERVER_PORT", "65536", "a whole number from 0 to 65535"),
        ("SERVER_PORT", "-1", "a whole number from 0 to 65535"),
        (
            "SERVER_BIND",
            "localhost",
            "an IP address such as 127.0.0.1 or 0.0.0.0",
        ),
        (
            "LOGGING_LEVEL",
            "NOTICE",
            "DEBUG, INFO, WARNING, ERROR or CRITICAL",
        ),
        ("SERVER_DURABILITY", "maybe", "always, never or replicated"),
        (
            "SERVER_MAX_FRAME",
            "8191",
            "a whole number from 8192 to 16777215",
        ),
        (
            "SERVER_IDLE_TIMEOUT",
            "1ms",
            "a duration such as 500ms, 2s or 1m, from 50ms to 86400s",
        ),
        ("LOTTERY_WINNER_NUMBER", "x", "1 to 9 decimal digits"),
    ] {
        let error = ConfigError(format!(
            "the environment: {key} is '{value}', allowed is {allowed}"
        ));
        assert_eq!(parse("", &[(key, value)]).unwrap_err(), error);
        let error = ConfigError(format!(
            "config.ini: {key} is '{value}', allowed is {allowed}"
        ));
        assert_eq!(
            parse(&format!("[DEFAULT]\n{key}={value}"), &[]).unwrap_err(),
            error
        );
    }
    let error = parse("[DEFAULT]\nSERVER_PORT\n", &[])
        .unwrap_err()
        .to_string();
    assert!(
        error.starts_with("config.ini: SERVER_PORT is ''"),
        "{error}"
    );
}

#[test]
fn unknown_keys_and_sections_are_warned_about() {
    let warnings = parse("[DEFAULT]\nSERVER_PROT = 1\n[other]\nx = 1\n", &[])
        .unwrap()
        .warnings;
    assert_eq!(
        warnings,
        [
            "config.ini: section [other] is unknown and passed over",
            "config.ini: key SERVER_PROT is unknown and passed over",
        ]
    );
}

#[test]
fn a_database_is_named_by_a_url_and_its_password_comes_from_one_of_three_places() {
    let url = "postgresql://a@h/db?sslmode=disable";
    let options = |env: &[(&str, &str)]| match parse("", env).unwrap().config.store {
        StoreConfig::Postgres(options) => *options,
        StoreConfig::Files { .. } => panic!("in files"),
    };
    let LinkOptions {
        lottery,
        commit,
        timeout,
        agencies,
        sessions,
        url: database,
        ..
    } = options(&[("SERVER_STORE", url)]);
    assert_eq!(
        (&*lottery, commit, agencies, sessions),
        ("lottery", CommitMode::AsSet, 5, 2)
    );
    assert_eq!(
        (timeout, database.password),
        (Duration::from_secs(10), None)
    );

    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("password");
    std::fs::write(&file, "from file\n").unwrap();
    let file = ("SERVER_STORE_PASSWORD_FILE", file.to_str().unwrap());
    let password = |env: &[(&str, &str)]| options(env).url.password;
    let secret = |text: &str| Some(Secret(text.to_owned()));
    let store = ("SERVER_STORE", url);
    assert_eq!(password(&[store, file]), secret("from file"));
    let variable = ("PGPASSWORD", "from variable");
    assert_eq!(password(&[store, file, variable]), secret("from variable"));
    let own = ("SERVER_STORE", "postgresql://a:own@h/db?sslmode=disable");
    assert_eq!(password(&[own, file, variable]), secret("own"));
    let psql = [
        ("SERVER_STORE", "postgresql://h?sslmode=disable"),
        ("PGUSER", "agent"),
        ("PGDATABASE", "bets"),
    ];
    let url = options(&psql).url;
    assert_eq!((&*url.user, &*url.database), ("agent", "bets"));
    assert_eq!(options(&psql[..2]).url.database, "agent");

    for (env, sentence) in [
        (
            &[(
                "SERVER_STORE",
                "postgresql://a:secret@h/db?sslmode=verify-ca",
            )][..],
            "the environment: SERVER_STORE cannot be used: sslmode verify-ca needs sslrootcert",
        ),
        (
            &[store, ("SERVER_STORE_PASSWORD_FILE", "/none")],
            "SERVER_STORE_PASSWORD_FILE: /none: ",
        ),
        (
            &[("SERVER_DURABILITY", "replicated")],
            "SERVER_DURABILITY is replicated, and SERVER_STORE keeps",
        ),
        (
            &[("SERVER_STORE_SESSIONS", "17")],
            "the environment: SERVER_STORE_SESSIONS is '17', allowed is a whole number from 1 to 16",
        ),
        (
            &[("SERVER_LOTTERY", "a b")],
            "the environment: SERVER_LOTTERY is 'a b', allowed is 1 to 63 letters",
        ),
    ] {
        let error = parse("", env).unwrap_err().to_string();
        assert!(error.starts_with(sentence), "{error}");
        assert!(!error.contains("secret"), "{error}");
    }
}

#[test]
fn an_empty_variable_counts_as_not_set() {
    let file = "[DEFAULT]\nSERVER_PORT = 7\n";
    let config = parse(file, &[("SERVER_PORT", ""), ("SERVER_AGENCIES", "")]);
    let config = config.unwrap().config;
    assert_eq!((config.address.port(), config.agencies), (7, 5));
}

#[test]
fn a_missing_file_is_an_error_only_where_it_was_named() {
    let folder = tempfile::tempdir().unwrap();
    let sources = Sources {
        file: Some(folder.path().join("none.ini")),
        environment: Vec::new(),
        flags: Vec::new(),
    };
    let error = sources.load(small_file::read).unwrap_err().to_string();
    assert!(error.contains("none.ini: cannot be read"), "{error}");
}

#[test]
fn a_flag_wins_over_everything_and_each_value_knows_where_it_came_from() {
    let flag = |name: &str, key: &str, value: &str| Flag {
        name: name.to_owned(),
        key: key.to_owned(),
        value: value.to_owned(),
    };
    let load = |flags: &[Flag]| {
        let env = [("SERVER_PORT", "2"), ("SERVER_AGENCIES", "3")]
            .map(|(key, value)| (key.to_owned(), value.to_owned()));
        let text = "[DEFAULT]\nSERVER_PORT=1\nSERVER_AGENCIES=2\nSERVER_BIND=::1\n";
        Config::parse(
            Layers::read(flags, env, text, "config.ini")?,
            small_file::read,
        )
    };
    let loaded = load(&[flag("--port", "SERVER_PORT", "7")]).unwrap();
    assert_eq!(loaded.config.address, "[::1]:7".parse().unwrap());
    let of = |key: &str| {
        let setting = loaded.settings.iter().find(|setting| setting.key == key);
        setting
            .map(|setting| (setting.value.as_str(), setting.origin.to_string()))
            .unwrap()
    };
    assert_eq!(of("SERVER_PORT"), ("7", "the argument --port".to_owned()));
    assert_eq!(of("SERVER_AGENCIES"), ("3", "the environment".to_owned()));
    assert_eq!(of("SERVER_BIND"), ("::1", "config.ini".to_owned()));
    assert_eq!(of("SERVER_DATA_DIR"), ("data", "default".to_owned()));

    let error = load(&[flag("--port", "SERVER_PORT", "x")]).unwrap_err();
    assert!(
        error
            .to_string()
            .starts_with("the argument --port: SERVER_PORT is 'x'"),
        "{error}"
    );
    let error = load(&[flag("--set", "SERVER_PROT", "1")]).unwrap_err();
    assert!(
        error
            .to_string()
            .starts_with("the argument --set: there is no key SERVER_PROT"),
        "{error}"
    );
}

#[test]
fn a_database_url_is_shown_without_its_password() {
    let url = "postgresql://a:hidden@h/db?sslmode=disable";
    let loaded = parse("", &[("SERVER_STORE", url)]).unwrap();
    let shown = format!("{:?}", loaded.settings);
    assert!(shown.contains("postgresql://a:***@h/db?sslmode=disable"));
    assert!(
        !shown.contains("hidden") && !format!("{:?}", loaded.config).contains("hidden"),
        "{shown}"
    );
}

#[test]
fn a_variable_that_nobody_reads_and_a_key_given_twice_are_warned_about() {
    let text = "\u{feff}[DEFAULT]\nSERVER_PORT = 1\n# SERVER_PORT = 3\nserver_port: 2\n[x]\nSERVER_PORT=4\n";
    let env = [
        ("SERVER_PORTT", "1"),
        ("LOTTERY_WINNER", "1"),
        ("SERVER_SERVICE_HOST", "10.0.0.1"),
        ("SERVER_PORT_12345_TCP", "tcp://10.0.0.1:12345"),
        ("PATH", "/bin"),
        ("SERVER_EMPTY", ""),
    ];
    let loaded = parse(text, &env).unwrap();
    assert_eq!(loaded.config.address.port(), 2);
    assert_eq!(
        loaded.warnings,
        [
            "config.ini: key SERVER_PORT is given twice, the last value counts",
            "config.ini: section [x] is unknown and passed over",
            "the environment: variable LOTTERY_WINNER is unknown and passed over",
            "the environment: variable SERVER_PORTT is unknown and passed over",
            "the environment: SERVER_PORT_12345_TCP and the like are passed over: an orchestrator sets them for a service of the name server",
        ]
    );
    let error = parse("", &[("SERVER_PORT", "tcp://10.0.0.1:12345")]).unwrap_err();
    assert!(
        error.to_string().contains("enableServiceLinks: false"),
        "{error}"
    );
}

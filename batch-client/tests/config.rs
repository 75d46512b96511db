//! The configuration: where values come from, which ones are refused, and the errors and warnings about them.

use std::path::Path;
use std::time::Duration;

use batch_client::config::{Config, Flag, Loaded, Origin, Protocol, Settings};
use frame::log::Level;

/// Loads a file of this text, with these variables; errors and warnings call it `config.yaml`.
fn load(yaml: &str, variables: &[(&str, &str)]) -> Result<Loaded, String> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("config.yaml");
    std::fs::write(&path, yaml).unwrap();
    let variables = variables
        .iter()
        .map(|(k, v)| (k.to_string(), v.to_string()));
    let plain = |text: String| text.replace(path.to_str().unwrap(), "config.yaml");
    let mut loaded = Config::load(Some(&path), variables).map_err(|e| plain(e.to_string()))?;
    loaded.warnings = loaded.warnings.into_iter().map(plain).collect();
    Ok(loaded)
}

fn variable(key: &str) -> String {
    format!("CLI_{}", key.to_uppercase().replace('.', "_"))
}

#[test]
fn every_key_but_the_id_has_a_default_that_works() {
    let config = load("id: 1", &[]).unwrap().config;
    assert_eq!(config.server.addresses.to_string(), "server:12345");
    assert_eq!(config.server.protocol, Protocol::Resume);
    assert_eq!(config.server.timeout, Duration::from_secs(10));
    assert_eq!(config.server.retry, Duration::from_secs(300));
    assert_eq!((config.loop_amount, config.batch.max_amount), (5, 86));
    assert_eq!(config.loop_period.to_string(), "5s");
    assert_eq!(config.log_level, Level::Info);
    assert_eq!(config.batch.window, 64);
    assert_eq!(config.batch.file, Path::new("/data/agency.csv"));
    assert_eq!(
        load("", &[]).unwrap_err(),
        "id is not set: set CLI_ID to a whole number from 1 to 4294967295"
    );
}

#[test]
fn the_files_of_tls_are_set_all_or_none() {
    assert_eq!(load("id: 1", &[]).unwrap().config.server.tls, None);
    let yaml = "id: 1\nserver:\n  tls:\n    ca: a.pem\n    cert: c.pem\n";
    let files = load(yaml, &[("CLI_SERVER_TLS_KEY", "k.pem")]).unwrap();
    let files = files.config.server.tls.unwrap();
    assert_eq!(files.ca, Path::new("a.pem"));
    assert_eq!(files.cert, Path::new("c.pem"));
    assert_eq!(files.key, Path::new("k.pem"));
    assert_eq!(
        load(yaml, &[]).unwrap_err(),
        "server.tls.key is not set: set CLI_SERVER_TLS_KEY to the path of a file; mutual TLS needs all of server.tls.ca, server.tls.cert and server.tls.key, or none"
    );
}

#[test]
fn the_environment_wins_over_the_file_whose_keys_are_nested_or_dotted() {
    let yaml = "id: \"7\"\nserver:\n  address: a:1\n  protocol: plain\nloop.amount: 3\nloop:\n  period: 1m30s\nlog: {level: debug}\nbatch:\n  maxAmount: 10\n  file:\n";
    let config = load(
        yaml,
        &[
            ("CLI_ID", "8"),
            ("CLI_BATCH_MAXAMOUNT", "20"),
            ("CLI_LOOP_PERIOD", ""),
        ],
    )
    .unwrap()
    .config;
    assert_eq!((config.agency.get(), config.batch.max_amount), (8, 20));
    assert_eq!(config.server.addresses.to_string(), "a:1");
    assert_eq!(config.server.protocol, Protocol::Plain);
    assert_eq!((config.loop_amount, config.log_level), (3, Level::Debug));
    assert_eq!(config.loop_period.to_string(), "1m30s");
    assert_eq!(config.batch.file, Path::new("/data/agency.csv"));
}

#[test]
fn a_value_outside_its_range_is_named_with_its_key_and_what_is_allowed() {
    for (key, value) in [
        ("id", "0"),
        ("id", "agency"),
        ("id", "4294967296"),
        ("server.address", "12345"),
        ("server.address", ":12345"),
        ("server.address", "server:0"),
        ("server.address", "server:65536"),
        ("server.protocol", "other"),
        ("server.timeout", "0s"),
        ("server.timeout", "25h"),
        ("server.retry", "5"),
        ("loop.amount", "-1"),
        ("loop.amount", "4294967296"),
        ("loop.period", "five"),
        ("log.level", "LOUD"),
        ("batch.maxAmount", "0"),
        ("batch.maxAmount", "1.5"),
        ("batch.window", "1025"),
    ] {
        let expected = |origin: &str| format!("{key} is \"{value}\" in {origin}: allowed is ");
        let id = if key == "id" { "" } else { "id: 1\n" };
        let error = load(&format!("{id}{key}: \"{value}\""), &[]).unwrap_err();
        assert!(error.starts_with(&expected("config.yaml")), "{error}");
        let name = variable(key);
        let error = load("id: 1", &[(&name, value)]).unwrap_err();
        assert!(
            error.starts_with(&expected(&format!("the variable {name}"))),
            "{error}"
        );
    }
}

#[test]
fn unknown_keys_are_warned_about_without_their_values() {
    let loaded = load(
        "id: 1\nserver: {adress: x}\n",
        &[("CLI_NAME", "y"), ("PATH", "z")],
    )
    .unwrap();
    assert_eq!(
        loaded.warnings,
        [
            "config.yaml sets server.adress, which is not a known key",
            "the variable CLI_NAME is set, but is not the variable of a known key"
        ]
    );
}

#[test]
fn a_key_that_is_set_twice_by_the_file_is_warned_about_and_its_last_value_counts() {
    for (yaml, key) in [
        ("id: 1\nlog.level: ERROR\nlog: {level: DEBUG}", "log.level"),
        (
            "\u{feff}id: 1\nlog: {level: ERROR, LEVEL: DEBUG}",
            "log.level",
        ),
        ("id: 7\nlog.level: DEBUG\nid: 1", "id"),
    ] {
        let loaded = load(yaml, &[]).unwrap();
        let config = loaded.config;
        assert_eq!((config.agency.get(), config.log_level), (1, Level::Debug));
        let warning = format!("config.yaml sets {key} twice; the last value counts");
        assert_eq!(loaded.warnings, [warning]);
    }
}

fn flag(flag: &str, key: &str, value: &str) -> Flag {
    let [flag, key, value] = [flag, key, value].map(str::to_owned);
    Flag { flag, key, value }
}

#[test]
fn a_flag_wins_over_a_variable_that_wins_over_the_file_and_each_value_knows_where_it_is_from() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("c.yaml");
    std::fs::write(&path, "id: 1\nlog.level: ERROR\nbatch.window: 2\n").unwrap();
    let variable = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    let variables = [
        variable("CLI_ID", "2"),
        variable("CLI_LOG_LEVEL", "WARNING"),
        variable("CLI_BATCH_WINDOW", ""),
    ];
    let flags = [
        flag("--set ID", "ID", "4"),
        flag("--id", "id", "3"),
        flag("--server", "server.address", "ana:s3cret@h:1"),
    ];
    let settings = Settings::read(Some(&path), variables, flags).unwrap();
    let in_force: Vec<_> = settings.in_force().collect();
    let find = |key: &str| {
        let (_, value, origin) = in_force.iter().find(|(name, ..)| *name == key).unwrap();
        (value.as_deref().unwrap(), origin.clone())
    };
    assert_eq!(find("id"), ("3", Origin::Flag("--id".to_owned())));
    let level = ("WARNING", Origin::Variable("CLI_LOG_LEVEL".to_owned()));
    assert_eq!(find("log.level"), level);
    assert_eq!(find("batch.window"), ("2", Origin::File(path)));
    assert_eq!(find("batch.maxAmount"), ("86", Origin::Default));
    assert_eq!(find("server.address").0, "ana:***@h:1");
    assert_eq!(
        settings.warnings(),
        ["the command line sets id twice; the last value counts"]
    );
    let error = Config::from_settings(&settings).unwrap_err().to_string();
    assert!(
        error
            .starts_with("server.address is \"ana:***@h:1\" in the argument --server: allowed is "),
        "{error}"
    );
}

#[test]
fn a_file_that_is_not_a_mapping_of_single_values_cannot_be_used() {
    for yaml in ["- id", "id", "id: [1]", "1: 2", "id: {"] {
        let error = load(yaml, &[]).unwrap_err();
        assert!(error.starts_with("config.yaml cannot be used: "), "{error}");
    }
}

#[test]
fn a_number_where_a_text_is_meant_is_refused_since_yaml_may_change_it() {
    for line in [
        "batch.file: 2026.10",
        "batch: {file: 0x10}",
        "server.tls.ca: true",
    ] {
        let error = load(&format!("id: 1\n{line}\n"), &[]).unwrap_err();
        assert!(
            error.ends_with("a text is needed: put it in quotes"),
            "{error}"
        );
    }
    let loaded = load("id: 1\nbatch.file: \"2026.10\"\n", &[]).unwrap();
    assert_eq!(loaded.config.batch.file, Path::new("2026.10"));
}

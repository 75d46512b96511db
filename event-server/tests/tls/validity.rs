//! Until when certificates are valid, as the client tells it.

use std::process::Command;

use fixtures::programs::program;

use crate::trust::Trust;

#[test]
fn the_check_of_an_agencys_file_and_its_configuration_say_until_when_its_certificate_is_valid() {
    let trust = Trust::new();
    let (cert, key) = trust
        .agency("agency-1")
        .write(trust.folder(), "agency")
        .unwrap();
    let ca = trust.write_authority("ca", &trust.authority);
    let file = trust.folder().join("bets.csv");
    std::fs::write(&file, "Ana,Paz,7,1999-12-31,7574\nno bet\n").unwrap();
    let run = |arguments: &[&str]| {
        let mut client = Command::new(program("batch-client").unwrap());
        client
            .current_dir(trust.folder())
            .args(arguments)
            .args(["--set", "id=1"])
            .env("CLI_SERVER_TLS_CERT", &cert)
            .env("CLI_SERVER_TLS_KEY", &key)
            .env("CLI_SERVER_TLS_CA", &ca);
        let output = client.output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    let until = "4000-01-01 00:00:00 UTC";
    let cert = cert.display();
    let checked = run(&["check", "bets.csv"]);
    let line = format!("{cert}: valid until {until}\n");
    assert!(checked.ends_with(&line), "{checked}");
    let checked = run(&["check", "bets.csv", "--json"]);
    let object = format!("{{\"certificate\":\"{cert}\",\"valid_until\":\"{until}\"}}\n");
    assert!(checked.ends_with(&object), "{checked}");
    let shown = run(&["config"]);
    let line = format!("# server.tls.cert is valid until {until}\n");
    assert!(shown.ends_with(&line), "{shown}");
}

//! What goes wrong: a start that is refused, a full disk, a database or a folder that is gone, a certificate that ends.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;

use fixtures::certificates::{Authority, Role, Term};
use fixtures::postgres::Postgres;

use crate::common::eventually;
use crate::scene::{Scene, ask};

pub fn refused_start(mut scene: Scene) {
    let data = scene.path("data");
    let central = scene.central(&[]);
    scene.send(1, 20, central.address);
    scene.stop(central);
    let allow = |mode| fs::set_permissions(&data, fs::Permissions::from_mode(mode)).unwrap();
    allow(0o777);
    let refused = scene.type_in("event-server", 74);
    fs::write(scene.path("journal"), &refused.log).unwrap();
    let told = scene.run("journalctl").told;
    assert!(
        told.contains("can be written to by others than its owner"),
        "{told}"
    );
    allow(0o700);
    let bad = scene.type_in("SERVER_PORT=high event-server", 78);
    assert!(bad.log.contains("SERVER_PORT"), "{}", bad.log);
    assert!(
        scene
            .run("event-server config")
            .told
            .contains("SERVER_PORT = ")
    );

    // The head of the log is damaged: without it the rows are taken over, and whose they are is said by hand.
    fs::rename(data.join("bets.wal"), scene.path("bets.wal")).unwrap();
    let central = scene.central(&[]);
    let log = scene.send_to(1, 20, central.address, 76);
    assert!(log.contains("result: fail"), "{log}");
    scene.stop(central);
    scene.place("--agency N", "--agency 1");
    scene.run("finish --agency N");
    let central = scene.central(&[]);
    scene.stop(central);
    scene.end(&[(
        "action: open_store | result: in_progress",
        "a start that takes long is in tests/recovering.rs",
    )]);
}

/// A central on a file system of its own, in the folder `disk`.
const MOUNTED: &str = "unshare --user --map-root-user --mount sh -c \
     'mount -t tmpfs -o size=64m,mode=700 none disk && exec event-server --data-dir disk/data'";

pub fn full_disk(mut scene: Scene) {
    let disk = scene.path("disk");
    fs::create_dir(&disk).unwrap();
    let probe = "unshare --user --map-root-user --mount mount -t tmpfs none disk";
    if !scene
        .shell(probe)
        .output()
        .is_ok_and(|ended| ended.status.success())
    {
        eprintln!("skipped: no file system can be mounted here (unshare --user --mount)");
        return;
    }
    let central = scene.serve(MOUNTED, &[]);
    scene.send(1, 20, central.address);
    // The central's file system, seen from outside.
    let root = format!("/proc/{}/root{}", central.running.pid(), disk.display());
    let rest = format!("{root}/rest");
    let mut file = fs::File::create(&rest).unwrap();
    while file.write_all(&[1; 4096]).is_ok() {}
    // Room for some rows behind those that the log has room for.
    let length = file.metadata().unwrap().len();
    file.set_len(length - 1536 * 1024).unwrap();
    drop(file);
    let http = central.http;
    let ready = || ask(&format!("{http}/readyz"));
    assert_eq!(ready(), "ready");
    scene.send_to(5, 100_000, central.address, 75);
    scene.hear(&ready());
    scene.place("/var/lib/lottery", &root);
    let full = scene.run("df -h").told;
    assert!(full.contains('%'), "{full}");
    fs::remove_file(rest).unwrap();
    eventually("there is room", || ready() == "ready");
    scene.run("readyz");
    scene.send(5, 100_000, central.address);
    scene.stop(central);
    scene.end(&[(
        "action: sorteo | result: fail",
        "a draw on a full disk is in tests/store/full.rs",
    )]);
}

pub fn database_gone(mut scene: Scene) {
    let Some(mut database) = Postgres::start().unwrap() else {
        return;
    };
    let (port, url) = (database.port(), database.url("postgres", "postgres"));
    let host = format!("127.0.0.1:{port}");
    let (db1, db2) = (host.clone(), "127.0.0.1:9");
    scene.place("db1:5432", &db1);
    scene.place("db2:5432", db2);
    let both = url.replace(&host, &format!("{db1},{db2}"));
    scene.configure(&format!("SERVER_STORE = {url}\n"));
    let alone = scene.central(&[("SERVER_NAME", "one")]);
    let two = scene.central(&[("SERVER_STORE", &both), ("SERVER_NAME", "two")]);
    let opened = "action: open_store | result: success | database: ";
    for central in [&alone, &two] {
        central.running.wait_for(opened).unwrap();
    }
    scene.send(1, 20, alone.address);
    database.crash().unwrap();
    alone.running.wait_for("is lost: ").unwrap();
    alone
        .running
        .wait_for("the database cannot be reached at")
        .unwrap();
    two.running
        .wait_for("no host of the database takes bets")
        .unwrap();
    let asked = scene.run_to("event-server status", 69).log;
    assert!(asked.contains("the database cannot be reached"), "{asked}");
    let ready = scene.run("readyz").told;
    assert!(ready.contains("no host of the database"), "{ready}");
    database.run().unwrap();
    for central in [&alone, &two] {
        let twice = |log: &str| log.matches(opened).count() == 2;
        central.running.wait_until(twice).unwrap();
    }
    let reconnects = "\nevent_server_store_reconnects_total 1";
    let metrics = ask(&format!("{}/metrics", alone.http));
    assert!(metrics.contains(reconnects), "{metrics}");
    scene.send(1, 20, alone.address);
    scene.stop(alone);
    scene.stop(two);
    let elsewhere = "tests/postgres/away.rs has commits under way and winners that are waited for";
    scene.end(&[
        ("action: drop_connection", elsewhere),
        ("action: consulta_ganadores", elsewhere),
    ]);
}

pub fn lost_folder(mut scene: Scene) {
    let central = scene.central(&[]);
    let address = central.address;
    let client = scene.client(1, 20, address);
    client
        .wait_for("notify_finished | result: success")
        .unwrap();
    scene.stop(central);
    for file in fs::read_dir(scene.path("data")).unwrap() {
        fs::remove_file(file.unwrap().path()).unwrap();
    }
    scene.run_to("status", 74);
    let central = scene.central(&[("SERVER_PORT", &address.port().to_string())]);
    client.wait_for("has lost").unwrap();
    let finished = "notify_finished | result: success";
    let twice = |log: &str| log.matches(finished).count() == 2;
    client.wait_until(twice).unwrap();
    scene.hear(&client.log());
    // A client that had ended is run again.
    scene.send(2, 30, address);
    let status = scene.run("status").told;
    assert!(status.contains("agency 1: 20 bets, finished"), "{status}");
    let verified = scene.run("verify").told;
    assert!(verified.contains("sound: 50 bets"), "{verified}");
    scene.stop(central);
    scene.end(&[]);
}

pub fn certificate(mut scene: Scene) {
    let authority = Authority::new("lottery").unwrap();
    fs::write(scene.path("ca.pem"), authority.certificate()).unwrap();
    let folder = scene.path("");
    let central_is = |term| {
        let names = ["central", "127.0.0.1"];
        let identity = authority.sign(Role::Server, &names, term).unwrap();
        identity.write(&folder, "central").unwrap();
    };
    let agency_is = |term| {
        let identity = authority.sign(Role::Client, &["agency-1"], term).unwrap();
        identity.write(&folder, "agency").unwrap();
    };
    scene.configure(
        "SERVER_TLS_CERT = central.pem\nSERVER_TLS_KEY = central.key\nSERVER_TLS_CLIENT_CA = ca.pem\n",
    );
    let client = "id: 1\nbatch:\n  file: agency.csv\nserver:\n  tls:\n    ca: ca.pem\n    cert: agency.pem\n    key: agency.key\n";
    fs::write(scene.path("config.yaml"), client).unwrap();
    fs::write(scene.path("agency.csv"), "Ana,Paz,7,1999-12-31,7574\n").unwrap();

    central_is(Term::Past);
    agency_is(Term::Past);
    let central = scene.central(&[]);
    let expired = "has expired on 2001-01-01 00:00:00 UTC: every peer refuses it; sign another one";
    for command in [
        "event-server config",
        "event-server --check",
        "batch-client check",
    ] {
        let ended = scene.run(command);
        assert!(ended.log.contains(expired), "{command}: {}", ended.log);
    }
    scene.send_to(1, 20, central.address, 76);

    // The agency's first: its certificate is refused by the central.
    central_is(Term::Current);
    let valid = scene.run("--config /etc/event-server/config.ini | tail -1");
    assert!(valid.told.contains("valid until 4000"), "{}", valid.told);
    scene.run("systemctl reload");
    let reloaded = "action: reload | result: success";
    central.running.wait_for(reloaded).unwrap();
    scene.send_to(1, 20, central.address, 76);
    agency_is(Term::Current);
    scene.send(1, 20, central.address);

    fs::write(scene.path("central.pem"), "no PEM").unwrap();
    scene.run("systemctl reload");
    let failed = "action: reload | result: fail";
    central.running.wait_for(failed).unwrap();
    scene.send(1, 20, central.address);
    scene.stop(central);
    scene.end(&[(
        "action: open_tls | result: in_progress",
        "a certificate that ends soon is in tests/tls/validity.rs",
    )]);
}

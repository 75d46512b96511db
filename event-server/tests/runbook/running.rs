//! A central that is traced, upgraded, restarted by systemd, and whose log is rotated.

use std::fs;
use std::os::unix::process::CommandExt as _;

use rustix::process::{Pid, Signal, kill_process_group};

use crate::common::eventually;
use crate::scene::Scene;

pub fn trace(mut scene: Scene) {
    let central = scene.central(&[]);
    scene.run("kill -USR1");
    let begun = "action: trace | result: in_progress";
    central.running.wait_for(begun).unwrap();
    scene.run("kill -USR1");
    let ended = "action: trace | result: success";
    central.running.wait_for(ended).unwrap();
    scene.stop(central);
    scene.end(&[]);
}

pub fn upgrade(mut scene: Scene) {
    scene.run("--version");
    let central = scene.central(&[]);
    scene.send(1, 20, central.address);
    scene.run("backup /backup/before-upgrade");
    scene.run("apt install");
    // What the package does.
    scene.stop(central);
    let central = scene.central(&[]);
    scene.send(1, 20, central.address);
    scene.stop(central);
    scene.type_in("event-server verify --data-dir backup/before-upgrade", 0);
    scene.end(&[]);
}

pub fn handed_over(mut scene: Scene) {
    scene.run("cp ");
    scene.run("editor ");
    scene.run("daemon-reload");
    scene.run("systemctl stop event-server");
    scene.run("enable --now");
    scene.run("systemctl start");
    let central = scene.central(&[]);
    scene.run("--check");
    scene.run("systemctl restart");
    scene.stop(central);
    scene.run("event-server.socket event-server.service");
    let unit = fs::read_to_string(scene.path("system/event-server.socket")).unwrap();
    assert!(unit.contains("[Socket]"), "{unit}");
    scene.end(&[
        ("Connection refused", "it is what nobody sees"),
        (
            "the socket that was handed over listens on",
            "tests/service_manager.rs hands over sockets",
        ),
    ]);
}

pub fn rotation(mut scene: Scene) {
    let line = scene.command("rotatelogs");
    let mut pipeline = scene.shell(&line).process_group(0).spawn().unwrap();
    let log = scene.path("central.log");
    eventually("the log is in the file", || {
        fs::read_to_string(&log).is_ok_and(|log| log.contains("action: listen | result: success"))
    });
    let group = Pid::from_raw(pipeline.id() as i32).unwrap();
    kill_process_group(group, Signal::TERM).unwrap();
    pipeline.wait().unwrap();
    scene.end(&[(
        "action: write_log",
        "tests/standard_error.rs has a log that nobody reads",
    )]);
}

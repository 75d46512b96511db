//! The show, played in a tenth of its time.

use std::sync::Mutex;
use std::time::Duration;

use benches::show::{SCENES, Settings, Told, play};

#[test]
fn each_scene_of_the_show_is_played_and_leaves_its_line_in_the_log() {
    let settings = Settings {
        length: Duration::from_secs(18),
        trace: None,
    };
    let told = Mutex::new(Vec::new());
    let tell = |what: Told<'_>| {
        let mut told = told.lock().unwrap();
        told.push(match what {
            Told::Opened(_) => "opened".to_owned(),
            Told::Begins(scene) => scene.name.to_owned(),
            Told::Came(what) => what.to_owned(),
            Told::Stops => "stops".to_owned(),
        });
    };
    let log = play(&settings, || false, tell).unwrap();
    let told = told.into_inner().unwrap();
    let at = |name: &str| told.iter().position(|what| what == name);
    let places: Vec<_> = SCENES.iter().map(|scene| at(scene.name)).collect();
    assert!(places.iter().all(Option::is_some) && places.is_sorted());
    assert!(at("opened") < places[0] && at("stops") > places[SCENES.len() - 1]);
    // Two that read slowly are sent all that they are owed while the central stops.
    let owed = told
        .iter()
        .filter(|what| what.ends_with("that it was owed"));
    assert_eq!(owed.count(), 2);
    for line in [
        "msg: are you there?",
        "action: consulta_ganadores | result: in_progress | agency: 26",
        "action: consulta_ganadores | result: in_progress | agency: 27",
        "action: fence_connection | result: success",
        "Connection reset by peer",
        "timed out waiting for a first byte",
        "timed out waiting for the peer to take its replies",
        "action: sorteo | result: success",
        "action: receive_signal | result: success | container: server | signal: SIGTERM",
        "action: exit | result: success | container: server",
    ] {
        assert!(log.contains(line), "nothing says '{line}':\n{log}");
    }
}

//! Histories of real programs, judged: whatever is killed, what clients were told fits one order of what they asked.
//!
//! Two clients of each agency send the same file, one bet or a few at a time, leave in the middle and throw each other out, while
//! the central is killed, or one of two centrals and their sessions with the database. The judge knows neither the programs nor
//! the test: `cargo run -p event-server --example judge -- FILE` is the same one. HISTORY_SEED plays one seed, HISTORY_SEEDS
//! that many; one that is refused is left in the system's temporary folder.

#[path = "../common/mod.rs"]
mod common;
mod scribe;
#[path = "../postgres/stage.rs"]
mod stage;
#[path = "../../examples/judge/verdict.rs"]
mod verdict;

use std::net::{SocketAddr, TcpListener};
use std::ops::Range;
use std::thread;

use fixtures::history::{Ask, Event, History, Told, parse};
use fixtures::programs::{self, Running, Signal};

use crate::common::eventually;
use crate::stage::Stage;

const AGENCIES: u32 = 3;

/// Clients of each agency.
const CLIENTS: usize = 2;

/// How often something is killed, at most.
const STRIKES: usize = 6;

fn seeds() -> Range<u64> {
    let number = |name: &str| std::env::var(name).ok()?.parse::<u64>().ok();
    match number("HISTORY_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..number("HISTORY_SEEDS").unwrap_or(1),
    }
}

/// An address that is free now, and is again when whoever listens there is killed.
fn free_address() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap()
}

/// Has all clients send their files to these centrals, and strikes meanwhile, at moments that the seed chooses.
fn play(seed: u64, centrals: &[SocketAddr], mut strike: impl FnMut(&mut fastrand::Rng)) -> History {
    let history = History::default();
    let mut rng = fastrand::Rng::with_seed(seed);
    thread::scope(|scope| {
        let clients = (1..=AGENCIES).flat_map(|number| [number; CLIENTS]);
        let clients = clients.map(|number| {
            let (history, rng) = (&history, rng.fork());
            scope.spawn(move || scribe::upload(history, number, centrals, rng))
        });
        let clients: Vec<_> = clients.collect();
        for _ in 0..STRIKES {
            let next = history.len() + rng.usize(..80);
            let all_ended = || clients.iter().all(|client| client.is_finished());
            eventually("the clients go on", || history.len() >= next || all_ended());
            if all_ended() {
                break;
            }
            strike(&mut rng);
        }
    });
    history
}

/// Fails where the history is not right, or other rows are stored than the files have.
fn expect_right(seed: u64, (history, rows): (History, String)) {
    let text: String = history
        .events()
        .iter()
        .map(|event| format!("{event}\n"))
        .collect();
    let broken = verdict::judge(&parse(&text).unwrap());
    if !broken.is_empty() {
        let path =
            std::env::temp_dir().join(format!("history-{seed}-{}.jsonl", std::process::id()));
        std::fs::write(&path, text).unwrap();
        panic!(
            "seed {seed}: {broken:#?}; the history is in {}",
            path.display()
        );
    }
    scribe::assert_files(AGENCIES, &rows);
}

/// A lottery in files, whose central is killed.
fn files(seed: u64) -> (History, String) {
    let folder = tempfile::tempdir().unwrap();
    let address = free_address();
    let start = || {
        let environment = [
            ("SERVER_PORT", &*address.port().to_string()),
            ("SERVER_AGENCIES", &AGENCIES.to_string()),
        ];
        programs::central(folder.path(), &environment).unwrap().0
    };
    let mut central = Some(start());
    let history = play(seed, &[address], |_| {
        let killed = central.take().unwrap();
        killed.signal(Signal::KILL).unwrap();
        killed.wait().unwrap();
        central = Some(start());
    });
    central.unwrap().stop().unwrap();
    let rows = std::fs::read_to_string(folder.path().join("bets.csv")).unwrap();
    scribe::stored(&history, AGENCIES, &rows, ",7574");
    (history, rows)
}

#[test]
fn what_clients_of_a_central_that_is_killed_are_told_fits_one_order() {
    for seed in seeds() {
        expect_right(seed, files(seed));
    }
}

/// Ends any session of a central.
const END_A_SESSION: &str = "select pg_terminate_backend(pid) from pg_stat_activity
    where application_name like 'event-server%' order by random() limit 1";

/// A lottery in a database, of whose two centrals one is killed, or a session of one is ended.
fn database(seed: u64, stage: &Stage) -> (History, String) {
    let addresses = [free_address(), free_address()];
    let start = |number: usize| -> Running {
        let environment = [
            ("SERVER_NAME", &*format!("central-{number}")),
            ("SERVER_PORT", &addresses[number].port().to_string()),
            ("SERVER_AGENCIES", &AGENCIES.to_string()),
            ("SERVER_LOTTERY", &format!("seed_{seed}")),
        ];
        stage.central(&environment).0
    };
    let mut centrals = [0, 1].map(|number| Some(start(number)));
    let history = play(seed, &addresses, |rng| {
        if rng.bool() {
            // There may be no session at this moment.
            let _ = stage.database.sql(END_A_SESSION);
            return;
        }
        let number = rng.usize(..2);
        let killed = centrals[number].take().unwrap();
        killed.signal(Signal::KILL).unwrap();
        killed.wait().unwrap();
        centrals[number] = Some(start(number));
    });
    for central in centrals.into_iter().flatten() {
        central.stop().unwrap();
    }
    let query = format!(
        "select agency || ',' || first_name || ',' || last_name || ',' || document || ',' || birthdate || ',' || number
         from seed_{seed}.bets order by agency, seq"
    );
    let rows = stage.database.sql(&query).unwrap();
    scribe::stored(&history, AGENCIES, &rows, ",7574");
    (history, rows)
}

#[test]
fn what_clients_of_two_centrals_are_told_of_which_one_is_killed_or_loses_its_session_fits_one_order()
 {
    let Some(stage) = Stage::set() else { return };
    for seed in seeds() {
        expect_right(seed, database(seed, &stage));
    }
}

/// Where somebody was first told something of which `what` is true.
fn told(events: &[Event], what: impl Fn(&Told) -> bool) -> usize {
    let is_it = |event: &Event| matches!(event, Event::Told { told, .. } if what(told));
    events.iter().position(is_it).unwrap()
}

/// Where something was first asked of which `what` is true.
fn asked(events: &[Event], what: impl Fn(u64, &Ask) -> bool) -> usize {
    let is_it =
        |event: &Event| matches!(event, Event::Ask { client, ask, .. } if what(*client, ask));
    events.iter().position(is_it).unwrap()
}

fn client_of(event: &Event) -> u64 {
    match event {
        Event::Ask { client, .. } | Event::Told { client, .. } => *client,
    }
}

/// Changes what was told at this place.
fn replace(events: &mut [Event], at: usize, change: impl FnOnce(&mut Told)) {
    match &mut events[at] {
        Event::Told { told, .. } => change(told),
        Event::Ask { .. } => panic!("nobody is told anything at {at}"),
    }
}

/// The number of a client that is none of the others.
const STRANGER: u64 = 1_000_000;

/// The same event of that client.
fn by_stranger(mut event: Event) -> Event {
    match &mut event {
        Event::Ask { client, .. } | Event::Told { client, .. } => *client = STRANGER,
    }
    event
}

#[test]
fn a_history_that_no_lottery_could_have_is_refused() {
    let (history, _) = files(7);
    let events = history.events();
    assert_eq!(verdict::judge(&events), [""; 0]);
    // Those who ask the store itself come after all others.
    let readers = client_of(&events[asked(&events, |_, ask| *ask == Ask::Rows)]);
    let refuse = |what: &str, sentence: &str, change: &dyn Fn(&mut Vec<Event>)| {
        let mut doctored = events.clone();
        change(&mut doctored);
        let broken = verdict::judge(&doctored);
        let is_found = broken.iter().any(|found| found.contains(sentence));
        assert!(is_found, "{what}: {broken:?}");
    };
    let (of_bets, of_draw) = (
        "fits no order of what was asked",
        "before all have finished",
    );
    for rows in [scribe::BETS - 1, scribe::BETS + 1] {
        refuse("another number of rows is stored", of_bets, &|events| {
            let at = asked(events, |_, ask| *ask == Ask::Rows) + 1;
            replace(events, at, |told| *told = Told::Count(rows));
        });
    }
    refuse(
        "a count is behind what was acknowledged",
        of_bets,
        &|events| {
            let is_count = |event: &Event| {
                matches!(
                    event,
                    Event::Told {
                        told: Told::Count(1..),
                        ..
                    }
                )
            };
            let last = events
                .iter()
                .rposition(|event| is_count(event) && client_of(event) < readers);
            replace(events, last.unwrap(), |told| *told = Told::Count(0));
        },
    );
    refuse("a batch is stored twice", of_bets, &|events| {
        let at = told(events, |told| *told == Told::Done);
        let client = client_of(&events[at]);
        let before = &events[..at];
        let ask = before.iter().rposition(|event| client_of(event) == client);
        let again = [&events[ask.unwrap()], &events[at]].map(|event| by_stranger(event.clone()));
        events.splice(at + 1..=at, again);
    });
    let is_list = |told: &Told| matches!(told, Told::Winners(_));
    refuse(
        "winners come before anybody has finished",
        of_draw,
        &|events| {
            let at = told(events, is_list);
            let client = client_of(&events[at]);
            let answer = events.remove(at);
            let at = asked(events, |of, ask| of == client && *ask == Ask::Winners);
            let query = events.remove(at);
            events.splice(0..0, [query, answer].map(by_stranger));
        },
    );
    refuse("a winner is missing", of_draw, &|events| {
        let at = told(events, is_list);
        replace(events, at, |told| {
            if let Told::Winners(documents) = told {
                documents.remove(0);
            }
        });
    });
}

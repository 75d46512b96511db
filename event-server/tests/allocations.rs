//! Neither server nor client asks for memory for a bet, nor for a batch: their buffers are enough once they have
//! grown. Both run here as they do in their programs, on a thread each, and each thread's allocations are counted.

use std::fs::File;
use std::net::TcpListener;
use std::thread;
use std::time::Instant;

use allocation_counter::{AllocationInfo, measure};
use batch_client::agency;
use batch_client::progress::Progress;
use event_server::config::{Sources, StoreConfig};
use event_server::lottery::Lottery;
use event_server::reload::Reload;
use event_server::server::{Controls, Reactor, Server, Signals};
use event_server::service::Service;
use event_server::store::files::{FileStore, Folder};
use event_server::supervisor::Supervisor;
use fixtures::Spec;
use frame::log::{Format, Level, Logger};
use frame::small_file;

const BETS: usize = 200_000;

/// What both may allocate: to begin, to end, for a new second on the log's clock. Less than a batch in four.
const MOST: u64 = (BETS / 86 / 4) as u64;

#[test]
fn no_bet_and_no_batch_is_an_allocation() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("agency.csv");
    let spec = Spec::new(1, BETS, 3).unwrap();
    spec.write_to(File::create(&file).unwrap()).unwrap();
    let port = TcpListener::bind(("127.0.0.1", 0))
        .and_then(|listener| listener.local_addr())
        .unwrap()
        .port();
    let loss = event_server::report::lines_lost;
    let logger = Logger::background(Level::Info, Format::Text, std::io::sink, loss);
    logger.install();
    // The first line of the log reads the time zone, whose tables are none of a bet's business.
    tracing::info!("begin");

    let variables = [
        ("SERVER_BIND", "127.0.0.1".to_owned()),
        ("SERVER_PORT", port.to_string()),
        ("SERVER_AGENCIES", "1".to_owned()),
        ("SERVER_DURABILITY", "never".to_owned()),
        ("SERVER_DATA_DIR", folder.path().display().to_string()),
    ];
    let server = thread::spawn({
        let logger = logger.clone();
        move || {
            measure(|| {
                serve(
                    variables.map(|(key, value)| (key.to_owned(), value)),
                    logger,
                )
            })
        }
    });
    let client = thread::spawn(move || {
        let variables = [
            ("CLI_ID", "1".to_owned()),
            ("CLI_SERVER_ADDRESS", format!("127.0.0.1:{port}")),
            ("CLI_BATCH_FILE", file.display().to_string()),
        ];
        let variables = variables.map(|(name, value)| (name.to_owned(), value));
        let config = batch_client::config::Config::load(None, variables);
        let config = config.unwrap().config;
        let (done, outcome) = std::sync::mpsc::channel();
        let count = measure(|| {
            let part = agency::Part {
                from_row: None,
                waits: true,
            };
            let deliver = move |outcome| done.send(outcome).map_err(std::io::Error::other);
            agency::run(&config, logger, &Progress::hidden(), part, deliver).unwrap();
        });
        (count, outcome.recv().unwrap())
    });
    let (client, outcome) = client.join().unwrap();
    assert_eq!(
        (outcome.bets, outcome.winners.unwrap().len()),
        (BETS as u64, 3)
    );
    signal_hook::low_level::raise(signal_hook::consts::SIGTERM).unwrap();
    let server = server.join().unwrap();
    for (who, AllocationInfo { count_total, .. }) in [("server", server), ("client", client)] {
        println!("{who}: {count_total} allocations for {BETS} bets");
        assert!(
            count_total <= MOST,
            "the {who} allocates {count_total} times"
        );
    }
}

fn serve(variables: impl IntoIterator<Item = (String, String)>, logger: Logger) {
    let reactor = Reactor::new(Signals::catch().unwrap()).unwrap();
    let sources = Sources {
        file: None,
        environment: variables.into_iter().collect(),
        flags: Vec::new(),
    };
    let loaded = sources.load(small_file::read).unwrap();
    let config = &loaded.config;
    let mut lottery = Lottery::new(config.agencies);
    let StoreConfig::Files {
        data_dir,
        durability,
    } = &config.store
    else {
        panic!("a folder is configured")
    };
    let folder = Folder::open(data_dir).unwrap();
    let (store, _) = FileStore::open(folder, *durability, |fact| lottery.apply(fact)).unwrap();
    let service = Service::new(lottery, store, config.winner).unwrap();
    let controls = Controls {
        reactor,
        reload: Reload::new(sources, &loaded, None),
        supervisor: Supervisor::from_environment(Instant::now()),
    };
    let server = Server::bind(config, None, service, logger, controls).unwrap();
    server.run().unwrap();
}

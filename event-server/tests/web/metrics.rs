//! promtool and a Prometheus read the metrics.

use std::collections::BTreeSet;
use std::fs;
use std::io::Write as _;
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use fixtures::programs::Running;
use serde_json::Value;

use crate::central::{Central, get};
use crate::common::{Peer, batch, bet, eventually, finished, winners};

/// Fails instead of skipping where Prometheus' programs are not installed.
const REQUIRED: &str = "REQUIRE_PROMTOOL";

/// A program of Debian's package `prometheus`; `None`, and a line that says so, where it is not installed.
pub fn installed(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path)
        .map(|folder| folder.join(program))
        .find(|path| path.is_file());
    if found.is_none() {
        let why = format!("{program} is not installed: its tests are skipped");
        assert!(std::env::var_os(REQUIRED).is_none(), "{why}");
        eprintln!("{why}");
    }
    found
}

/// Runs promtool to its end.
pub fn promtool(program: &PathBuf, arguments: &[&str], input: &[u8]) -> Output {
    let mut command = Command::new(program);
    command.args(arguments);
    command.stdin(Stdio::piped());
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(input).unwrap();
    child.wait_with_output().unwrap()
}

/// Every metric that the specification names.
const SPECIFIED: [&str; 29] = [
    "event_server_build_info",
    "event_server_connections",
    "event_server_bets_stored_total",
    "event_server_requests_total",
    "event_server_held_queries",
    "event_server_agencies",
    "event_server_draw_done",
    "event_server_commit_duration_seconds_bucket",
    "event_server_turn_duration_seconds_bucket",
    "event_server_commit_bets_bucket",
    "event_server_buffered_bytes",
    "event_server_unsent_bytes",
    "event_server_store_up",
    "event_server_store_reconnects_total",
    "event_server_reads_total{result=\"would_block\"}",
    "event_server_writes_total{result=\"whole\"}",
    "event_server_received_bytes_total",
    "event_server_sent_bytes_total",
    "event_server_accepted_total",
    "event_server_closed_total{reason=\"finished\"}",
    "event_server_polls_total",
    "event_server_events_total",
    "event_server_partial_frames",
    "event_server_served_connections_bucket",
    "event_server_turn_seconds_total{phase=\"serve\"}",
    "process_cpu_seconds_total",
    "process_resident_memory_bytes",
    "process_start_time_seconds",
    "process_open_fds",
];

/// The value of a sample, by its name and labels.
fn value(metrics: &str, sample: &str) -> f64 {
    let line = metrics.lines().find_map(|line| line.strip_prefix(sample));
    let line = line.unwrap_or_else(|| panic!("no {sample} in\n{metrics}"));
    line.trim().parse().unwrap()
}

/// A central that has done a little of everything, and two agencies that stay connected.
fn busy() -> (Central, [Peer; 2]) {
    let central = Central::start(&[("SERVER_AGENCIES", "2")]);
    let mut peer = Peer::connect(central.lottery);
    let bets: Vec<String> = (0..30).map(|i| bet(1, &i.to_string(), i == 7)).collect();
    assert_eq!(peer.ask(&batch(&bets.join("|"))), "{result:success}");
    assert_eq!(peer.ask(&batch(&bet(2, "1", false))), "{result:failure}");
    assert_eq!(peer.ask(&finished(1)), "{result:success}");
    let mut other = Peer::connect(central.lottery);
    assert_eq!(other.ask(&batch(&bet(2, "1", false))), "{result:success}");
    peer.send(&winners(1));
    let held = || value(central.get("/metrics").text(), "event_server_held_queries ") == 1.0;
    eventually("a held query", held);
    (central, [peer, other])
}

#[test]
fn promtool_finds_nothing_to_complain_about_and_the_figures_are_those_of_what_happened() {
    let (central, _agencies) = busy();
    let metrics = central.get("/metrics");
    let metrics = metrics.text();
    for name in SPECIFIED {
        assert!(
            metrics.contains(&format!("\n{name}")),
            "no {name} in\n{metrics}"
        );
    }
    for (sample, expected) in [
        ("event_server_bets_stored_total ", 31.0),
        (
            "event_server_requests_total{type=\"batch\",result=\"accepted\"} ",
            2.0,
        ),
        (
            "event_server_requests_total{type=\"batch\",result=\"refused\"} ",
            1.0,
        ),
        (
            "event_server_requests_total{type=\"finished\",result=\"accepted\"} ",
            1.0,
        ),
        ("event_server_agencies{state=\"finished\"} ", 1.0),
        ("event_server_agencies{state=\"sending\"} ", 1.0),
        ("event_server_agencies{state=\"silent\"} ", 0.0),
        ("event_server_connections{state=\"held\"} ", 1.0),
        ("event_server_connections{state=\"open\"} ", 1.0),
        ("event_server_commit_duration_seconds_count ", 3.0),
        ("event_server_commit_bets_sum ", 31.0),
        ("event_server_commit_bets_bucket{le=\"1\"} ", 2.0),
        ("event_server_commit_bets_bucket{le=\"50\"} ", 3.0),
        ("event_server_draw_done ", 0.0),
        ("event_server_store_up ", 1.0),
    ] {
        assert_eq!(value(metrics, sample), expected, "{sample}");
    }
    assert!(value(metrics, "event_server_turn_duration_seconds_count ") > 3.0);
    assert!(value(metrics, "process_resident_memory_bytes ") > 1e6);
    let Some(program) = installed("promtool") else {
        return;
    };
    let output = promtool(&program, &["check", "metrics"], metrics.as_bytes());
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said);
    assert!(output.status.success() && said.is_empty(), "{said}");
}

#[test]
fn openmetrics_has_the_same_samples_and_ends_as_it_has_to() {
    let (central, _agencies) = busy();
    let mut client = central.connect();
    client.send(
        "GET /metrics HTTP/1.1\r\nHost: localhost\r\nAccept: application/openmetrics-text; version=1.0.0\r\n\r\n",
    );
    let answer = client.answer();
    let content_type = answer.field("content-type").unwrap();
    assert_eq!(
        content_type,
        "application/openmetrics-text; version=1.0.0; charset=utf-8"
    );
    assert!(answer.text().ends_with("\n# EOF\n"));
    let samples = |text: &str| -> BTreeSet<String> {
        let lines = text.lines().filter(|line| !line.starts_with('#'));
        let names = lines.map(|line| line.rsplit_once(' ').unwrap().0.replace(".0\"", "\""));
        names.collect()
    };
    let metrics = central.get("/metrics");
    let (new, old) = (samples(answer.text()), samples(metrics.text()));
    assert_eq!(new.len(), old.len(), "{new:#?}\n{old:#?}");
}

/// A Prometheus that scrapes, and where it can be asked.
pub struct Prometheus {
    _running: Running,
    address: SocketAddr,
    _folder: tempfile::TempDir,
}

impl Prometheus {
    /// `None` where it is not installed.
    fn start(target: SocketAddr) -> Option<Self> {
        let program = installed("prometheus")?;
        let folder = tempfile::tempdir().unwrap();
        let config = folder.path().join("prometheus.yml");
        let text = format!(
            "global: {{scrape_interval: 1s}}\n\
             scrape_configs:\n- {{job_name: central, static_configs: [{{targets: ['{target}']}}]}}\n"
        );
        fs::write(&config, text).unwrap();
        // Free now, and most probably still in a moment.
        let free = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = free.local_addr().unwrap();
        drop(free);
        let mut command = Command::new(program);
        command.arg("--config.file").arg(config);
        command
            .arg("--storage.tsdb.path")
            .arg(folder.path().join("data"));
        command.arg(format!("--web.listen-address={address}"));
        let running = Running::start(command.stdout(Stdio::null())).unwrap();
        running
            .wait_for("Server is ready to receive web requests")
            .unwrap();
        Some(Self {
            _running: running,
            address,
            _folder: folder,
        })
    }

    /// The values of a query's result.
    fn query(&self, query: &str) -> Vec<f64> {
        let body = {
            let mut client = crate::central::Client::connect(self.address);
            client.send(&format!("GET /api/v1/query?query={query} HTTP/1.0\r\n\r\n"));
            use std::io::Read as _;
            let mut text = String::new();
            client.reader.read_to_string(&mut text).unwrap();
            text.split_once("\r\n\r\n").unwrap().1.to_owned()
        };
        let answer: Value = serde_json::from_str(&body).unwrap();
        let result = answer["data"]["result"].as_array().unwrap().clone();
        let value = |sample: &Value| sample["value"][1].as_str().unwrap().parse().unwrap();
        result.iter().map(value).collect()
    }
}

#[test]
fn a_prometheus_scrapes_a_running_central() {
    let (central, _agencies) = busy();
    let Some(prometheus) = Prometheus::start(central.http) else {
        return;
    };
    eventually("it was scraped", || prometheus.query("up") == [1.0]);
    assert_eq!(prometheus.query("event_server_bets_stored_total"), [31.0]);
    assert_eq!(prometheus.query("sum(event_server_agencies)"), [2.0]);
    let mut peer = Peer::connect(central.lottery);
    assert_eq!(peer.ask(&batch(&bet(2, "2", false))), "{result:success}");
    let counted = || prometheus.query("event_server_bets_stored_total") == [32.0];
    eventually("it is scraped again", counted);
    let p99 = "histogram_quantile(0.99,event_server_commit_duration_seconds_bucket)";
    let p99 = prometheus.query(p99);
    assert!(p99[0] > 0.0 && p99[0] < 10.0, "{p99:?}");
    assert_eq!(get(central.http, "/healthz").text(), "ok");
}

//! promtool reads the alert rules, and rules and dashboard ask for metrics that exist.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use serde_json::Value;

use crate::central::Central;
use crate::metrics::{installed, promtool};

fn file(name: &str) -> PathBuf {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..");
    root.join("compose/dashboard").join(name)
}

#[test]
fn promtool_accepts_the_rules_and_each_alert_fires_when_it_should() {
    let Some(program) = installed("promtool") else {
        return;
    };
    for (what, name) in [
        (["check", "rules"], "alerts.yaml"),
        (["check", "config"], "prometheus.yaml"),
        (["test", "rules"], "alerts.test.yaml"),
    ] {
        let path = file(name).display().to_string();
        let output = promtool(&program, &[what[0], what[1], &path], b"");
        let said = [output.stdout, output.stderr].concat();
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&said)
        );
    }
    let (rules, tests) = (file("alerts.yaml"), file("alerts.test.yaml"));
    let tests = fs::read_to_string(tests).unwrap();
    for line in fs::read_to_string(rules).unwrap().lines() {
        if let Some(alert) = line.trim().strip_prefix("- alert: ") {
            let fires = format!("alertname: {alert}\n        exp_alerts:");
            assert!(tests.contains(&fires), "no test in which {alert} fires");
        }
    }
}

/// The names of metrics of this program in a text.
fn names(text: &str) -> BTreeSet<String> {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    let own = |word: &&str| word.starts_with("event_server_") || word.starts_with("process_");
    words.filter(own).map(str::to_owned).collect()
}

#[test]
fn the_dashboard_and_the_rules_ask_for_metrics_that_a_central_has_and_it_shows_what_alerts_are_about()
 {
    let central = Central::start(&[]);
    let metrics = central.get("/metrics");
    let there = names(metrics.text());
    let dashboard = fs::read_to_string(file("grafana.json")).unwrap();
    let dashboard: Value = serde_json::from_str(&dashboard).unwrap();
    let panels = dashboard["panels"].as_array().unwrap();
    assert!(panels.len() > 10);
    let (mut places, mut shown) = (BTreeSet::new(), BTreeSet::new());
    let rows = panels.iter().filter(|panel| panel["type"] == "row");
    assert_eq!(
        rows.map(|row| &row["title"]).collect::<Vec<_>>(),
        ["The loop"]
    );
    for panel in panels.iter().filter(|panel| panel["type"] != "row") {
        let targets = panel["targets"].as_array().unwrap();
        assert!(!targets.is_empty(), "{panel}");
        assert!(
            places.insert(panel["gridPos"].to_string()),
            "two panels in one place"
        );
        for target in targets {
            let asked = names(target["expr"].as_str().unwrap());
            assert!(!asked.is_empty() && asked.is_subset(&there), "{asked:?}");
            shown.extend(asked);
        }
    }
    let asked = names(&fs::read_to_string(file("alerts.yaml")).unwrap());
    assert!(asked.len() > 5 && asked.is_subset(&there), "{asked:?}");
    let unseen: Vec<_> = asked.difference(&shown).collect();
    assert!(
        unseen.is_empty(),
        "an alert is about {unseen:?}, which no panel shows"
    );
}

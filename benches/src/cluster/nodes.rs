//! Who is the primary, and who its synchronous standby, as Patroni tells.

use std::io;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::database::Database;
use super::docker::{Cluster, Pace, Replication};
use super::services::NODES;

/// How long the nodes may take to take their roles, and to follow the primary. Only a broken cluster makes anybody wait that long.
const PATIENCE: Duration = Duration::from_secs(180);

/// How long a node may take to follow the primary before it is made anew.
const STUCK: Duration = Duration::from_secs(60);

/// Between two looks.
const PAUSE: Duration = Duration::from_millis(500);

/// The database nodes in their roles.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Roles {
    pub(super) primary: Option<String>,
    /// The standby that confirms commits; where replication is asynchronous, any one.
    pub(super) standby: Option<String>,
}

impl Roles {
    /// Asks the nodes that answer. `None` where none does, or what they say cannot be read.
    pub(super) fn ask(cluster: &Cluster, answering: impl Fn(&str) -> bool) -> Option<Self> {
        let asked = NODES.into_iter().filter(|node| answering(node));
        asked.into_iter().find_map(|node| {
            let url = "http://localhost:8008/cluster";
            let curl = ["curl", "--silent", "--fail", "--max-time", "2", url];
            Self::read(&cluster.exec(node, &curl).ok()?)
        })
    }

    fn read(text: &str) -> Option<Self> {
        let cluster: Value = serde_json::from_str(text).ok()?;
        let members = cluster["members"].as_array()?;
        let named = |role: &str| {
            let running = ["running", "streaming"];
            let member = members.iter().find(|member| {
                let state = member["state"].as_str();
                member["role"] == role && state.is_some_and(|state| running.contains(&state))
            })?;
            member["name"].as_str().map(str::to_owned)
        };
        Some(Self {
            primary: named("leader"),
            standby: named("sync_standby").or_else(|| named("replica")),
        })
    }
}

/// How long a commit waits for others before its log is written, in microseconds, where the pace is slow. It uses no processor
/// meanwhile, so that several clusters have room on one machine, and most faults meet a commit that is under way.
const COMMIT_DELAY: u32 = 40_000;

/// Has the nodes replicate in this way and at this pace; returns when they do: the primary, and its standby.
///
/// # Errors
/// The engine failed; the nodes did not do so in time.
pub fn arrange(cluster: &Cluster, replication: Replication, pace: Pace) -> io::Result<[String; 2]> {
    let delay = match pace {
        Pace::Slow => COMMIT_DELAY,
        Pace::Full => 0,
    };
    let change = json!({
        "synchronous_mode": replication == Replication::Synchronous,
        "postgresql": {"parameters": {"commit_delay": delay, "commit_siblings": 0}},
    });
    let [primary, _] = settled(cluster, |_| Ok(true))?;
    request(cluster, &primary, "PATCH", "config", &change)?;
    settled(cluster, |database| {
        if database.query("show commit_delay")? != delay.to_string() {
            return Ok(false);
        }
        let standbys = database.query("show synchronous_standby_names")?;
        // Patroni writes * while it has found none.
        Ok(match replication {
            Replication::Synchronous => !["", "*"].contains(&standbys.as_str()),
            Replication::Asynchronous => standbys.is_empty(),
        })
    })
}

/// Waits until every node follows the primary; returns those that had to be made anew from it, as an operator would do. A
/// node that was rewound to a primary of a few seconds may need log that no later primary has, and waits for it without end.
///
/// # Errors
/// The engine failed; the nodes did not do so in time.
pub(super) fn heal(cluster: &Cluster) -> io::Result<Vec<&'static str>> {
    let begin = Instant::now();
    let mut made_anew = Vec::new();
    await_roles(cluster, |roles| {
        let Some(primary) = roles.primary else {
            return Ok(None);
        };
        // The primary may be another one by now.
        let Ok(streaming) = cluster.psql(&primary, STREAMING) else {
            return Ok(None);
        };
        let behind = behind(&primary, &streaming);
        if begin.elapsed() > STUCK {
            let anew = json!({"force": true});
            for node in &behind {
                // Where Patroni refuses for a moment, it is asked again.
                if !made_anew.contains(node)
                    && request(cluster, node, "POST", "reinitialize", &anew).is_ok()
                {
                    made_anew.push(*node);
                }
            }
        }
        Ok(behind.is_empty().then_some(()))
    })?;
    Ok(made_anew)
}

/// The nodes that follow the primary, a line each.
const STREAMING: &str =
    "select application_name from pg_stat_replication where state = 'streaming'";

/// Returns the nodes that do not follow the primary, which tells `streaming`.
fn behind(primary: &str, streaming: &str) -> Vec<&'static str> {
    let follows = |node: &str| node == primary || streaming.lines().any(|name| name == node);
    NODES.into_iter().filter(|node| !follows(node)).collect()
}

/// Sends a request to the Patroni of this node.
fn request(
    cluster: &Cluster,
    node: &str,
    method: &str,
    path: &str,
    body: &Value,
) -> io::Result<()> {
    let curl = format!(
        "curl --silent --fail --user patroni:$(cat /secrets/patroni.password) \
            --request {method} --data '{body}' http://localhost:8008/{path}"
    );
    cluster.exec(node, &["sh", "-c", &curl])?;
    Ok(())
}

/// Waits until there are a primary and a standby, and the primary is as it should be.
fn settled(
    cluster: &Cluster,
    mut is_right: impl FnMut(&Database<'_>) -> io::Result<bool>,
) -> io::Result<[String; 2]> {
    await_roles(cluster, |roles| {
        let (Some(primary), Some(standby)) = (roles.primary, roles.standby) else {
            return Ok(None);
        };
        let (node, lottery) = (primary.as_str(), "public");
        let is_right = is_right(&Database {
            cluster,
            node,
            lottery,
        })?;
        Ok(is_right.then_some([primary, standby]))
    })
}

/// Asks again and again who has which role, until this is what was waited for.
fn await_roles<T>(
    cluster: &Cluster,
    mut awaited: impl FnMut(Roles) -> io::Result<Option<T>>,
) -> io::Result<T> {
    let begin = Instant::now();
    while begin.elapsed() < PATIENCE {
        let roles = Roles::ask(cluster, |_| true).unwrap_or_default();
        if let Some(found) = awaited(roles)? {
            return Ok(found);
        }
        thread::sleep(PAUSE);
    }
    Err(io::Error::other(
        "the database nodes do not find their roles, or one does not follow the primary",
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roles_are_those_of_members_that_run() {
        let text = r#"{"members": [
            {"name": "pg1", "role": "replica", "state": "running"},
            {"name": "pg2", "role": "leader", "state": "running"},
            {"name": "pg3", "role": "sync_standby", "state": "streaming"}]}"#;
        let roles = Roles::read(text).unwrap();
        assert_eq!(roles.primary.as_deref(), Some("pg2"));
        assert_eq!(roles.standby.as_deref(), Some("pg3"));
        let stopped = text.replace(
            "\"leader\", \"state\": \"running\"",
            "\"leader\", \"state\": \"stopped\"",
        );
        let stopped = stopped.replace("sync_standby", "replica");
        let roles = Roles::read(&stopped).unwrap();
        assert_eq!(
            (roles.primary, roles.standby.as_deref()),
            (None, Some("pg1"))
        );
        assert_eq!(Roles::read("no JSON"), None);
    }

    #[test]
    fn a_node_is_behind_that_neither_is_the_primary_nor_streams_from_it() {
        assert_eq!(behind("pg2", "pg1\npg3"), [""; 0]);
        assert_eq!(behind("pg2", "pg3"), ["pg1"]);
        assert_eq!(behind("pg2", ""), ["pg1", "pg3"]);
    }
}

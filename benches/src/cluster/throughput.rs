//! How fast the agencies' bets become durable with one, two and three database nodes.

use std::io;

use super::database::Database;
use super::docker::{Cluster, Pace, Replication};
use super::files::Files;
use super::services::NODES;
use super::{clients, nodes};

/// Measures bets a second from five agencies over two centrals: into one node that waits for nobody, into a primary and its
/// synchronous standby, and with another standby beside them.
///
/// # Errors
/// A lottery could not be played.
pub fn throughput(cluster: &Cluster, files: &Files, name: &str) -> io::Result<[f64; NODES.len()]> {
    let mut rates = [0.0; NODES.len()];
    for (rate, count) in rates.iter_mut().zip(1..) {
        let replication = match count {
            1 => Replication::Asynchronous,
            _ => Replication::Synchronous,
        };
        let kept = nodes::arrange(cluster, replication, Pace::Full)?;
        let kept = &kept[..count.min(kept.len())];
        let mut stopped = NODES.to_vec();
        stopped.retain(|node| count < NODES.len() && !kept.iter().any(|kept| kept == node));
        for node in &stopped {
            cluster.container(&["stop"], node)?;
        }
        let lottery = format!("{name}_{count}");
        cluster.play(&lottery, files, Pace::Full, replication)?;
        clients::wait(cluster)?;
        let (node, lottery) = (kept[0].as_str(), lottery.as_str());
        let database = Database {
            cluster,
            node,
            lottery,
        };
        let seconds =
            database.query("select extract(epoch from max(at) - min(at)) from commits")?;
        *rate = files.bets() as f64 / seconds.parse::<f64>().map_err(io::Error::other)?;
        for node in &stopped {
            cluster.container(&["start"], node)?;
        }
    }
    nodes::arrange(cluster, Replication::Synchronous, Pace::Full)?;
    Ok(rates)
}

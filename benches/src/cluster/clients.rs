//! The clients where nothing goes wrong: they end with 0.

use std::io;
use std::thread;
use std::time::{Duration, Instant};

use super::docker::Cluster;
use super::services::{AGENCIES, client};

/// How long the clients may take. Only a broken cluster makes anybody wait that long.
const PATIENCE: Duration = Duration::from_secs(300);

/// Between two looks.
const PAUSE: Duration = Duration::from_millis(200);

/// Waits until all clients have ended with 0.
///
/// # Errors
/// One has ended with another code, or not in time.
pub(super) fn wait(cluster: &Cluster) -> io::Result<()> {
    let begin = Instant::now();
    for agency in 1..=AGENCIES {
        let service = client(agency);
        loop {
            match cluster.exit_code(&service)? {
                Some(0) => break,
                None if begin.elapsed() < PATIENCE => thread::sleep(PAUSE),
                code => {
                    let what = format!("{service} has ended with {code:?}");
                    return Err(io::Error::other(what));
                }
            }
        }
    }
    Ok(())
}

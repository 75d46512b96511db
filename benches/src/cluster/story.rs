//! The definition as it is committed: everything starts, and each client prints its winners.

use std::io;
use std::path::Path;

use super::clients;
use super::docker::Cluster;
use super::services::{AGENCIES, client};
use crate::winners;

/// Starts everything, and waits until the clients have ended.
///
/// # Errors
/// A container could not be started; a client did not end well, or has other winners than its file.
pub fn story(cluster: &Cluster) -> io::Result<()> {
    cluster.start()?;
    clients::wait(cluster)?;
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    for agency in 1..=AGENCIES {
        let name = format!("agency-{agency}.csv");
        let files = [".data", "fixtures"].map(|folder| root.join(folder).join(&name));
        let file = files.iter().find(|file| file.exists());
        let file = file.ok_or_else(|| io::Error::other(format!("there is no {name}")))?;
        let (expected, output) = (winners(file)?, cluster.last_output(&client(agency))?);
        if !output.lines().eq(expected.iter().map(String::as_str)) {
            let what =
                format!("agency {agency} has the winners {expected:?}, and was told {output:?}");
            return Err(io::Error::other(what));
        }
    }
    Ok(())
}

//! Questions to the primary, in SQL, about one lottery.

use std::io::{self, BufRead as _, BufReader};
use std::process::Stdio;

use super::docker::Cluster;

/// A node, and the schema of a lottery.
pub(super) struct Database<'c> {
    pub(super) cluster: &'c Cluster,
    pub(super) node: &'c str,
    pub(super) lottery: &'c str,
}

impl Database<'_> {
    /// Returns the one value of a query, as text.
    pub(super) fn query(&self, query: &str) -> io::Result<String> {
        let mut value = String::new();
        self.lines(query, |line| line.clone_into(&mut value))?;
        Ok(value)
    }

    /// Calls `each` with each line of a query's result. There may be many: they are read one after another.
    pub(super) fn lines(&self, query: &str, mut each: impl FnMut(&str)) -> io::Result<()> {
        let lottery = self.lottery;
        let query =
            format!("set client_min_messages to warning; set search_path to {lottery}; {query}");
        let psql = ["psql", "-qAtX", "--dbname", "lottery", "--command", &query];
        let mut child = self.cluster.exec_command(self.node);
        let mut child = child.args(psql).stdout(Stdio::piped()).spawn()?;
        if let Some(stdout) = child.stdout.take() {
            for line in BufReader::new(stdout).lines() {
                each(&line?);
            }
        }
        match child.wait()?.success() {
            true => Ok(()),
            false => Err(io::Error::other(format!("{}: psql failed", self.node))),
        }
    }
}

//! The faults of this moment: begins them on containers, and ends them.
//!
//! Those of an administrator are done in SQL, at the primary.

use std::collections::BTreeMap;
use std::io;

use jiff::Timestamp;

use super::docker::Cluster;
use super::fault::Action;
use super::nodes::Roles;
use super::schedule::Planned;
use super::services::{CENTRALS, NODES};

/// The name of the session that keeps a lock.
const LOCKER: &str = "lottery-test-lock";

/// The faults that have begun and not ended, by the container that they hit.
#[derive(Default)]
pub(super) struct ActiveFaults {
    active: BTreeMap<String, Active>,
    /// `synchronous_standby_names` was emptied in this lottery; a node that is made anew from another one takes that over.
    unnamed: bool,
}

/// A fault that has begun.
struct Active {
    action: Action,
    since: Timestamp,
}

impl ActiveFaults {
    /// Returns whether a container can be asked something.
    pub(super) fn is_reachable(&self, service: &str) -> bool {
        !matches!(self.action(service), Some(Action::Kill | Action::Freeze))
    }

    /// Returns the node on which sessions wait because of a fault in its database.
    pub(super) fn held_up(&self) -> Option<&str> {
        let holds_up =
            |active: &Active| matches!(active.action, Action::LockTable | Action::UnnameStandbys);
        let mut active = self.active.iter();
        active.find_map(|(node, active)| holds_up(active).then_some(node.as_str()))
    }

    /// Returns since when a central stands still, or is cut off: it tells later what it has been told.
    pub(super) fn silent_since(&self, central: &str) -> Option<Timestamp> {
        let active = self.active.get(central)?;
        let is_silent =
            CENTRALS.contains(&central) && matches!(active.action, Action::Freeze | Action::CutOff);
        is_silent.then_some(active.since)
    }

    fn action(&self, service: &str) -> Option<Action> {
        Some(self.active.get(service)?.action)
    }

    /// Begins a fault; returns the container that it hits. `None` where none has that role now, or the one that has it is hit
    /// already.
    pub(super) fn begin(
        &mut self,
        cluster: &Cluster,
        lottery: &str,
        roles: &Roles,
        fault: &Planned,
    ) -> io::Result<Option<String>> {
        let target = fault.kind.target(roles, fault.pick);
        let Some(target) = target.filter(|target| !self.active.contains_key(target)) else {
            return Ok(None);
        };
        let (action, since) = (fault.kind.action(), Timestamp::now());
        match action {
            // A client may have ended already: then it is only run again.
            Action::Kill if cluster.exit_code(&target)?.is_some() => {}
            Action::Kill => cluster.container(&["kill"], &target).map(drop)?,
            Action::Freeze => cluster.container(&["pause"], &target).map(drop)?,
            Action::CutOff => cluster.iptables(&target, &drop_all_but(&[]))?,
            Action::CutOffButCentrals => {
                let mut centrals = Vec::new();
                for central in CENTRALS {
                    centrals.extend(cluster.addresses(central)?);
                }
                cluster.iptables(&target, &drop_all_but(&centrals))?;
            }
            Action::LockTable => {
                let lock = format!(
                    "set application_name to '{LOCKER}'; begin; lock table {lottery}.commits; select pg_sleep(600)"
                );
                cluster.psql_beside(&target, &lock)?;
            }
            Action::UnnameStandbys => {
                self.unnamed = true;
                cluster.psql(&target, "alter system set synchronous_standby_names to ''")?;
                cluster.psql(&target, "select pg_reload_conf()")?;
            }
            Action::EndSession => {
                let end = "select pg_terminate_backend(pid) from pg_stat_activity \
                           where application_name like 'event-server %' order by random() limit 1";
                cluster.psql(&target, end)?;
            }
        }
        self.active.insert(target.clone(), Active { action, since });
        Ok(Some(target))
    }

    /// Ends the fault of a container.
    pub(super) fn end(&mut self, cluster: &Cluster, service: &str) -> io::Result<()> {
        let ended = match self.active.remove(service).map(|active| active.action) {
            Some(Action::Kill) => cluster.container(&["start"], service).map(drop),
            Some(Action::Freeze) => cluster.container(&["unpause"], service).map(drop),
            Some(Action::CutOff | Action::CutOffButCentrals) => {
                cluster.iptables(service, &["--flush".to_owned()])
            }
            // Where the node is no longer what it was, its sessions are gone.
            Some(Action::LockTable) => {
                let end = "select pg_terminate_backend(pid) from pg_stat_activity where application_name =";
                let _ = cluster.psql(service, &format!("{end} '{LOCKER}'"));
                Ok(())
            }
            Some(Action::UnnameStandbys | Action::EndSession) | None => Ok(()),
        };
        self.name_standbys(cluster);
        ended
    }

    /// Where the standbys are to be waited for again, resets the empty setting on every reachable node.
    fn name_standbys(&self, cluster: &Cluster) {
        let emptied = |active: &Active| active.action == Action::UnnameStandbys;
        if !self.unnamed || self.active.values().any(emptied) {
            return;
        }
        for node in NODES.into_iter().filter(|node| self.is_reachable(node)) {
            // A node that starts at this moment is reset when the next fault ends, or all have ended.
            let reset = cluster.psql(node, "alter system reset synchronous_standby_names");
            let _ = reset.and_then(|_| cluster.psql(node, "select pg_reload_conf()"));
        }
    }

    /// Ends all faults.
    pub(super) fn end_all(&mut self, cluster: &Cluster) -> io::Result<()> {
        let active: Vec<String> = self.active.keys().cloned().collect();
        let ended = active
            .iter()
            .try_for_each(|service| self.end(cluster, service));
        self.name_standbys(cluster);
        ended
    }
}

/// Drops the packets of everyone but these addresses, without a word to the sender.
fn drop_all_but(addresses: &[String]) -> Vec<String> {
    let accept = addresses.iter().flat_map(|address| {
        [
            format!("-A INPUT -s {address} -j ACCEPT"),
            format!("-A OUTPUT -d {address} -j ACCEPT"),
        ]
    });
    let drop = ["-A INPUT ! -i lo -j DROP", "-A OUTPUT ! -o lo -j DROP"];
    accept.chain(drop.map(str::to_owned)).collect()
}

//! The faults of this moment: begins them on containers, and ends them.

use std::collections::BTreeMap;
use std::io;

use super::docker::Cluster;
use super::fault::Action;
use super::nodes::Roles;
use super::schedule::Planned;
use super::services::CENTRALS;

/// The faults that have begun and not ended, by the container that they hit.
#[derive(Default)]
pub(super) struct ActiveFaults {
    active: BTreeMap<String, Action>,
}

impl ActiveFaults {
    /// Whether a container can be asked something.
    pub(super) fn is_reachable(&self, service: &str) -> bool {
        !matches!(
            self.active.get(service),
            Some(Action::Kill | Action::Freeze)
        )
    }

    /// Begins a fault; the container that it hits. `None` where nobody has that role now, or who has it is hit already.
    pub(super) fn begin(
        &mut self,
        cluster: &Cluster,
        roles: &Roles,
        fault: &Planned,
    ) -> io::Result<Option<String>> {
        let target = fault.kind.target(roles, fault.pick);
        let Some(target) = target.filter(|target| !self.active.contains_key(target)) else {
            return Ok(None);
        };
        let action = fault.kind.action();
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
        }
        self.active.insert(target.clone(), action);
        Ok(Some(target))
    }

    /// Ends the fault of a container.
    pub(super) fn end(&mut self, cluster: &Cluster, service: &str) -> io::Result<()> {
        match self.active.remove(service) {
            Some(Action::Kill) => cluster.container(&["start"], service).map(drop),
            Some(Action::Freeze) => cluster.container(&["unpause"], service).map(drop),
            Some(Action::CutOff | Action::CutOffButCentrals) => {
                cluster.iptables(service, &["--flush".to_owned()])
            }
            None => Ok(()),
        }
    }

    /// Ends all faults.
    pub(super) fn end_all(&mut self, cluster: &Cluster) -> io::Result<()> {
        let active: Vec<String> = self.active.keys().cloned().collect();
        active
            .iter()
            .try_for_each(|service| self.end(cluster, service))
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

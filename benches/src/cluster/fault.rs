//! The faults: what is done to a container, and how it is mended.

use std::collections::BTreeMap;
use std::io;

use super::docker::Cluster;
use super::nodes::Roles;
use super::schedule::Planned;
use super::{AGENCIES, CENTRALS, client};

/// What can go wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// The primary is killed with SIGKILL.
    PrimaryKilled,
    /// The primary's processes stand still.
    PrimaryFrozen,
    /// No packet comes or goes between the primary and anybody.
    PrimaryCutOff,
    /// The primary has lost etcd and the standbys; centrals still reach it.
    PrimaryCutOffFromNodes,
    /// The standby that confirms commits is killed with SIGKILL.
    StandbyKilled,
    /// The processes of that standby stand still.
    StandbyFrozen,
    /// etcd is killed with SIGKILL.
    EtcdKilled,
    /// A central is killed with SIGKILL.
    CentralKilled,
    /// A central stands still.
    CentralFrozen,
    /// A client is killed with SIGKILL; it is run again.
    ClientKilled,
}

/// What is done to a container.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Action {
    Kill,
    Freeze,
    CutOff,
    CutOffButCentrals,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 10] = [
        Self::PrimaryKilled,
        Self::PrimaryFrozen,
        Self::PrimaryCutOff,
        Self::PrimaryCutOffFromNodes,
        Self::StandbyKilled,
        Self::StandbyFrozen,
        Self::EtcdKilled,
        Self::CentralKilled,
        Self::CentralFrozen,
        Self::ClientKilled,
    ];

    /// The fault in words.
    pub fn name(self) -> &'static str {
        match self {
            Self::PrimaryKilled => "primary killed",
            Self::PrimaryFrozen => "primary frozen",
            Self::PrimaryCutOff => "primary cut off from everyone",
            Self::PrimaryCutOffFromNodes => "primary cut off from etcd and the standbys",
            Self::StandbyKilled => "synchronous standby killed",
            Self::StandbyFrozen => "synchronous standby frozen",
            Self::EtcdKilled => "etcd killed",
            Self::CentralKilled => "a central killed",
            Self::CentralFrozen => "a central frozen",
            Self::ClientKilled => "a client killed",
        }
    }

    /// Whether it hits the primary.
    pub(super) fn hits_the_primary(self) -> bool {
        matches!(
            self,
            Self::PrimaryKilled
                | Self::PrimaryFrozen
                | Self::PrimaryCutOff
                | Self::PrimaryCutOffFromNodes
        )
    }

    fn action(self) -> Action {
        match self {
            Self::PrimaryKilled
            | Self::StandbyKilled
            | Self::EtcdKilled
            | Self::CentralKilled
            | Self::ClientKilled => Action::Kill,
            Self::PrimaryFrozen | Self::StandbyFrozen | Self::CentralFrozen => Action::Freeze,
            Self::PrimaryCutOff => Action::CutOff,
            Self::PrimaryCutOffFromNodes => Action::CutOffButCentrals,
        }
    }

    /// The container that it hits; `None` where nobody has that role now.
    fn target(self, roles: &Roles, pick: usize) -> Option<String> {
        match self {
            Self::PrimaryKilled
            | Self::PrimaryFrozen
            | Self::PrimaryCutOff
            | Self::PrimaryCutOffFromNodes => roles.primary.clone(),
            Self::StandbyKilled | Self::StandbyFrozen => roles.standby.clone(),
            Self::EtcdKilled => Some("etcd".to_owned()),
            Self::CentralKilled | Self::CentralFrozen => {
                Some(CENTRALS[pick % CENTRALS.len()].to_owned())
            }
            Self::ClientKilled => Some(client(pick % AGENCIES + 1)),
        }
    }
}

/// The faults that have begun and not ended, by the container that they hit.
#[derive(Default)]
pub(super) struct Faults {
    active: BTreeMap<String, Action>,
}

impl Faults {
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

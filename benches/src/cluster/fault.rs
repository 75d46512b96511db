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
    PrimaryAlone,
    /// The primary has lost etcd and the standbys; centrals still reach it.
    PrimaryWithoutStandbys,
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
pub(super) enum Deed {
    Kill,
    Freeze,
    Isolate,
    LeaveToCentrals,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 10] = [
        Self::PrimaryKilled,
        Self::PrimaryFrozen,
        Self::PrimaryAlone,
        Self::PrimaryWithoutStandbys,
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
            Self::PrimaryAlone => "primary cut off from everyone",
            Self::PrimaryWithoutStandbys => "primary cut off from etcd and the standbys",
            Self::StandbyKilled => "synchronous standby killed",
            Self::StandbyFrozen => "synchronous standby frozen",
            Self::EtcdKilled => "etcd killed",
            Self::CentralKilled => "a central killed",
            Self::CentralFrozen => "a central frozen",
            Self::ClientKilled => "a client killed",
        }
    }

    /// Whether the primary suffers it.
    pub(super) fn hits_the_primary(self) -> bool {
        matches!(
            self,
            Self::PrimaryKilled
                | Self::PrimaryFrozen
                | Self::PrimaryAlone
                | Self::PrimaryWithoutStandbys
        )
    }

    fn deed(self) -> Deed {
        match self {
            Self::PrimaryKilled
            | Self::StandbyKilled
            | Self::EtcdKilled
            | Self::CentralKilled
            | Self::ClientKilled => Deed::Kill,
            Self::PrimaryFrozen | Self::StandbyFrozen | Self::CentralFrozen => Deed::Freeze,
            Self::PrimaryAlone => Deed::Isolate,
            Self::PrimaryWithoutStandbys => Deed::LeaveToCentrals,
        }
    }

    /// Whom it hits; `None` where there is nobody in that role now.
    fn target(self, roles: &Roles, pick: usize) -> Option<String> {
        match self {
            Self::PrimaryKilled
            | Self::PrimaryFrozen
            | Self::PrimaryAlone
            | Self::PrimaryWithoutStandbys => roles.primary.clone(),
            Self::StandbyKilled | Self::StandbyFrozen => roles.standby.clone(),
            Self::EtcdKilled => Some("etcd".to_owned()),
            Self::CentralKilled | Self::CentralFrozen => {
                Some(CENTRALS[pick % CENTRALS.len()].to_owned())
            }
            Self::ClientKilled => Some(client(pick % AGENCIES + 1)),
        }
    }
}

/// The containers that suffer a fault now.
#[derive(Default)]
pub(super) struct Faults {
    suffering: BTreeMap<String, Deed>,
}

impl Faults {
    /// Whether a container can be asked something.
    pub(super) fn spare(&self, service: &str) -> bool {
        !matches!(self.suffering.get(service), Some(Deed::Kill | Deed::Freeze))
    }

    /// Begins a fault; the container that it hits. `None` where nobody is in that role now, or who is suffers already.
    pub(super) fn begin(
        &mut self,
        cluster: &Cluster,
        roles: &Roles,
        fault: &Planned,
    ) -> io::Result<Option<String>> {
        let target = fault.kind.target(roles, fault.pick);
        let Some(target) = target.filter(|target| !self.suffering.contains_key(target)) else {
            return Ok(None);
        };
        let deed = fault.kind.deed();
        match deed {
            // A client may have ended already: then it is only run again.
            Deed::Kill if cluster.exit_code(&target)?.is_some() => {}
            Deed::Kill => cluster.container(&["kill"], &target).map(drop)?,
            Deed::Freeze => cluster.container(&["pause"], &target).map(drop)?,
            Deed::Isolate => cluster.iptables(&target, &drop_all_but(&[]))?,
            Deed::LeaveToCentrals => {
                let mut centrals = Vec::new();
                for central in CENTRALS {
                    centrals.extend(cluster.addresses(central)?);
                }
                cluster.iptables(&target, &drop_all_but(&centrals))?;
            }
        }
        self.suffering.insert(target.clone(), deed);
        Ok(Some(target))
    }

    /// Ends the fault of a container.
    pub(super) fn end(&mut self, cluster: &Cluster, service: &str) -> io::Result<()> {
        match self.suffering.remove(service) {
            Some(Deed::Kill) => cluster.container(&["start"], service).map(drop),
            Some(Deed::Freeze) => cluster.container(&["unpause"], service).map(drop),
            Some(Deed::Isolate | Deed::LeaveToCentrals) => {
                cluster.iptables(service, &["--flush".to_owned()])
            }
            None => Ok(()),
        }
    }

    /// Ends all faults.
    pub(super) fn end_all(&mut self, cluster: &Cluster) -> io::Result<()> {
        let suffering: Vec<String> = self.suffering.keys().cloned().collect();
        suffering
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

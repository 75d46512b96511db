//! The kinds of fault: which container each hits, and what is done to it.

use super::nodes::Roles;
use super::services::{AGENCIES, CENTRALS, client};

/// What can go wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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
    /// No packet comes or goes between a central and anybody: often in the middle of a commit, whose locks the database
    /// keeps.
    CentralCutOff,
    /// A client is killed with SIGKILL; it is run again.
    ClientKilled,
    /// Somebody keeps a lock on the table of commits: none gets further.
    TableLocked,
    /// No standby is waited for any more: the setting is emptied, and read again by all sessions.
    StandbysUnnamed,
    /// One session of a central is ended, and no other one.
    SessionEnded,
}

/// The role of the container that is hit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    Primary,
    Standby,
    Etcd,
    Central,
    Client,
    /// The primary's database, over a session of its administrator.
    Administrator,
}

/// What is done to a container.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Action {
    Kill,
    Freeze,
    CutOff,
    CutOffButCentrals,
    LockTable,
    UnnameStandbys,
    EndSession,
}

impl Kind {
    /// All kinds.
    pub const ALL: [Self; 14] = [
        Self::PrimaryKilled,
        Self::PrimaryFrozen,
        Self::PrimaryCutOff,
        Self::PrimaryCutOffFromNodes,
        Self::StandbyKilled,
        Self::StandbyFrozen,
        Self::EtcdKilled,
        Self::CentralKilled,
        Self::CentralFrozen,
        Self::CentralCutOff,
        Self::ClientKilled,
        Self::TableLocked,
        Self::StandbysUnnamed,
        Self::SessionEnded,
    ];

    /// Returns the fault in words.
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
            Self::CentralCutOff => "a central cut off from everyone",
            Self::ClientKilled => "a client killed",
            Self::TableLocked => "the table of commits locked",
            Self::StandbysUnnamed => "synchronous_standby_names emptied",
            Self::SessionEnded => "a session of a central ended",
        }
    }

    /// Returns the role of the container that is hit.
    pub(super) fn role(self) -> Role {
        match self {
            Self::PrimaryKilled
            | Self::PrimaryFrozen
            | Self::PrimaryCutOff
            | Self::PrimaryCutOffFromNodes => Role::Primary,
            Self::StandbyKilled | Self::StandbyFrozen => Role::Standby,
            Self::EtcdKilled => Role::Etcd,
            Self::CentralKilled | Self::CentralFrozen | Self::CentralCutOff => Role::Central,
            Self::ClientKilled => Role::Client,
            Self::TableLocked | Self::StandbysUnnamed | Self::SessionEnded => Role::Administrator,
        }
    }

    /// Returns what is done to the container.
    pub(super) fn action(self) -> Action {
        match self {
            Self::PrimaryKilled
            | Self::StandbyKilled
            | Self::EtcdKilled
            | Self::CentralKilled
            | Self::ClientKilled => Action::Kill,
            Self::PrimaryFrozen | Self::StandbyFrozen | Self::CentralFrozen => Action::Freeze,
            Self::PrimaryCutOff | Self::CentralCutOff => Action::CutOff,
            Self::PrimaryCutOffFromNodes => Action::CutOffButCentrals,
            Self::TableLocked => Action::LockTable,
            Self::StandbysUnnamed => Action::UnnameStandbys,
            Self::SessionEnded => Action::EndSession,
        }
    }

    /// Returns the container that it hits; `None` where none has that role now.
    pub(super) fn target(self, roles: &Roles, pick: usize) -> Option<String> {
        match self.role() {
            Role::Primary | Role::Administrator => roles.primary.clone(),
            Role::Standby => roles.standby.clone(),
            Role::Etcd => Some("etcd".to_owned()),
            Role::Central => Some(CENTRALS[pick % CENTRALS.len()].to_owned()),
            Role::Client => Some(client(pick % AGENCIES + 1)),
        }
    }
}

//! The services of `compose/cluster.yaml`, by their names.

/// How many agencies there are.
pub(super) const AGENCIES: usize = 5;

/// The database nodes.
pub(super) const NODES: [&str; 3] = ["pg1", "pg2", "pg3"];

/// The centrals.
pub(super) const CENTRALS: [&str; 2] = ["central-1", "central-2"];

/// Returns the service of an agency's client.
pub(super) fn client(agency: usize) -> String {
    format!("client{agency}")
}

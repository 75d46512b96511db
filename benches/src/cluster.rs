//! The cluster of `compose/cluster.yaml` under seeded faults: database nodes, etcd, centrals and clients are killed,
//! frozen and cut off while five agencies send their files, and afterwards every promise of docs/cluster.md is checked.
//!
//! ```text
//! files, definition -> containers up -> clients send | faults begin and end as the seed says | until all have ended
//!     -> every row by SQL, versions, the draw, what each client was told -> the same winners from each central
//!     -> what all were told, as a history, to the judge
//! ```
//!
//! A seed decides which fault comes when and for how long. Which node is the primary at that moment, it cannot decide:
//! [`FaultLog`] tells what was done to whom, and when. Each seed is a lottery of its own in the same containers.

mod active_faults;
mod agency_log;
mod check;
mod clients;
mod database;
mod docker;
mod fault;
mod fault_log;
mod files;
mod judged;
mod lanes;
mod nodes;
mod round;
mod schedule;
mod services;
mod story;
mod throughput;
mod unconfirmed;

pub use self::docker::{Cluster, Pace, Replication};
pub use self::fault::Kind;
pub use self::fault_log::FaultLog;
pub use self::files::Files;
pub use self::lanes::{lane, play_in_lanes, step, tell};
pub use self::nodes::arrange;
pub use self::round::{Played, play};
pub use self::schedule::{Planned, alone, overlapping};
pub use self::story::story;
pub use self::throughput::throughput;

//! Several centrals over one database, simulated: with the same clients and the same ledger as the single central.
//!
//! ```text
//! sessions    the sessions of one central, and what must hold between them
//! link        what the store of a central asks, and what it is told, on its way
//! tables      what one node of the database holds, and what must hold of it after every transaction
//! node        its log, and how a query is carried out
//! exchange    a query under way: it travels, waits for a lock, is carried out, and is committed
//! database    the nodes, the sessions, and what goes wrong with them
//! happenings  what happens to it from outside
//! central     one central of the cluster after another, at its place
//! world       all of these, a storm, and the calm after it
//! ```

mod central;
mod database;
mod exchange;
mod happenings;
mod link;
mod node;
mod sessions;
mod tables;
mod world;

pub use database::Faults;
pub use world::ClusterWorld;

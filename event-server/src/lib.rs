//! The lottery's central: one thread, one `Poll`, direct function calls.
//!
//! The modules, each with those that it calls below it:
//!
//! ```text
//! server          readiness comes in: the poll, the listeners, the signals
//!   hub             one turn over all connections: serve, commit, advance the store, send, reap
//!     connection      one peer and its state: bytes become frames
//!       service         one frame becomes a verdict; how far the draw is
//!         lottery         what the rules say; pure
//!         store           what is durable: `store/files` is bets.csv and its log, `store/postgres` a database
//!   web             the HTTP port: looks at the hub through `observe`, and changes nothing
//! ```
//!
//! No module names one that stands above it; `lottery` and `store` do not know each other. Beside them: `config`,
//! `facts` (what store and lottery have in common), `limits` (the bounds of connections), `net` (a peer's stream, and
//! the slots of connections), `observe` (what is counted, and what can be seen from outside), `reload` (what SIGHUP
//! reads again), `report` (the text of every log line; lottery and store write none), `supervisor` (the service
//! manager, if one started the central) and `tls` (mutual TLS with the agencies). The commands of the command line are
//! in the program's own `cli`.

pub mod config;
pub mod connection;
pub mod facts;
pub mod hub;
pub mod limits;
pub mod lottery;
pub mod net;
pub mod observe;
pub mod reload;
pub mod report;
pub mod server;
pub mod service;
pub mod store;
pub mod supervisor;
pub mod tls;
pub mod web;

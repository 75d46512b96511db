//! The central's HTTP port, from outside: what is answered, to whom, and what it costs the lottery.
//!
//! ```text
//! central     a central with its port, and a client that speaks HTTP by hand
//! answers     paths, methods, heads, connections
//! hostile     clients that are slow, send garbage, or come in numbers
//! log         each line as JSON
//! space       a full disk
//! standing    what is told of a lottery, of a central that is not ready, of one that stops
//! metrics     promtool and a Prometheus read the metrics
//! dashboard   promtool reads the alert rules; they and the dashboard ask for metrics that exist
//! page        a browser shows the live page of the lottery
//! loop_page   a browser shows the live page of the loop, and both pages behind a proxy
//! pieces      requests and answers in any pieces, without a socket (`machine`)
//! postgres    several centrals of one lottery
//! ```
#![cfg(target_os = "linux")]

#[path = "../common/mod.rs"]
mod common;
#[path = "../store_disk/mod.rs"]
mod store_disk;

mod answers;
mod central;
mod dashboard;
mod hostile;
mod log;
mod loop_page;
mod machine;
mod metrics;
mod page;
mod pieces;
mod postgres;
mod space;
mod standing;

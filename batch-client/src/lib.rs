//! A lottery agency: it sends its bets to the central and learns its winners.
//!
//! ```text
//! main -> echo ---------+
//!      -> bet ----+     |
//!      -> agency -+-> plain --+-> dialogue   the poll, the signals
//!            |    +-> resume -+        ^
//!            |           |             +- patience: when to try again
//!            |           +-> upload      what to send next, what a reply means
//!            +-> batch -> rows -> lines  the agency file -> batches
//! ```
//!
//! What decides, [`batch`], [`rows`], [`upload`] and [`patience`], has no socket, no file and no clock; what
//! waits is [`dialogue`] alone; whom to trust is [`tls`]'s to say, and what is logged [`report`]'s. The modes are functions of a
//! [`Config`](config::Config): [`echo::run`], [`bet::run`], [`agency::run`]. The program adds arguments,
//! environment and exit code.

pub mod agency;
pub mod batch;
pub mod bet;
pub mod config;
pub mod dialogue;
pub mod duration;
pub mod echo;
pub mod error;
pub mod file;
mod lines;
pub mod patience;
mod plain;
pub mod progress;
pub mod report;
mod resume;
pub mod rows;
pub mod tls;
pub mod upload;

//! A lottery agency: it sends its bets to the central and learns its winners.
//!
//! ```text
//! main -> echo ---------+
//!      -> bet ----+     |
//!      -> agency -+-> plain --+-> event_loop   the poll, the signals
//!            |    +-> resume -+        ^
//!            |           |             +- backoff: when to try again
//!            |           +-> upload      what to send next, what a reply means
//!            +-> batch -> rows -> lines  the agency file -> batches
//! ```
//!
//! What decides, [`batch`], [`rows`], [`upload`] and [`backoff`], has no socket, no file and no clock; what
//! waits is [`event_loop`] alone; whom to trust is [`tls`]'s to say, and what is logged [`report`]'s. The modes are functions of a
//! [`Config`](config::Config): [`echo::run`], [`bet::run`], [`agency::run`]. The program adds arguments,
//! environment and exit code.

pub mod agency;
pub mod backoff;
pub mod batch;
pub mod bet;
pub mod config;
pub mod duration;
pub mod echo;
pub mod error;
pub mod event_loop;
pub mod file;
mod lines;
mod plain;
pub mod progress;
pub mod report;
mod resume;
pub mod rows;
pub mod tls;
pub mod upload;

//! A lottery agency: it sends its bets to the central and learns its winners.
//!
//! ```text
//! main -> echo ---------+
//!      -> bet ----+     |
//!      -> agency -+-> plain --+-> event_loop   the poll, the signals, the connections
//!            |    +-> resume -+        ^
//!            |           |             +- backoff: when to try again
//!            |           +-> upload      what to send next, what a reply means
//!            +-> batch -> rows -> lines  the agency file -> batches
//! ```
//!
//! The modules that decide, [`batch`], [`rows`], [`upload`] and [`backoff`], use no socket, no file and no clock. Only
//! [`event_loop`] waits. [`tls`] decides which server is trusted, and [`report`] holds the text of the log. Each mode is
//! a function of a [`Config`](config::Config): [`echo::run`], [`bet::run`], [`agency::run`]. The program adds
//! arguments, environment and exit code.

pub mod advice;
pub mod agency;
pub mod backoff;
pub mod batch;
pub mod bet;
pub mod check;
pub mod config;
pub mod duration;
pub mod echo;
pub mod error;
pub mod event_loop;
pub mod file;
mod job;
mod lines;
mod plain;
pub mod progress;
pub mod report;
mod resume;
pub mod rows;
pub mod scan;
pub mod terminal;
pub mod tls;
pub mod upload;

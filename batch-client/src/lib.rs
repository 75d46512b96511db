//! A lottery agency: it sends its bets to the central and learns its winners.
//!
//! ```text
//! main -> single -------+      echo, and one bet
//!      -> agency -+-> plain --+-> event_loop   the poll, the signals, the connections
//!            |    +-> resume -+        ^
//!            |           |             +- servers, backoff: where and when to try again
//!            |           +-> upload      what to send next, what a reply means
//!            +-> batch -> rows -> blocks   the agency file -> batches, of the file that was checked alone
//!            |             ^
//!      -> check -> scan ---+             whether all of its rows are bets
//!                   +-> advice           what it is instead, and how to save it right
//!                   +-> damage           which values look damaged though they are allowed
//! ```
//!
//! The modules that decide, [`batch`], [`scan`], [`rows`], [`blocks`], [`advice`], [`damage`], [`upload`], [`servers`] and
//! [`backoff`], use no socket, no file and no clock. Only [`event_loop`] waits, and [`progress`] shows for what. [`tls`]
//! decides which server is trusted, and [`report`] holds the text of the log. Each mode is a function of a
//! [`Config`](config::Config): [`single::echo`], [`single::bet`], [`agency::run`], [`agency::winners`], [`check::run`]. The
//! program adds the command line, the environment, the text of standard output, and the exit code.

pub mod advice;
pub mod agency;
pub mod backoff;
pub mod batch;
pub mod blocks;
pub mod check;
pub mod config;
pub mod damage;
pub mod error;
pub mod event_loop;
pub mod file;
mod job;
mod plain;
pub mod progress;
pub mod report;
mod resume;
pub mod rows;
pub mod scan;
pub mod servers;
pub mod single;
pub mod tls;
pub mod upload;

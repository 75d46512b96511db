//! The hub over streams and a store that do as they are told, and a clock that is set by hand: what the store is asked, and how
//! the lottery, each connection and the figures are seen from outside at each step.
//!
//! How that is written on pages and in metrics is told in `web`.

#[path = "../common/mod.rs"]
mod common;

#[path = "../limits/central.rs"]
mod central;

mod asked;
mod connections;
mod lottery;
mod store;

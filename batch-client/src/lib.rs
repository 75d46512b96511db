//! wip
pub mod batch;
pub mod config;
mod duration;
pub mod error;
pub mod rows;

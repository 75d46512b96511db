//! Peers that mean no good, beside five agencies that send their files to a real server.
//!
//! ```text
//! lottery   the server, the five agencies, and what must hold whatever goes on beside them
//! log       what must hold of every log
//! slow      who sends a byte now and then, who never reads, who says nothing
//! crowd     who comes in thousands, goes at once, asks again and again
//! places    who takes every place and stays
//! flood     who sends as much as it can over very many connections
//! lists     who asks for a long list of winners and does not read it
//! garbage   who sends what is no request at all
//! refused   who sends requests that are refused
//! ```
//!
//! In each test the agencies are told the right winners, every bet is stored once and nothing else is, the server's
//! memory goes back to where an undisturbed one has it, and the log says what went on in bounded words. How
//! fast the agencies were is printed, beside an undisturbed run: `cargo test -p event-server --test abuse -- --nocapture`.
#![cfg(target_os = "linux")]

#[path = "../common/mod.rs"]
mod common;

mod crowd;
mod flood;
mod garbage;
mod lists;
mod log;
mod lottery;
mod places;
mod refused;
mod slow;

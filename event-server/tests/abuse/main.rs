//! Peers that mean no good, beside five agencies that send their files to a real server.
//!
//! ```text
//! lottery   the server, the five agencies, and what must hold whatever goes on beside them
//! log       what must hold of every log
//! slow      peers that send a byte now and then, never read, or say nothing
//! crowd     peers that come in thousands, leave at once, or ask again and again
//! places    peers that take every place and stay
//! flood     peers that send as much as they can over very many connections
//! lists     peers that ask for a long list of winners and do not read it
//! garbage   peers that send bytes which are no request at all
//! refused   peers that send requests which are refused
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

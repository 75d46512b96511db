//! What the fuzz targets have in common: how an input is read, and what it is compared with.
//!
//! ```text
//! input      a byte n, n controls (sizes of pieces, bounds, faults), and then the data
//! script     lines of text that stand for frames, their lengths and ids put right
//! reference  payloads and bets, rows of bets.csv: read slowly, by the letter of the protocol
//! store_disk the disk of the store's tests
//! web_machine the HTTP port of its tests, without sockets
//! ```
//!
//! A target never asks only whether something panics: each compares with a reference, or with the same bytes
//! given in another way.

#![forbid(unsafe_code)]

pub mod input;
pub mod reference;
pub mod script;
#[path = "../../event-server/tests/store_disk/mod.rs"]
pub mod store_disk;
#[path = "../../event-server/tests/web/machine.rs"]
pub mod web_machine;

//! Two channels that speak TLS with each other over a wire that does everything a stream may do.

mod certificates;
mod failures;
mod pair;
mod transfer;
mod wire;

//! Mutual TLS with real processes and sockets: who trusts whom, who may say what, and what each side says of it.

#[path = "../limits/central.rs"]
mod central;
#[path = "../common/mod.rs"]
mod common;
mod peers;
mod places;
mod programs;
mod reload;
mod trust;
mod untaken;
mod validity;

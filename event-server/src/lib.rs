//! The lottery's central: one thread, one `Poll`, straight calls.

pub mod fact;

//! What the benches set up in the same way.

use std::time::Duration;

use criterion::Criterion;

/// Long enough for a ratio, short enough for a run of all benches.
pub fn quick() -> Criterion {
    Criterion::default()
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(2))
}

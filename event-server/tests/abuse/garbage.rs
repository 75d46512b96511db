//! Who sends what is no request, or no good one.

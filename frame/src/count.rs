//! Numbers with a noun, as people write them: `1 bet`, `2 bets`.

use std::fmt;

/// So many of what the noun says. The noun is given in the singular, and its plural ends in `s`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Count(pub u64, pub &'static str);

impl fmt::Display for Count {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(count, noun) = self;
        let ending = if *count == 1 { "" } else { "s" };
        write!(f, "{count} {noun}{ending}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_is_singular_and_every_other_number_plural() {
        let text = |count| Count(count, "column").to_string();
        assert_eq!(
            [0, 1, 2, 11, 101].map(text),
            [
                "0 columns",
                "1 column",
                "2 columns",
                "11 columns",
                "101 columns"
            ]
        );
    }
}

//! The first look at a row: one pass over its bytes, sixteen at a time, without knowing its fields.

/// What was seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Glance {
    /// Of all bytes of the row. Nobody gains from two rows with the same hash.
    pub(super) hash: u64,
    /// Whether a byte is there with which damage may begin.
    pub(super) is_odd: bool,
}

/// Two numbers without a pattern: about half of their bits are set.
const MIX: [u64; 2] = [0x9e37_79b9_7f4a_7c15, 0xd1b5_4a32_d192_ed03];

impl Glance {
    #[inline]
    pub(super) fn at(row: &[u8]) -> Self {
        let mut hash = row.len() as u64;
        let mut is_odd = false;
        let mut place = 0;
        let (chunks, rest) = row.as_chunks::<16>();
        for chunk in chunks {
            place += 1;
            hash = hash.wrapping_add(product(*chunk, place));
            is_odd |= any_odd(*chunk);
        }
        let mut last = [0; 16];
        last[..rest.len()].copy_from_slice(rest);
        is_odd |= any_odd(last);
        hash = hash.wrapping_add(product(last, place + 1));
        Self { hash, is_odd }
    }
}

/// Multiplies both halves of a chunk to 128 bits and folds them. No chunk waits for the one before it; so that they
/// cannot change places, each has numbers of its own to be mixed with.
#[inline]
fn product(chunk: [u8; 16], place: u64) -> u64 {
    let chunk = u128::from_le_bytes(chunk);
    let [low, high] = [chunk as u64, (chunk >> 64) as u64];
    let product = u128::from(low ^ MIX[0].wrapping_mul(place))
        * u128::from(high ^ MIX[1].wrapping_mul(place));
    product as u64 ^ (product >> 64) as u64
}

/// Whether any byte is one with which a damaged text may begin, or is the first byte of a character beyond ASCII that is
/// none of the letters of Spanish. These, like those of most languages around this lottery, all begin with 0xC3. Without a
/// branch, so that it is compiled to a few comparisons of all bytes at once.
#[inline]
fn any_odd(chunk: [u8; 16]) -> bool {
    let odd = chunk.map(|b| {
        let sign = u8::from(b == b'=') | u8::from(b == b'+') | u8::from(b == b'@');
        let mark = u8::from(b == b'#') | u8::from(b == b'\'') | u8::from(b == b'"');
        sign | mark | u8::from(b >= 0xc0) & u8::from(b != 0xc3)
    });
    u128::from_le_bytes(odd) != 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn usual_rows_take_no_second_look_and_odd_ones_do() {
        let is_odd = |name: &str| {
            let row = format!("Ana María,{name},0012345,1999-03-17,7574");
            Glance::at(row.as_bytes()).is_odd
        };
        for name in ["Núñez", "JOÃO", "Ma. José", "a-b"] {
            assert!(!is_odd(name), "{name}");
        }
        for name in [
            "=A",
            "+A",
            "@A",
            "#A",
            "'A",
            "A\u{a0}",
            "A’",
            "\u{feff}A",
            "Ã±",
            "Ãš",
            "ÃŸ",
            "Ãƒ",
        ] {
            for blanks in 0..16 {
                let name = format!("{}{name}", "x".repeat(blanks));
                assert!(is_odd(&name), "{name}");
            }
        }
    }

    #[test]
    fn rows_that_differ_in_one_byte_have_other_hashes() {
        let row = b"Ana Maria,Lorca,30904465,1999-03-17,7574";
        let mut seen = std::collections::HashSet::new();
        for at in 0..row.len() {
            for byte in 0..=255 {
                let mut row = *row;
                row[at] = byte;
                seen.insert(Glance::at(&row).hash);
            }
            seen.insert(Glance::at(&row[..at]).hash);
        }
        assert_eq!(seen.len(), 255 * row.len() + 1 + row.len());
    }
}

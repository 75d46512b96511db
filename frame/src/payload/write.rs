//! Writing a payload: objects pair by pair, values and numbers; and which bytes have a meaning in a payload.

/// Writes one object, pair by pair.
pub struct ObjectWriter<'o> {
    out: &'o mut Vec<u8>,
    first: bool,
}

impl<'o> ObjectWriter<'o> {
    /// Appends the beginning of an object to `out`.
    pub fn new(out: &'o mut Vec<u8>) -> Self {
        out.push(b'{');
        Self { out, first: true }
    }

    /// Appends a pair; the value is written in quotes where it must be.
    #[must_use]
    pub fn pair(mut self, key: &str, value: &[u8]) -> Self {
        self.key(key);
        write_value(self.out, value);
        self
    }

    /// Appends a pair whose value is a whole number.
    #[must_use]
    pub fn number(mut self, key: &str, value: u64) -> Self {
        self.key(key);
        write_number(self.out, value);
        self
    }

    /// Ends the object.
    pub fn end(self) {
        self.out.push(b'}');
    }

    fn key(&mut self, key: &str) {
        if !self.first {
            self.out.push(b',');
        }
        self.first = false;
        self.out.extend_from_slice(key.as_bytes());
        self.out.push(b':');
    }
}

/// Returns whether a plain value ends before this byte.
pub(super) fn ends_value(byte: u8) -> bool {
    matches!(byte, b',' | b'|' | b'{' | b'}')
}

/// Returns whether this byte is a blank, which does not belong to the key or the value that it is next to.
pub(super) fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t')
}

/// Returns whether a value must be written in quotes. Programs that do not know quotes cannot read such a value.
pub fn needs_quotes(value: &[u8]) -> bool {
    value.first().is_some_and(|b| *b == b'"' || is_blank(*b))
        || value.last().is_some_and(|b| is_blank(*b))
        || value.iter().any(|b| ends_value(*b))
}

/// Appends a value, in quotes only where it must be.
pub fn write_value(out: &mut Vec<u8>, value: &[u8]) {
    if !needs_quotes(value) {
        out.extend_from_slice(value);
        return;
    }
    out.push(b'"');
    for (i, piece) in value.split(|b| *b == b'"').enumerate() {
        if i > 0 {
            out.extend_from_slice(b"\"\"");
        }
        out.extend_from_slice(piece);
    }
    out.push(b'"');
}

/// Appends a whole number in decimal digits, without allocating.
pub fn write_number(out: &mut Vec<u8>, mut value: u64) {
    let mut digits = [0; 20];
    let mut start = digits.len();
    loop {
        start -= 1;
        digits[start] = b'0' + (value % 10) as u8;
        value /= 10;
        if value == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[start..]);
}

//! Which bytes of a payload have a meaning: what reading and writing share.

/// Returns whether a plain value ends before this byte.
pub(super) fn ends_value(byte: u8) -> bool {
    matches!(byte, b',' | b'|' | b'{' | b'}')
}

/// Returns whether this byte around a key or a value does not belong to it.
pub(super) fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t')
}

//! Quoting for SQL: a name or a text of any characters cannot end before its quotes do.

/// A name, as `"name"`.
pub(super) fn identifier(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// A text, as `'text'`. The session has `standard_conforming_strings` on: a backslash is a character like any other.
pub(super) fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

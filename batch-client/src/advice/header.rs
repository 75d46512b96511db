//! Rows that name the columns.

use crate::lines::BYTE_ORDER_MARK;

/// With what the names of columns begin, in the languages of this lottery and of its programs.
const NAMES: [&str; 22] = [
    "nombre",
    "apellido",
    "document",
    "dni",
    "nacimiento",
    "fecha",
    "numero",
    "número",
    "nro",
    "name",
    "first",
    "last",
    "surname",
    "birth",
    "date",
    "number",
    "agenc",
    "pasaporte",
    "cuil",
    "cuit",
    "cedula",
    "cédula",
];

/// So many names are no coincidence.
const ENOUGH: usize = 3;

/// Whether a row, given as its columns, names columns: three of them have names that columns have, and none has a digit.
pub(crate) fn names_columns(columns: &[&[u8]]) -> bool {
    let digits = |column: &&[u8]| column.iter().any(u8::is_ascii_digit);
    let is_name = |column: &&&[u8]| {
        let text = column.strip_prefix(BYTE_ORDER_MARK).unwrap_or(column);
        let text = String::from_utf8_lossy(text).to_lowercase();
        NAMES.iter().any(|name| text.starts_with(name))
    };
    !columns.iter().any(digits) && columns.iter().filter(is_name).count() >= ENOUGH
}

//! Birthdates that are written in another form, or that stand in another column.

use super::date_form::{COMPACT, DAY_NUMBER, FORMS, WITH_TIME, form, is_date};
use super::finding::Finding;
use super::layout::Layout;

/// The place of the birthdate, counted from 0.
const BIRTHDATE: usize = 3;

/// What most of the bad rows have as a birthdate, or where they have it.
pub(super) fn find(layout: &Layout<'_>) -> Option<Finding> {
    let written = |name: &&str| {
        layout.most(|row| {
            row.get(BIRTHDATE)
                .is_some_and(|text| form(text) == Some(name))
        })
    };
    let (divided, digits): (Vec<_>, Vec<_>) = FORMS
        .into_iter()
        .filter(written)
        .partition(|name| *name != COMPACT && *name != DAY_NUMBER);
    // Digits alone are a date only where no other column has one.
    let found = divided.first().map(|name| named(name));
    found
        .or_else(|| misplaced(layout))
        .or_else(|| digits.first().map(|name| named(name)))
}

fn named(form: &str) -> Finding {
    let what = match form {
        WITH_TIME => "the birthdate has a time behind it".to_owned(),
        DAY_NUMBER => "the birthdate is a spreadsheet's number of a day".to_owned(),
        form => format!("the birthdate is not in the form YYYY-MM-DD but such as {form}"),
    };
    Finding::new(what, "write the year first: YYYY-MM-DD")
}

fn misplaced(layout: &Layout<'_>) -> Option<Finding> {
    let elsewhere = |place: usize| {
        layout.most(|row| {
            let text = row.get(place).copied().unwrap_or_default();
            row.len() == 5 && is_date(text)
        })
    };
    let place = [0, 1, 2, 4].into_iter().find(|place| elsewhere(*place))?;
    Some(Finding::new(
        format!("the birthdate stands in column {} instead of 4", place + 1),
        "put the columns in the order name, surname, document, birthdate, number",
    ))
}

//! Birthdates that are written in another form, or that stand in another column.

use super::clues::Clues;
use super::date_form::{
    COMPACT, DAY_FIRST, DAY_NUMBER, FORMS, MONTH_FIRST, WITH_TIME, form, is_date,
};
use super::finding::{Finding, Kind};
use super::layout::Layout;

/// The place of the birthdate, counted from 0.
const BIRTHDATE: usize = 3;

/// What most of the bad rows have as a birthdate, or where they have it.
pub(super) fn find(layout: &Layout<'_>, clues: &Clues) -> Option<Finding> {
    let written = |name: &&str| {
        layout.most(|row| {
            let bet = layout.bet(row);
            bet.is_some_and(|bet| form(bet[BIRTHDATE]) == Some(name))
        })
    };
    let (divided, digits): (Vec<_>, Vec<_>) = FORMS
        .into_iter()
        .filter(written)
        .partition(|name| *name != COMPACT && *name != DAY_NUMBER);
    // Digits alone are a date only where no other column has one.
    let found = divided.first().map(|name| named(name, clues));
    found
        .or_else(|| misplaced(layout))
        .or_else(|| digits.first().map(|name| named(name, clues)))
}

fn named(form: &str, clues: &Clues) -> Finding {
    const YEAR_FIRST: &str = "write the year first: YYYY-MM-DD";
    let other = |what: &str| format!("the birthdate is not in the form YYYY-MM-DD but {what}");
    let place = DAY_FIRST.iter().position(|day_first| *day_first == form);
    let (what, fix) = match (form, place.map(|place| MONTH_FIRST[place])) {
        (WITH_TIME, _) => ("the birthdate has a time behind it".to_owned(), YEAR_FIRST),
        (DAY_NUMBER, _) => (
            "the birthdate is a spreadsheet's number of a day".to_owned(),
            YEAR_FIRST,
        ),
        (form, None) => (other(&format!("such as {form}")), YEAR_FIRST),
        (day_first, Some(month_first)) => match clues.orders() {
            [true, false] => (other(&format!("such as {day_first}")), YEAR_FIRST),
            [false, true] => (
                other(&format!("has the month first, such as {month_first}")),
                YEAR_FIRST,
            ),
            [true, true] => (
                other(&format!(
                    "such as {day_first} in some rows and {month_first} in others"
                )),
                "write the year first, YYYY-MM-DD, after finding out for each row which number is the month",
            ),
            [false, false] => (
                other(&format!(
                    "such as {day_first} or {month_first}, and no row shows which of them"
                )),
                "write the year first, YYYY-MM-DD, after finding out which number is the month",
            ),
        },
    };
    Finding::new(Kind::DateForm, what, fix)
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
        Kind::DateColumn,
        format!("the birthdate stands in column {} instead of 4", place + 1),
        "put the columns in the order name, surname, document, birthdate, number",
    ))
}

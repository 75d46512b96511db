//! What all bad rows of a file show together: few of them may decide which number of a date is the month, and which
//! encoding its letters are in.

use super::date_form::Order;
use super::encoding::Candidates;

/// What was seen in the bad rows so far. Its size is fixed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Clues {
    /// A date shows that the day comes first.
    day_first: bool,
    /// A date shows that the month comes first.
    month_first: bool,
    /// The encodings in which all text that is not UTF-8 may be; `None` where there is no such text.
    encodings: Option<Candidates>,
}

impl Clues {
    /// Looks at a bad row, or at a part of one.
    pub fn see(&mut self, text: &[u8]) {
        let part_of_date = |b: &u8| b.is_ascii_digit() || b"/-.".contains(b);
        for token in text.split(|b| !part_of_date(b)) {
            match Order::of(token) {
                Some(Order::DayFirst) => self.day_first = true,
                Some(Order::MonthFirst) => self.month_first = true,
                None => {}
            }
        }
        if std::str::from_utf8(text).is_err() {
            self.encodings.get_or_insert_default().see(text);
        }
    }

    /// Which of the two orders the dates show, those of day first and month first.
    pub(super) fn orders(&self) -> [bool; 2] {
        [self.day_first, self.month_first]
    }

    pub(super) fn encodings(&self) -> Option<&Candidates> {
        self.encodings.as_ref()
    }
}

//! Dates in many written forms, and the one way ISO 8601 writes them.

use serde::{Deserialize, Serialize};

use super::Pair;
use crate::{Error, Key};

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
const WEEKDAYS: [&str; 7] = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];
const ROMAN: [&str; 12] = ["I", "II", "III", "IV", "V", "VI", "VII", "VIII", "IX", "X", "XI", "XII"];
const ORDINALS: [&str; 31] = [
    "first",
    "second",
    "third",
    "fourth",
    "fifth",
    "sixth",
    "seventh",
    "eighth",
    "ninth",
    "tenth",
    "eleventh",
    "twelfth",
    "thirteenth",
    "fourteenth",
    "fifteenth",
    "sixteenth",
    "seventeenth",
    "eighteenth",
    "nineteenth",
    "twentieth",
    "twenty-first",
    "twenty-second",
    "twenty-third",
    "twenty-fourth",
    "twenty-fifth",
    "twenty-sixth",
    "twenty-seventh",
    "twenty-eighth",
    "twenty-ninth",
    "thirtieth",
    "thirty-first",
];

/// A day of the Gregorian calendar.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Date {
    year: u32,
    /// From 1.
    month: u32,
    /// From 1.
    day: u32,
}

impl Date {
    /// The day `offset` days after 1 January of `year`.
    fn after_new_year(mut year: u32, mut offset: u32) -> Self {
        loop {
            let days = if is_leap(year) { 366 } else { 365 };
            if offset < days {
                break;
            }
            offset -= days;
            year += 1;
        }
        let mut month = 1;
        while offset >= days_of(year, month) {
            offset -= days_of(year, month);
            month += 1;
        }
        Self { year, month, day: offset + 1 }
    }

    /// 1 for 1 January.
    fn day_of_year(self) -> u32 {
        (1..self.month).map(|month| days_of(self.year, month)).sum::<u32>() + self.day
    }

    /// 0 for Monday. C. F. Gauss's and C. Zeller's congruence: March is the first month of the year, so that
    /// the leap day comes last.
    fn weekday(self) -> usize {
        let (m, y) = if self.month < 3 { (self.month + 12, self.year - 1) } else { (self.month, self.year) };
        // Zeller counts from Saturday.
        let h = (self.day + 13 * (m + 1) / 5 + y + y / 4 - y / 100 + y / 400) % 7;
        (h as usize + 5) % 7
    }

    fn iso(self) -> String {
        format!("{:04}-{:02}-{:02}", self.year, self.month, self.day)
    }
}

fn is_leap(year: u32) -> bool {
    year.is_multiple_of(4) && !year.is_multiple_of(100) || year.is_multiple_of(400)
}

fn days_of(year: u32, month: u32) -> u32 {
    match month {
        2 if is_leap(year) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// A way to write a date. No text is written by two of them for two dates: between slashes the month comes
/// first, between points and before a Roman number the day.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DateForm {
    /// `28 July 1999`
    DayMonthYear,
    /// `28 Jul 1999`
    DayShortMonthYear,
    /// `July 28, 1999`
    MonthDayYear,
    /// `Jul 28, 1999`
    ShortMonthDayYear,
    /// `28th July 1999`
    NumberedDay,
    /// `the 28th of July, 1999`
    TheNumberedDay,
    /// `July 28th, 1999`
    MonthNumberedDay,
    /// `Wednesday, 28 July 1999`
    Weekday,
    /// `Wed Jul 28 1999`
    ShortWeekday,
    /// `28.07.1999`
    Points,
    /// `28.7.99`, a year from 1950 to 2049
    ShortPoints,
    /// `07/28/1999`
    Slashes,
    /// `1999/07/28`
    YearFirst,
    /// `19990728`
    Digits,
    /// `28.VII.1999`
    Roman,
    /// `28-JUL-1999`
    Dashes,
    /// `twenty-eighth of July 1999`
    Words,
    /// `day 209 of 1999`
    DayOfYear,
    /// `1999, July 28`
    YearMonthDay,
}

impl DateForm {
    /// All forms.
    pub const ALL: [Self; 19] = [
        Self::DayMonthYear,
        Self::DayShortMonthYear,
        Self::MonthDayYear,
        Self::ShortMonthDayYear,
        Self::NumberedDay,
        Self::TheNumberedDay,
        Self::MonthNumberedDay,
        Self::Weekday,
        Self::ShortWeekday,
        Self::Points,
        Self::ShortPoints,
        Self::Slashes,
        Self::YearFirst,
        Self::Digits,
        Self::Roman,
        Self::Dashes,
        Self::Words,
        Self::DayOfYear,
        Self::YearMonthDay,
    ];

    fn write(self, date: Date) -> String {
        let Date { year, month, day } = date;
        let name = MONTHS[month as usize - 1];
        let short = &name[..3];
        let weekday = WEEKDAYS[date.weekday()];
        let numbered = format!("{day}{}", suffix(day));
        match self {
            Self::DayMonthYear => format!("{day} {name} {year}"),
            Self::DayShortMonthYear => format!("{day} {short} {year}"),
            Self::MonthDayYear => format!("{name} {day}, {year}"),
            Self::ShortMonthDayYear => format!("{short} {day}, {year}"),
            Self::NumberedDay => format!("{numbered} {name} {year}"),
            Self::TheNumberedDay => format!("the {numbered} of {name}, {year}"),
            Self::MonthNumberedDay => format!("{name} {numbered}, {year}"),
            Self::Weekday => format!("{weekday}, {day} {name} {year}"),
            Self::ShortWeekday => format!("{} {short} {day} {year}", &weekday[..3]),
            Self::Points => format!("{day:02}.{month:02}.{year}"),
            Self::ShortPoints => format!("{day}.{month}.{:02}", year % 100),
            Self::Slashes => format!("{month:02}/{day:02}/{year}"),
            Self::YearFirst => format!("{year}/{month:02}/{day:02}"),
            Self::Digits => format!("{year}{month:02}{day:02}"),
            Self::Roman => format!("{day}.{}.{year}", ROMAN[month as usize - 1]),
            Self::Dashes => format!("{day:02}-{}-{year}", short.to_uppercase()),
            Self::Words => format!("{} of {name} {year}", ORDINALS[day as usize - 1]),
            Self::DayOfYear => format!("day {} of {year}", date.day_of_year()),
            Self::YearMonthDay => format!("{year}, {name} {day}"),
        }
    }
}

fn suffix(day: u32) -> &'static str {
    match day {
        1 | 21 | 31 => "st",
        2 | 22 => "nd",
        3 | 23 => "rd",
        _ => "th",
    }
}

/// Dates in nineteen written forms, to be written as ISO 8601 has it.
///
/// ```
/// use fornax_prep::{Key, worlds::tasks::{DateForm, DateTask}};
///
/// let pair = DateTask::new().sample(Key::new(1), 0);
/// assert_eq!(pair.target.len(), 10);
/// let pair = DateTask::new().with_forms(&[DateForm::Roman])?.sample(Key::new(1), 4);
/// assert_eq!((pair.input.as_str(), pair.target.as_str()), ("21.IX.1980", "1980-09-21"));
/// # Ok::<(), fornax_prep::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DateTask {
    forms: Vec<DateForm>,
}

impl Default for DateTask {
    fn default() -> Self {
        Self::new()
    }
}

impl DateTask {
    /// The first and the last year dates are drawn from.
    pub const YEARS: [u32; 2] = [1950, 2049];

    /// All forms, equally often.
    pub fn new() -> Self {
        Self { forms: DateForm::ALL.to_vec() }
    }

    /// Only these forms, equally often.
    ///
    /// # Errors
    ///
    /// [`Error::Argument`] when there are none.
    pub fn with_forms(self, forms: &[DateForm]) -> Result<Self, Error> {
        if forms.is_empty() {
            return Err(Error::argument("forms", "at least one form", "none"));
        }
        Ok(Self { forms: forms.to_vec() })
    }

    /// Pair `index` of the endless set that `key` names: every day from 1950 to 2049 is equally likely.
    pub fn sample(&self, key: Key, index: u64) -> Pair {
        let mut stream = key.fold(index).stream();
        let date = Date::after_new_year(Self::YEARS[0], stream.below(u64::from(DAYS)) as u32);
        let form = self.forms[stream.below(self.forms.len() as u64) as usize];
        Pair { input: form.write(date), target: date.iso() }
    }
}

/// Days from 1950 to 2049: a hundred years, 25 of them leap years.
const DAYS: u32 = 36_525;

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    #[test]
    fn no_text_means_two_dates() {
        let mut meaning = HashMap::new();
        for offset in 0..DAYS {
            let date = Date::after_new_year(1950, offset);
            for form in DateForm::ALL {
                let text = form.write(date);
                let other = meaning.insert(text.clone(), offset);
                assert!(other.is_none_or(|other| other == offset), "{text}");
            }
        }
        // May is May in short as well; everything else is written differently by every form.
        assert!(meaning.len() > 18 * DAYS as usize, "{}", meaning.len());
    }

    #[test]
    fn known_days_are_written_as_documented() {
        let date = Date { year: 1999, month: 7, day: 28 };
        let written: Vec<String> = DateForm::ALL.iter().map(|form| form.write(date)).collect();
        let expected = [
            "28 July 1999",
            "28 Jul 1999",
            "July 28, 1999",
            "Jul 28, 1999",
            "28th July 1999",
            "the 28th of July, 1999",
            "July 28th, 1999",
            "Wednesday, 28 July 1999",
            "Wed Jul 28 1999",
            "28.07.1999",
            "28.7.99",
            "07/28/1999",
            "1999/07/28",
            "19990728",
            "28.VII.1999",
            "28-JUL-1999",
            "twenty-eighth of July 1999",
            "day 209 of 1999",
            "1999, July 28",
        ];
        assert_eq!(written, expected);
        assert_eq!(date.iso(), "1999-07-28");
    }

    #[test]
    fn the_calendar_runs_without_gaps_and_ends_where_it_should() {
        let mut last = Date { year: 1949, month: 12, day: 31 };
        for offset in 0..DAYS {
            let date = Date::after_new_year(1950, offset);
            let next_of = if last.day < days_of(last.year, last.month) {
                Date { day: last.day + 1, ..last }
            } else if last.month < 12 {
                Date { month: last.month + 1, day: 1, ..last }
            } else {
                Date { year: last.year + 1, month: 1, day: 1 }
            };
            assert_eq!(date, next_of);
            // 1 January 1950 was a Sunday.
            assert_eq!(date.weekday(), (offset as usize + 6) % 7);
            last = date;
        }
        assert_eq!(last, Date { year: 2049, month: 12, day: 31 });
        assert_eq!(Date::after_new_year(2000, 59), Date { year: 2000, month: 2, day: 29 });
    }

    #[test]
    fn samples_answer_themselves_and_use_every_form() {
        let task = DateTask::new();
        let mut years = HashMap::new();
        for index in 0..2000 {
            let Pair { input, target } = task.sample(Key::new(3), index);
            let [year, month, day] = [0..4, 5..7, 8..10].map(|part| target[part].parse().unwrap());
            let date = Date { year, month, day };
            assert!(DateForm::ALL.iter().any(|form| form.write(date) == input), "{input}: {target}");
            *years.entry(year).or_insert(0) += 1;
        }
        assert!(years.len() > 95);
        for (i, form) in DateForm::ALL.iter().enumerate() {
            let pair = DateTask::new().with_forms(&[*form]).unwrap().sample(Key::new(9), i as u64);
            assert!(!pair.input.is_empty());
        }
    }
}

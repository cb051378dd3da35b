//! Times in words and exact, always in UTC: the page is one for every place a patient may be at. Called by `pages`.

use crate::html::{El, el};
use time::{Date, Month, OffsetDateTime, Time};

/// Milliseconds of a day.
pub(crate) const DAY_MS: u64 = 24 * 3600 * 1000;

fn at(ms: u64) -> Option<OffsetDateTime> {
    OffsetDateTime::from_unix_timestamp(i64::try_from(ms / 1000).ok()?).ok()
}

/// `2026-11-21T00:33:28Z`, for machines.
pub(crate) fn exact(ms: u64) -> String {
    let Some(at) = at(ms) else { return String::new() };
    format!("{}T{:02}:{:02}:{:02}Z", date_field(ms), at.hour(), at.minute(), at.second())
}

/// `2026-11-21`, for date inputs.
pub(crate) fn date_field(ms: u64) -> String {
    let Some(at) = at(ms) else { return String::new() };
    format!("{:04}-{:02}-{:02}", at.year(), u8::from(at.month()), at.day())
}

/// `21 November 2026`.
pub(crate) fn day(ms: u64) -> String {
    let Some(at) = at(ms) else { return "a time far away".to_owned() };
    format!("{} {} {}", at.day(), at.month(), at.year())
}

/// `21 November 2026, 00:33 UTC`.
pub(crate) fn moment(ms: u64) -> String {
    let Some(at) = at(ms) else { return "a time far away".to_owned() };
    format!("{}, {:02}:{:02} UTC", day(ms), at.hour(), at.minute())
}

/// `00:33 UTC`.
pub(crate) fn time_of_day(ms: u64) -> String {
    at(ms).map_or(String::new(), |at| format!("{:02}:{:02} UTC", at.hour(), at.minute()))
}

/// How long ago something was, in words.
pub(crate) fn ago(ms: u64, now_ms: u64) -> String {
    let seconds = now_ms.saturating_sub(ms) / 1000;
    let words = |number: u64, one: &str, many: &str| format!("{} ago", super::count(number, one, many));
    match seconds {
        0..60 => "just now".to_owned(),
        60..3600 => words(seconds / 60, "minute", "minutes"),
        3600..86_400 => words(seconds / 3600, "hour", "hours"),
        86_400..2_592_000 => words(seconds / 86_400, "day", "days"),
        _ => day(ms),
    }
}

/// A time in words that carries itself exactly.
pub(crate) fn stamp(ms: u64, words: &str) -> El {
    el("time").attr("datetime", exact(ms)).attr("title", moment(ms)).with(words)
}

/// The last millisecond of the day a date input names; none if it names none.
pub(crate) fn end_of_day(field: &str) -> Option<u64> {
    let mut parts = field.trim().split('-');
    let year = parts.next().filter(|year| year.len() == 4)?.parse::<i32>().ok()?;
    let month = Month::try_from(parts.next()?.parse::<u8>().ok()?).ok()?;
    let date = Date::from_calendar_date(year, month, parts.next()?.parse().ok()?).ok()?;
    let start = u64::try_from(date.with_time(Time::MIDNIGHT).assume_utc().unix_timestamp()).ok()?;
    parts.next().is_none().then_some(start * 1000 + DAY_MS - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2026-11-21 00:33:28 UTC.
    const NOW: u64 = 1_795_221_208_000;

    #[test]
    fn a_time_reads_in_words_and_exactly() {
        assert_eq!(exact(NOW), "2026-11-21T00:33:28Z");
        assert_eq!(moment(NOW), "21 November 2026, 00:33 UTC");
        assert_eq!(moment(u64::MAX), "a time far away");
        assert_eq!(exact(0), "1970-01-01T00:00:00Z");
    }

    #[test]
    fn how_long_ago_reads_in_words() {
        let check = |seconds: u64, expected: &str| assert_eq!(ago(NOW - seconds * 1000, NOW), expected);
        check(0, "just now");
        check(59, "just now");
        check(60, "1 minute ago");
        check(7200, "2 hours ago");
        check(86_400, "1 day ago");
        check(40 * 86_400, "12 October 2026");
        assert_eq!(ago(NOW + 5000, NOW), "just now");
    }

    #[test]
    fn a_date_input_names_the_end_of_its_day() {
        let check = |field: &str, expected: Option<&str>| {
            assert_eq!(end_of_day(field).map(exact).as_deref(), expected, "{field}");
        };
        check("2026-11-21", Some("2026-11-21T23:59:59Z"));
        check(" 2028-02-29 ", Some("2028-02-29T23:59:59Z"));
        check("2026-02-29", None);
        check("2026-13-01", None);
        check("21.11.2026", None);
        check("2026-11-21-1", None);
        check("1969-12-31", None);
        check("", None);
    }
}

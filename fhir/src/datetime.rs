//! FHIR dates as ranges of time, and instants as text. No clock. Called by `index`, `query`, `primitive` and by
//! whoever stamps `lastUpdated`.
//!
//! Time is microseconds since 1970-01-01T00:00:00Z. A date of less precision is the whole range it may mean, both
//! ends inside: `2020` is from 2020-01-01T00:00:00.000000Z to 2020-12-31T23:59:59.999999Z. Text without a time zone
//! counts as UTC. Spec: <https://hl7.org/fhir/R4/search.html#date>.

/// Microseconds of a second.
const SECOND: i64 = 1_000_000;
/// Microseconds of a day.
const DAY: i64 = 86_400 * SECOND;

/// A range of time, both ends inside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Range {
    /// First microsecond.
    pub low: i64,
    /// Last microsecond.
    pub high: i64,
}

/// The range of a `date`, `dateTime` or `instant`, or of a search value (which may stop at minutes and may leave
/// the time zone out); none if it is no date of the calendar.
#[must_use]
pub fn range(text: &str) -> Option<Range> {
    let mut reader = Reader { bytes: text.as_bytes(), at: 0 };
    let year = reader.number(4)?;
    if year == 0 {
        return None;
    }
    if reader.ended() {
        return Some(until(civil(year, 1, 1) * DAY, civil(year + 1, 1, 1) * DAY));
    }
    reader.expect(b'-')?;
    let month = reader.number(2).filter(|month| (1..=12).contains(month))?;
    let next_month = if month == 12 { civil(year + 1, 1, 1) } else { civil(year, month + 1, 1) };
    if reader.ended() {
        return Some(until(civil(year, month, 1) * DAY, next_month * DAY));
    }
    reader.expect(b'-')?;
    let day = civil(year, month, reader.number(2).filter(|day| *day >= 1)?);
    if day >= next_month {
        return None;
    }
    if reader.ended() {
        return Some(until(day * DAY, (day + 1) * DAY));
    }
    reader.expect(b'T')?;
    let (low, length) = time_of_day(&mut reader)?;
    let offset = if reader.ended() { 0 } else { zone(&mut reader)? };
    if !reader.ended() {
        return None;
    }
    let low = day * DAY + low - offset;
    Some(until(low, low + length))
}

/// An instant as microseconds: the first of its range.
#[must_use]
pub fn parse_instant(text: &str) -> Option<i64> {
    text.contains('T').then(|| range(text)).flatten().map(|range| range.low)
}

/// `2026-01-02T03:04:05.678Z`; years before 1 and after 9999 are drawn to those.
#[must_use]
pub fn format_instant(micros: i64) -> String {
    let micros = micros.clamp(civil(1, 1, 1) * DAY, civil(10_000, 1, 1) * DAY - 1);
    let (year, month, day) = date_of(micros.div_euclid(DAY));
    let time = micros.rem_euclid(DAY);
    let (seconds, milliseconds) = (time / SECOND, time % SECOND / 1000);
    let (hour, minute, second) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{milliseconds:03}Z")
}

/// `Wed, 21 Oct 2015 07:28:00 GMT`, as HTTP's `Last-Modified` wants it (RFC 9110 section 5.6.7).
#[must_use]
pub fn format_http(micros: i64) -> String {
    const DAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
    const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let micros = micros.clamp(civil(1, 1, 1) * DAY, civil(10_000, 1, 1) * DAY - 1);
    let days = micros.div_euclid(DAY);
    let (year, month, day) = date_of(days);
    let seconds = micros.rem_euclid(DAY) / SECOND;
    let weekday = DAYS[usize::try_from(days.rem_euclid(7)).unwrap_or(0)];
    let month = MONTHS[usize::try_from(month - 1).unwrap_or(0)];
    let (hour, minute, second) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    format!("{weekday}, {day:02} {month} {year:04} {hour:02}:{minute:02}:{second:02} GMT")
}

fn until(low: i64, end: i64) -> Range {
    Range { low, high: end - 1 }
}

/// Start and length in microseconds, to the precision written.
fn time_of_day(reader: &mut Reader<'_>) -> Option<(i64, i64)> {
    let hour = reader.number(2).filter(|hour| *hour < 24)?;
    reader.expect(b':')?;
    let minute = reader.number(2).filter(|minute| *minute < 60)?;
    let start = (hour * 3600 + minute * 60) * SECOND;
    if reader.peek() != Some(b':') {
        return Some((start, 60 * SECOND));
    }
    reader.at += 1;
    // 60 is a leap second, which this calendar counts as the next minute's first.
    let start = start + reader.number(2).filter(|second| *second <= 60)? * SECOND;
    if reader.peek() != Some(b'.') {
        return Some((start, SECOND));
    }
    reader.at += 1;
    let (mut fraction, mut unit) = (0, SECOND);
    let from = reader.at;
    while let Some(digit @ b'0'..=b'9') = reader.peek() {
        // Digits below a microsecond are cut off.
        if unit > 1 {
            unit /= 10;
            fraction += i64::from(digit - b'0') * unit;
        }
        reader.at += 1;
    }
    (reader.at > from).then_some((start + fraction, unit))
}

fn zone(reader: &mut Reader<'_>) -> Option<i64> {
    let sign = match reader.peek()? {
        b'Z' => {
            reader.at += 1;
            return Some(0);
        }
        b'+' => 1,
        b'-' => -1,
        _ => return None,
    };
    reader.at += 1;
    let hours = reader.number(2)?;
    reader.expect(b':')?;
    let minutes = reader.number(2).filter(|minutes| *minutes < 60)?;
    (hours * 60 + minutes <= 14 * 60).then_some(sign * (hours * 60 + minutes) * 60 * SECOND)
}

/// Days from 1970-01-01; a day past the month's end runs into the next.
pub(crate) fn civil(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let of_era = year.rem_euclid(400);
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

pub(crate) fn date_of(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let of_era = days.rem_euclid(146_097);
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Reader<'_> {
    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn ended(&self) -> bool {
        self.at == self.bytes.len()
    }

    fn expect(&mut self, byte: u8) -> Option<()> {
        (self.peek()? == byte).then(|| self.at += 1)
    }

    /// Exactly this many digits.
    fn number(&mut self, digits: usize) -> Option<i64> {
        let found = self.bytes.get(self.at..self.at + digits)?;
        let mut value = 0;
        for digit in found {
            if !digit.is_ascii_digit() {
                return None;
            }
            value = value * 10 + i64::from(digit - b'0');
        }
        self.at += digits;
        Some(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_date_is_the_whole_range_it_may_mean() {
        check("1970", "1970-01-01T00:00:00.000Z", "1970-12-31T23:59:59.999Z");
        check("2020-02", "2020-02-01T00:00:00.000Z", "2020-02-29T23:59:59.999Z");
        check("2000-02-29", "2000-02-29T00:00:00.000Z", "2000-02-29T23:59:59.999Z");
        check("1969-12-31T23:59Z", "1969-12-31T23:59:00.000Z", "1969-12-31T23:59:59.999Z");
        check("2015-02-07T13:28:17+02:00", "2015-02-07T11:28:17.000Z", "2015-02-07T11:28:17.999Z");
        check("2015-02-07T13:28:17.239-05:00", "2015-02-07T18:28:17.239Z", "2015-02-07T18:28:17.239Z");
        check("2016-12-31T23:59:60Z", "2017-01-01T00:00:00.000Z", "2017-01-01T00:00:00.999Z");
        check("9999-12-31", "9999-12-31T00:00:00.000Z", "9999-12-31T23:59:59.999Z");
    }

    fn check(text: &str, low: &str, high: &str) {
        let range = range(text).unwrap();
        assert_eq!((format_instant(range.low), format_instant(range.high)), (low.into(), high.into()), "{text}");
    }

    #[test]
    fn what_is_no_date_is_none() {
        for text in [
            "",
            "0000",
            "20",
            "2020-",
            "2020-13",
            "2020-00",
            "2019-02-29",
            "1900-02-29",
            "2020-04-31",
            "2020-1-1",
            "2020-01-01T",
            "2020-01-01T24:00:00Z",
            "2020-01-01T10",
            "2020-01-01T10:60Z",
            "2020-01-01T10:00:61Z",
            "2020-01-01T10:00:00.Z",
            "2020-01-01T10:00:00+15:00",
            "2020-01-01T10:00:00Zx",
            "2020-01-01 10:00:00Z",
            "２０２０",
        ] {
            assert_eq!(range(text), None, "{text}");
        }
    }

    #[test]
    fn an_instant_is_written_and_read_the_same() {
        for micros in [0, -1_000, 1_767_323_045_678_000, 951_782_400_000_000, -62_135_596_800_000_000] {
            assert_eq!(parse_instant(&format_instant(micros)), Some(micros));
        }
        assert_eq!(format_instant(1_767_323_045_678_999), "2026-01-02T03:04:05.678Z");
        assert_eq!(format_instant(i64::MAX), "9999-12-31T23:59:59.999Z");
        assert_eq!(format_http(1_445_412_480_000_000), "Wed, 21 Oct 2015 07:28:00 GMT");
    }
}

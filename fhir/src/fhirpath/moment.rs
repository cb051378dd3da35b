//! Dates and times with their precision. Used by `value`; no clock.

use super::value::{Decimal, Quantity, Value};
use std::cmp::Ordering;
use std::fmt;

/// Microseconds of a second.
const SECOND: i64 = 1_000_000;

/// A date, a date with time, or a time of day, down to some precision.
#[derive(Clone, Copy, Debug)]
pub struct Moment {
    /// Year, month, day, hour, minute, microseconds of the minute.
    parts: [i64; 6],
    /// First part that is given: 0, or 3 for a time of day.
    from: usize,
    /// How many parts are given.
    to: usize,
    /// Minutes east of Greenwich.
    zone: Option<i64>,
    /// Digits written of the second's fraction.
    digits: usize,
}

impl Moment {
    /// What stands behind `@`: `2020-01`, `2020-01T`, `2020-01-01T10:00Z`, `T10:00`.
    pub(crate) fn literal(text: &str) -> Option<Value<'static>> {
        if let Some(time) = text.strip_prefix('T') {
            return Some(Value::Time(Self::time(time)?));
        }
        let moment = Self::date(text.strip_suffix('T').unwrap_or(text))?;
        Some(if text.contains('T') { Value::DateTime(moment) } else { Value::Date(moment) })
    }

    /// A `date`, `dateTime` or `instant`.
    #[must_use]
    pub fn date(text: &str) -> Option<Self> {
        let (date, time) = match text.split_once('T') {
            Some((date, time)) => (date, Some(time)),
            None => (text, None),
        };
        let bytes = date.as_bytes();
        let number = |at: usize, length: usize| -> Option<i64> {
            let digits = date.get(at..at + length)?;
            digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse().ok())?
        };
        let mut moment = Self { parts: [0, 1, 1, 0, 0, 0], from: 0, to: 1, zone: None, digits: 0 };
        moment.parts[0] = number(0, 4)?;
        if bytes.len() > 4 {
            moment.parts[1] = number(5, 2).filter(|month| bytes[4] == b'-' && (1..=12).contains(month))?;
            moment.to = 2;
        }
        if bytes.len() > 7 {
            moment.parts[2] = number(8, 2).filter(|_| bytes[7] == b'-')?;
            moment.to = 3;
            let month = days_of(moment.parts[0], moment.parts[1]);
            (1..=month).contains(&moment.parts[2]).then_some(())?;
        }
        matches!(bytes.len(), 4 | 7 | 10).then_some(())?;
        let Some(time) = time else { return Some(moment) };
        (moment.to == 3).then_some(())?;
        moment.clock(time)
    }

    /// A time of day.
    #[must_use]
    pub fn time(text: &str) -> Option<Self> {
        let moment = Self { parts: [0, 1, 1, 0, 0, 0], from: 3, to: 3, zone: None, digits: 0 }.clock(text)?;
        moment.zone.is_none().then_some(moment)
    }

    fn clock(mut self, text: &str) -> Option<Self> {
        let (time, zone) = match text.find(['Z', '+', '-']) {
            Some(at) => text.split_at(at),
            None => (text, ""),
        };
        let two = |text: &str, below: i64| -> Option<i64> {
            let good = text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_digit());
            good.then(|| text.parse().ok())?.filter(|number| *number < below)
        };
        let mut pieces = time.split(':');
        self.parts[3] = two(pieces.next()?, 24)?;
        self.to = 4;
        if let Some(minute) = pieces.next() {
            self.parts[4] = two(minute, 60)?;
            self.to = 5;
        }
        if let Some(second) = pieces.next() {
            let (second, fraction) = second.split_once('.').map_or((second, None), |(a, b)| (a, Some(b)));
            self.parts[5] = two(second, 61)? * SECOND;
            self.to = 6;
            if let Some(fraction) = fraction {
                let good = !fraction.is_empty() && fraction.bytes().all(|byte| byte.is_ascii_digit());
                good.then_some(())?;
                self.digits = fraction.len().min(6);
                let digits = format!("{:0<6}", &fraction[..self.digits]);
                self.parts[5] += digits.parse::<i64>().ok()?;
            }
        }
        if pieces.next().is_some() {
            return None;
        }
        self.zone = match zone.as_bytes().first() {
            None => None,
            Some(b'Z') if zone.len() == 1 => Some(0),
            Some(sign @ (b'+' | b'-')) => {
                let (hours, minutes) = zone.get(1..)?.split_once(':')?;
                let minutes = two(hours, 15)? * 60 + two(minutes, 60)?;
                Some(if *sign == b'-' { -minutes } else { minutes })
            }
            _ => return None,
        };
        Some(self)
    }

    /// The date alone.
    #[must_use]
    pub(crate) fn to_date(self) -> Self {
        Self { to: self.to.min(3), zone: None, digits: 0, ..self }
    }

    /// The time of day alone.
    #[must_use]
    pub(crate) fn to_time(self) -> Self {
        Self { from: 3, zone: None, ..self }
    }

    /// Whether it has hours.
    #[must_use]
    pub(crate) fn has_time(self) -> bool {
        self.to > 3
    }

    /// None where the precision of one does not reach the answer, or only one has a time zone.
    #[must_use]
    pub fn order(&self, other: &Self) -> Option<Ordering> {
        if self.from != other.from {
            return None;
        }
        let zoned = self.zone.is_some() || other.zone.is_some();
        if zoned && self.has_time() && other.has_time() && self.zone.is_some() != other.zone.is_some() {
            return None;
        }
        let (a, b) = if zoned { (self.utc(), other.utc()) } else { (*self, *other) };
        for at in a.from..a.to.min(b.to) {
            if a.parts[at] != b.parts[at] {
                return Some(a.parts[at].cmp(&b.parts[at]));
            }
        }
        (a.to == b.to).then_some(Ordering::Equal)
    }

    /// Whether both have the same precision.
    #[must_use]
    pub(crate) fn as_precise_as(&self, other: &Self) -> bool {
        self.to == other.to && self.from == other.from
    }

    fn utc(self) -> Self {
        let Some(zone) = self.zone.filter(|_| self.has_time()) else { return self };
        let mut moved = self;
        moved.parts[4] -= zone;
        moved.carry();
        moved.zone = Some(0);
        moved
    }

    /// Brings minutes, hours and days back into their ranges.
    fn carry(&mut self) {
        let minutes = self.parts[3] * 60 + self.parts[4] + self.parts[5].div_euclid(60 * SECOND);
        self.parts[5] = self.parts[5].rem_euclid(60 * SECOND);
        let days = minutes.div_euclid(24 * 60);
        self.parts[3] = minutes.rem_euclid(24 * 60) / 60;
        self.parts[4] = minutes.rem_euclid(60);
        if self.from == 0 && days != 0 {
            self.shift_days(days);
        }
    }

    fn shift_days(&mut self, days: i64) {
        let (year, month, day) = crate::datetime::date_of(
            crate::datetime::civil(self.parts[0], self.parts[1], 1) + self.parts[2] - 1 + days,
        );
        self.parts[..3].copy_from_slice(&[year, month, day]);
    }

    /// Whether a unit can be added to dates: calendar words, and UCUM's units of fixed length up to the week.
    pub(crate) fn takes(unit: &str) -> bool {
        let unit = super::value::singular(unit);
        matches!(unit, "wk" | "d" | "h" | "min" | "s" | "ms") || super::types::calendar_unit(unit).is_some()
    }

    /// The moment later by a quantity of time; none if the unit is no unit of time or the calendar ends.
    #[must_use]
    pub(crate) fn plus(self, quantity: &Quantity<'_>, negative: bool) -> Option<Self> {
        let unit = super::value::singular(&quantity.unit);
        let whole = |value: Decimal| value.whole(0).integer().filter(|count| count.abs() < 100_000_000);
        let sign = if negative { -1 } else { 1 };
        let mut moved = self;
        match unit {
            "year" | "month" => {
                let count = whole(quantity.value)? * sign * if unit == "year" { 12 } else { 1 };
                (self.from == 0).then_some(())?;
                // Of less precision than the unit: only whole years count.
                let count = if self.to == 1 { count / 12 * 12 } else { count };
                let months = moved.parts[0] * 12 + moved.parts[1] - 1 + count;
                moved.parts[0] = months.div_euclid(12);
                moved.parts[1] = months.rem_euclid(12) + 1;
                moved.parts[2] = moved.parts[2].min(days_of(moved.parts[0], moved.parts[1]));
            }
            "week" | "day" | "wk" | "d" => {
                let days = whole(quantity.value)? * sign * if matches!(unit, "week" | "wk") { 7 } else { 1 };
                (self.from == 0).then_some(())?;
                match self.to {
                    1 => moved.parts[0] += days / 365,
                    2 => {
                        let months = moved.parts[0] * 12 + moved.parts[1] - 1 + days / 30;
                        moved.parts[0] = months.div_euclid(12);
                        moved.parts[1] = months.rem_euclid(12) + 1;
                    }
                    _ => moved.shift_days(days),
                }
            }
            "hour" | "minute" | "second" | "millisecond" | "h" | "min" | "s" | "ms" => {
                let length = match unit {
                    "hour" | "h" => 3600 * SECOND,
                    "minute" | "min" => 60 * SECOND,
                    "second" | "s" => SECOND,
                    _ => 1000,
                };
                let micros = quantity.value.multiply(Decimal::from(length))?.whole(0).integer()?;
                let micros = (micros.abs() < i64::MAX / 4).then_some(micros * sign)?;
                match (self.from, self.to) {
                    (0, ..=3) => return self.plus(&days(micros / (86_400 * SECOND)), false),
                    (_, 4) => moved.parts[3] += micros / (3600 * SECOND),
                    (_, 5) => moved.parts[4] += micros / (60 * SECOND),
                    _ => {
                        moved.parts[5] += micros;
                        if micros % SECOND != 0 {
                            moved.digits = moved.digits.max(3);
                        }
                    }
                }
                moved.carry();
            }
            _ => return None,
        }
        (1..=9999).contains(&moved.parts[0]).then_some(moved).or((self.from == 3).then_some(moved))
    }
}

fn days(count: i64) -> Quantity<'static> {
    Quantity { value: Decimal::from(count), unit: "day".into() }
}

fn days_of(year: i64, month: i64) -> i64 {
    let (after_year, after) = if month == 12 { (year + 1, 1) } else { (year, month + 1) };
    crate::datetime::civil(after_year, after, 1) - crate::datetime::civil(year, month, 1)
}

impl fmt::Display for Moment {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [year, month, day, hour, minute, micros] = self.parts;
        if self.from == 0 {
            write!(formatter, "{year:04}")?;
            for part in [month, day].iter().take(self.to.min(3) - 1) {
                write!(formatter, "-{part:02}")?;
            }
        }
        if !self.has_time() {
            return Ok(());
        }
        write!(formatter, "{}{hour:02}", if self.from == 0 { "T" } else { "" })?;
        if self.to > 4 {
            write!(formatter, ":{minute:02}")?;
        }
        if self.to > 5 {
            write!(formatter, ":{:02}", micros / SECOND)?;
            if self.digits > 0 {
                write!(formatter, ".{}", &format!("{:06}", micros % SECOND)[..self.digits])?;
            }
        }
        match self.zone {
            None => Ok(()),
            Some(0) => write!(formatter, "Z"),
            Some(zone) => {
                let sign = if zone < 0 { '-' } else { '+' };
                write!(formatter, "{sign}{:02}:{:02}", zone.abs() / 60, zone.abs() % 60)
            }
        }
    }
}

//! Elements of a resource's JSON as the search page reads them: texts, codes, times, numbers. Nothing here is shared
//! with the index that is tested.

use serde_json::Value;

/// Decimal places of [`decimal`].
const PLACES: u32 = 12;
/// Further than any number of a test.
pub const FAR: i128 = i128::MAX / 4;

pub fn number(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

/// What stands at a path, each item of a list by itself; `.` is the resource.
pub fn at<'v>(root: &'v Value, path: &str) -> Vec<&'v Value> {
    let mut found = vec![root];
    for name in path.split('.').filter(|name| !name.is_empty()) {
        let next = found.into_iter().filter_map(|value| value.get(name));
        found = next.flat_map(|value| value.as_array().map_or(vec![value], |items| items.iter().collect())).collect();
    }
    found
}

pub fn text(value: &Value, name: &str) -> Option<String> {
    Some(value.get(name)?.as_str()?.to_owned())
}

/// Without case, accents and repeated white space. <https://hl7.org/fhir/R4/search.html#string>
pub fn fold(text: &str) -> String {
    let plain = |letter: char| match letter {
        'ü' => 'u',
        'é' => 'e',
        'ñ' => 'n',
        other => other,
    };
    let lower: String = text.to_lowercase().chars().map(plain).collect();
    lower.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Texts of a string parameter.
pub fn strings(value: &Value, datatype: &str) -> Vec<String> {
    match datatype {
        "HumanName" => ["family", "given", "prefix", "suffix", "text"]
            .iter()
            .flat_map(|name| at(value, name))
            .filter_map(|part| part.as_str().map(str::to_owned))
            .collect(),
        _ => value.as_str().map(str::to_owned).into_iter().collect(),
    }
}

/// System and code of each token. <https://hl7.org/fhir/R4/search.html#token>
pub fn tokens(value: &Value, datatype: &str) -> Vec<(Option<String>, Option<String>)> {
    match datatype {
        "CodeableConcept" => at(value, "coding").into_iter().flat_map(|one| tokens(one, "Coding")).collect(),
        "Coding" => vec![(text(value, "system"), text(value, "code"))],
        "Identifier" => vec![(text(value, "system"), text(value, "value"))],
        "ContactPoint" => vec![(None, text(value, "value"))],
        "boolean" => vec![(None, value.as_bool().map(|value| value.to_string()))],
        _ => vec![(None, value.as_str().map(str::to_owned))],
    }
}

/// Texts that `:text` searches.
pub fn texts(value: &Value, datatype: &str) -> Vec<String> {
    match datatype {
        "CodeableConcept" => {
            let displays = at(value, "coding").into_iter().filter_map(|one| text(one, "display"));
            text(value, "text").into_iter().chain(displays).collect()
        }
        "Coding" => text(value, "display").into_iter().collect(),
        "Identifier" => value.get("type").and_then(|kind| text(kind, "text")).into_iter().collect(),
        _ => Vec::new(),
    }
}

/// Microseconds since 1970, the end outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    pub low: i64,
    pub high: i64,
}

/// Days since 1970 of a day of the calendar.
fn day(year: i64, month: i64, day: i64) -> i64 {
    let is_leap = |year: i64| year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let lengths = [31, if is_leap(year) { 29 } else { 28 }, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let years: i64 = (1970..year).map(|year| if is_leap(year) { 366 } else { 365 }).sum();
    years + lengths.iter().take(month as usize - 1).sum::<i64>() + day - 1
}

/// The time that a date means. <https://hl7.org/fhir/R4/search.html#date>
pub fn date(written: &str) -> Span {
    const DAY: i64 = 86_400_000_000;
    let (days, time) = written.split_once('T').map_or((written, None), |(days, time)| (days, Some(time)));
    let parts = days.split('-').map(|part| part.parse::<i64>().unwrap()).collect::<Vec<_>>();
    let (from, to) = match parts[..] {
        [year] => (day(year, 1, 1), day(year + 1, 1, 1)),
        [year, 12] => (day(year, 12, 1), day(year + 1, 1, 1)),
        [year, month] => (day(year, month, 1), day(year, month + 1, 1)),
        [year, month, of] => (day(year, month, of), day(year, month, of) + 1),
        _ => panic!("{written} is no date"),
    };
    let Some(time) = time else { return Span { low: from * DAY, high: to * DAY } };
    let zone = time.find(['Z', '+', '-']).unwrap_or(time.len());
    let offset = match time.get(zone..).filter(|zone| zone.len() == 6) {
        Some(zone) => {
            let minutes = zone[1..3].parse::<i64>().unwrap() * 60 + zone[4..].parse::<i64>().unwrap();
            if zone.starts_with('-') { -minutes } else { minutes }
        }
        None => 0,
    };
    let clock = time[..zone].split(':').collect::<Vec<_>>();
    let minutes = clock[0].parse::<i64>().unwrap() * 60 + clock[1].parse::<i64>().unwrap() - offset;
    let (micros, length) = match clock.get(2).map(|seconds| seconds.split_once('.').unwrap_or((seconds, ""))) {
        None => (0, 60_000_000),
        Some((whole, part)) => {
            let unit = 10_i64.pow(6 - part.len() as u32);
            let part = part.parse::<i64>().unwrap_or(0);
            (whole.parse::<i64>().unwrap() * 1_000_000 + part * unit, unit)
        }
    };
    let low = from * DAY + minutes * 60_000_000 + micros;
    Span { low, high: low + length }
}

/// The time of an element.
pub fn span(value: &Value, datatype: &str) -> Option<Span> {
    match datatype {
        "Period" => {
            let (start, end) = (text(value, "start"), text(value, "end"));
            let low = start.as_deref().map_or(i64::MIN, |start| date(start).low);
            Some(Span { low, high: end.as_deref().map_or(i64::MAX, |end| date(end).high) })
        }
        "Timing" => {
            let events = at(value, "event").into_iter().filter_map(|event| span(event, "date"));
            let bounds = at(value, "repeat.boundsPeriod").into_iter().filter_map(|bounds| span(bounds, "Period"));
            events.chain(bounds).reduce(|a, b| Span { low: a.low.min(b.low), high: a.high.max(b.high) })
        }
        // A point in time.
        "instant" => value.as_str().map(date).map(|span| Span { high: span.low + 1, ..span }),
        _ => value.as_str().map(date),
    }
}

/// A decimal, exactly, in units of a millionth of a millionth.
pub fn decimal(written: &str) -> i128 {
    let (mantissa, exponent) = written.split_once('e').map_or((written, 0), |(m, e)| (m, e.parse::<i32>().unwrap()));
    let (whole, part) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits: i128 = format!("{whole}{part}").parse().unwrap();
    digits * power(exponent - part.len() as i32)
}

/// Ten to a power, in those units.
pub fn power(exponent: i32) -> i128 {
    10_i128.pow((PLACES as i32 + exponent) as u32)
}

/// Least and greatest number that an element means.
pub fn numbers(value: &Value, datatype: &str) -> Option<(i128, i128)> {
    let of = |value: &Value| decimal(&value.to_string());
    match datatype {
        "Quantity" => {
            let number = of(value.get("value")?);
            Some(match value.get("comparator").and_then(Value::as_str) {
                Some("<" | "<=") => (-FAR, number),
                Some(_) => (number, FAR),
                None => (number, number),
            })
        }
        "Range" => {
            let end = |name: &str| value.get(name).and_then(|end| end.get("value")).map(of);
            Some((end("low").unwrap_or(-FAR), end("high").unwrap_or(FAR)))
        }
        _ => Some((of(value), of(value))),
    }
}

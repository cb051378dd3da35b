//! Whether two JSON values say the same: objects in any order of members, numbers by their value and not their digits,
//! as RFC 6902 section 4.6 asks; or with their digits, as FHIR's decimals have them. Called by the patches and `diff`.

use crate::json::{Kind, Node};
use std::borrow::Cow;
use std::collections::BTreeMap;

/// How numbers are compared.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Numbers {
    /// `1.0` is `1.00`.
    Value,
    /// `1.0` is not `1.00`: a decimal's precision means something.
    Digits,
}

/// Whether two values are equal.
pub(crate) fn equal(a: Node<'_>, b: Node<'_>, numbers: Numbers) -> bool {
    if a.kind() != b.kind() {
        return false;
    }
    match a.kind() {
        Kind::Object => {
            let others: BTreeMap<Cow<'_, str>, Node<'_>> = b.members().collect();
            let mut count = 0;
            let same = a.members().all(|(key, value)| {
                count += 1;
                others.get(&key).is_some_and(|other| equal(value, *other, numbers))
            });
            same && count == others.len()
        }
        Kind::Array => {
            let mut others = b.items();
            a.items().all(|item| others.next().is_some_and(|other| equal(item, other, numbers)))
                && others.next().is_none()
        }
        Kind::String => a.text() == b.text(),
        Kind::Number if numbers == Numbers::Value && a.raw() != b.raw() => {
            let (a, b) = (decimal(a.number()), decimal(b.number()));
            a.is_some() && a == b
        }
        Kind::Number | Kind::Boolean | Kind::Null => a.raw() == b.raw(),
    }
}

/// Sign, digits without zeros at the ends, and the power of ten of the last; none where the exponent is beyond us.
fn decimal(number: Option<&str>) -> Option<(bool, String, i64)> {
    let number = number?;
    let (negative, number) = number.strip_prefix('-').map_or((false, number), |rest| (true, rest));
    let (mantissa, exponent) = number.split_once(['e', 'E']).unwrap_or((number, "0"));
    let exponent: i64 = exponent.parse().ok()?;
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = format!("{whole}{fraction}");
    let kept = digits.trim_end_matches('0');
    let zeros = i64::try_from(digits.len() - kept.len()).ok()?;
    let kept = kept.trim_start_matches('0');
    if kept.is_empty() {
        return Some((false, String::new(), 0));
    }
    let power = exponent.checked_sub(i64::try_from(fraction.len()).ok()?)?.checked_add(zeros)?;
    Some((negative, kept.to_owned(), power))
}

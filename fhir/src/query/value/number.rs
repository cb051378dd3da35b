//! Numbers and quantities of a search, with the range that their digits mean. Called by [`super::one`].
//! Spec: <https://hl7.org/fhir/R4/search.html#number>, <https://hl7.org/fhir/R4/search.html#quantity>.

use super::{Canonical, Prefix, Wanted, prefix, split, unescape};
use crate::index::text::key;
use crate::unit;

/// Prefix, range and value of a number by its significant digits.
pub(super) fn number(text: &str) -> Result<(Prefix, f64, f64, f64), String> {
    let (prefix, text) = prefix(text)?;
    let fault = || "a value is no number".to_owned();
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, exponent.parse::<i32>().map_err(|_| fault())?),
        None => (text, 0),
    };
    let unsigned = mantissa.strip_prefix(['-', '+']).unwrap_or(mantissa);
    let (whole, decimals) = unsigned.split_once('.').unwrap_or((unsigned, ""));
    // The page's own example: 1e2 is from 95 to below 105, as 1.0e2 is.
    let decimals = if decimals.is_empty() && exponent > 0 { "0" } else { decimals };
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || !digits(whole) || !digits(decimals) || unsigned.ends_with('.') {
        return Err(fault());
    }
    let value = text.parse::<f64>().map_err(|_| fault())?;
    if !value.is_finite() {
        return Err(fault());
    }
    let places = i32::try_from(decimals.len()).map_err(|_| fault())?;
    let scale = exponent.saturating_sub(places).saturating_sub(1);
    let sign = if mantissa.starts_with('-') { "-" } else { "" };
    let (low, high) = match format!("{sign}{whole}{decimals}").parse::<i128>() {
        Ok(digits) => ends(digits, scale, prefix).ok_or_else(fault)?,
        // More digits than a double has: the ends lie closer than it can tell.
        Err(_) => (value, value.next_up()),
    };
    Ok((prefix, low.max(f64::MIN), high.min(f64::MAX), value))
}

/// The ends of the range as the doubles nearest to the decimal numbers: what is computed with doubles may lie just beside,
/// so that `5.4` would not find 5.35. `scale` is the power of ten of a tenth of the last digit.
fn ends(digits: i128, scale: i32, prefix: Prefix) -> Option<(f64, f64)> {
    let tenths = digits.checked_mul(10)?;
    let half = if prefix == Prefix::Approximate { digits.abs() } else { 5 };
    let end = |tenths: i128| format!("{tenths}e{scale}").parse::<f64>().ok();
    Some((end(tenths.checked_sub(half)?)?, end(tenths.checked_add(half)?)?))
}

/// `number`, `number|system|code`
pub(super) fn quantity(text: &str) -> Result<Wanted, String> {
    let parts = split(text, '|');
    let plain = |text: &String| Some(key(unescape(text).into())).filter(|text| !text.is_empty());
    let (digits, system, code) = match &parts[..] {
        [digits] => (digits, None, None),
        [digits, system, code] => (digits, plain(system), plain(code)),
        _ => return Err("a value must be number, or number|system|code".to_owned()),
    };
    let (prefix, low, high, value) = number(&unescape(digits))?;
    let canonical = match (&system, &code) {
        (Some(system), Some(code)) if system == unit::UCUM => canonical((low, high, value), code),
        _ => None,
    };
    Ok(Wanted::Quantity { prefix, low, high, value, canonical, system, code })
}

fn canonical((low, high, value): (f64, f64, f64), code: &str) -> Option<Canonical> {
    let (low, unit) = unit::canonical(low, code)?;
    let (high, value) = (unit::canonical(high, code)?.0, unit::canonical(value, code)?.0);
    Some(Canonical { low: low.min(high), high: low.max(high), value, unit })
}

//! UCUM: values in base units, so that `5.4 g/L` and `540 mg/dL` are found by each other. Pure; what a unit means is
//! octofhir-ucum's. Called by `index` for what resources hold and by `query` for what is asked.
//! Spec: <https://ucum.org/ucum>, <https://hl7.org/fhir/R4/search.html#quantity>.

use octofhir_ucum::{evaluate, get_canonical_units, parse_expression};
use std::collections::HashMap;
use std::sync::{Arc, LazyLock, PoisonError, RwLock};

/// System of UCUM's codes.
pub const UCUM: &str = "http://unitsofmeasure.org";

/// Longest code in bytes that is read as a unit; the longest common ones have 30, and reading is linear.
pub const CODE_BYTES_MAX: usize = 128;

/// Most codes remembered, those that are no units included; a hospital uses hundreds. When it is full, it starts again.
const UNITS_MAX: usize = 4096;

/// Significant digits of a canonical value: fewer than a double has, so that the rounding errors of two ways to the same
/// value fall away.
const DIGITS: usize = 12;

/// A value in base units and the canonical text of those (`g.m-3`, `1` without dimension).
///
/// None if `code` is no UCUM unit, if its scale is not linear (`[pH]`, `B`), or if the value leaves the range of a
/// double. Temperatures are kelvins. Takes microseconds the first time and a look-up after; codes are remembered in a
/// table of bounded size.
#[must_use]
pub fn canonical(value: f64, code: &str) -> Option<(f64, String)> {
    let unit = find(code)?;
    Some((unit.value(value)?, unit.text.to_string()))
}

/// A unit as what a value in it is in base units.
#[derive(Debug)]
pub(crate) struct Unit {
    factor: f64,
    offset: f64,
    /// The base units.
    pub text: Box<str>,
}

impl Unit {
    /// In base units, to [`DIGITS`]; none outside of a double.
    pub fn value(&self, value: f64) -> Option<f64> {
        let exact = value * self.factor + self.offset;
        // Minus zero is written like zero.
        let rounded = quickly_rounded(exact).or_else(|| rounded(exact))? + 0.0;
        rounded.is_finite().then_some(rounded)
    }
}

/// To [`DIGITS`] significant digits, by way of text.
fn rounded(exact: f64) -> Option<f64> {
    format!("{exact:.0$e}", DIGITS - 1).parse().ok()
}

/// The powers of ten that a double holds exactly.
const POWERS: [f64; 23] = [
    1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20,
    1e21, 1e22,
];

/// The same without text, for values near 1: indexing does this for every quantity. The digits are a whole number and the
/// power is exact, so their quotient or product is the double nearest to the decimal number, as reading its text gives.
fn quickly_rounded(exact: f64) -> Option<f64> {
    if exact == 0.0 {
        return Some(0.0);
    }
    // Just beside a power of ten the logarithm may be one too small or too large: the result is that power either way.
    let digits = 11.0 - exact.abs().log10().floor();
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it is below 23, a NaN becomes 0")]
    let power = *POWERS.get(digits.abs() as usize).filter(|_| digits.is_finite())?;
    Some(if digits >= 0.0 { (exact * power).round() / power } else { (exact / power).round() * power })
}

/// Codes and their units; none for a code that is no unit.
type Known = HashMap<Box<str>, Option<Arc<Unit>>>;

static KNOWN: LazyLock<RwLock<Known>> = LazyLock::new(RwLock::default);

/// The unit of a code.
pub(crate) fn find(code: &str) -> Option<Arc<Unit>> {
    if code.len() > CODE_BYTES_MAX {
        return None;
    }
    // Whoever panics while holding the lock leaves a table that is whole: one insertion.
    if let Some(known) = KNOWN.read().unwrap_or_else(PoisonError::into_inner).get(code) {
        return known.clone();
    }
    let unit = read(code).map(Arc::new);
    let mut known = KNOWN.write().unwrap_or_else(PoisonError::into_inner);
    if known.len() >= UNITS_MAX {
        known.clear();
    }
    known.insert(code.into(), unit.clone());
    unit
}

fn read(code: &str) -> Option<Unit> {
    // The library compares a code that is no unit with all units, to propose one; these two do not.
    evaluate(&parse_expression(code).ok()?).ok()?;
    let unit = get_canonical_units(code).ok()?;
    let (factor, offset) = (unit.factor.to_f64(), unit.offset.to_f64());
    (factor.is_normal() && offset.is_finite()).then_some(Unit { factor, offset, text: unit.unit.into() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_in_two_units_is_one_canonical_value() {
        for (a, b, wanted) in [
            ((5.4, "g/L"), (540.0, "mg/dL"), (5400.0, "g.m-3")),
            ((5.4, "mg"), (0.0054, "g"), (0.0054, "g")),
            ((1.0, "kg"), (1e6, "mg"), (1000.0, "g")),
            ((120.0, "mm[Hg]"), (0.12, "m[Hg]"), (15_998_640.0, "g.m-1.s-2")),
            ((37.0, "Cel"), (98.6, "[degF]"), (310.15, "K")),
            ((37.0, "Cel"), (310.15, "K"), (310.15, "K")),
            ((2.0, "h"), (120.0, "min"), (7200.0, "s")),
            ((50.0, "%"), (0.5, "1"), (0.5, "1")),
            ((1.0, "[in_i]"), (2.54, "cm"), (0.0254, "m")),
            ((7.0, "[IU]/mL"), (7000.0, "[IU]/L"), (7_000_000.0, "m-3.[iU]")),
            ((3.0, "{score}"), (3.0, "1"), (3.0, "1")),
            ((4.0, "10*3/uL"), (4.0, "10*9/L"), (4e12, "m-3")),
            ((1.0, "mmol/L"), (1000.0, "umol/L"), (6.02214076e23, "m-3")),
            ((0.0, "mg"), (-0.0, "g"), (0.0, "g")),
            ((-5.0, "Cel"), (23.0, "[degF]"), (268.15, "K")),
            ((0.1 + 0.2, "g"), (300.0, "mg"), (0.3, "g")),
        ] {
            let (a_value, a_unit) = canonical(a.0, a.1).unwrap_or_else(|| panic!("{a:?}"));
            assert_eq!((a_value, a_unit.as_str()), wanted, "{a:?}");
            assert_eq!(canonical(b.0, b.1), Some((a_value, a_unit)), "{b:?}");
        }
    }

    #[test]
    fn what_is_no_unit_or_not_linear_has_no_canonical_value() {
        let deep = "(".repeat(60) + "m" + &")".repeat(60);
        let long = "m.".repeat(CODE_BYTES_MAX);
        for (value, code) in [
            (1.0, ""),
            (1.0, "foo"),
            (1.0, "Mg/DL"),
            (1.0, "mg / dL"),
            (1.0, "°C"),
            (7.0, "[pH]"),
            (1.0, "B[V]"),
            (1.0, "m999999999999"),
            (1.0, "10*1000"),
            (1.0, "10*-1000"),
            (1.0, "0"),
            (1.0, "{"),
            (1.0, "m/"),
            (f64::MAX, "kg"),
            (f64::NAN, "g"),
            (f64::INFINITY, "g"),
            (1.0, &long),
        ] {
            assert_eq!(canonical(value, code), None, "{value} {code}");
        }
        assert!(canonical(1.0, &deep).is_some());
    }

    #[test]
    fn the_quick_way_rounds_as_the_slow_one() {
        let mut value = 1.234_567_890_123_456e-13;
        while value < 1e40 {
            for exact in [value, -value, value * 3.0, 1.0 / value] {
                if let Some(quick) = quickly_rounded(exact) {
                    assert_eq!(Some(quick), rounded(exact), "{exact:e}");
                }
            }
            value *= 1.093;
        }
        for power in -9..=30 {
            let ten: f64 = format!("1e{power}").parse().unwrap();
            for exact in [ten, ten.next_down(), ten.next_up()] {
                assert_eq!(quickly_rounded(exact), Some(ten), "{exact:e}");
            }
        }
        for exact in [1e-300, 1e300, f64::NAN, f64::INFINITY] {
            assert_eq!(quickly_rounded(exact), None, "{exact:e}");
        }
    }

    #[test]
    fn the_table_of_known_codes_stays_bounded() {
        for number in 0..=UNITS_MAX {
            let _ = canonical(1.0, &format!("x{number}"));
        }
        assert!(KNOWN.read().unwrap().len() <= UNITS_MAX);
    }
}

//! Decimals as exact digits. Used by `value` and `math`.

use std::cmp::Ordering;
use std::fmt;

/// Most significant digits of a decimal; FHIRPath asks for 28. Two of them still multiply within 128 bits when short.
pub const DIGITS_MAX: usize = 30;

/// `digits / 10^scale`.
#[derive(Clone, Copy, Debug)]
pub struct Decimal {
    digits: i128,
    scale: u32,
}

impl Decimal {
    /// Reads `-12.50` or `1.25e3`; none if it is no number or has more than [`DIGITS_MAX`] digits before the point.
    /// Digits of a fraction beyond that are cut off.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (mantissa, exponent) = match text.split_once(['e', 'E']) {
            Some((mantissa, exponent)) => (mantissa, exponent.parse::<i32>().ok()?),
            None => (text, 0),
        };
        let (negative, mantissa) = match mantissa.as_bytes().first()? {
            b'-' => (true, &mantissa[1..]),
            b'+' => (false, &mantissa[1..]),
            _ => (false, mantissa),
        };
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        if whole.is_empty() && fraction.is_empty() || mantissa.ends_with('.') {
            return None;
        }
        let (mut digits, mut count, mut scale) = (0_i128, 0, -i64::from(exponent));
        for (place, byte) in whole.bytes().chain(fraction.bytes()).enumerate() {
            if !byte.is_ascii_digit() {
                return None;
            }
            let of_fraction = place >= whole.len();
            if count >= DIGITS_MAX {
                if of_fraction {
                    continue;
                }
                return None;
            }
            digits = digits * 10 + i128::from(byte - b'0');
            count += usize::from(digits != 0);
            scale += i64::from(of_fraction);
        }
        if negative {
            digits = -digits;
        }
        if digits == 0 {
            return Some(Self { digits, scale: u32::try_from(scale.clamp(0, 30)).ok()? });
        }
        while scale > i64::try_from(DIGITS_MAX).ok()? {
            if digits == 0 {
                return Some(Self { digits: 0, scale: 0 });
            }
            digits /= 10;
            scale -= 1;
        }
        if scale < 0 {
            let power = power_of_ten(u32::try_from(-scale).ok()?)?;
            digits = digits.checked_mul(power)?;
            scale = 0;
        }
        Some(Self { digits, scale: u32::try_from(scale).ok()? })
    }

    /// None above 38 digits; digits of the fraction beyond as many are cut off.
    fn bounded(mut digits: i128, mut scale: u32) -> Option<Self> {
        while scale > 38 {
            digits /= 10;
            scale -= 1;
        }
        (digits.unsigned_abs() < 10_u128.pow(38)).then_some(Self { digits, scale })
    }

    /// How many digits stand behind the point.
    #[must_use]
    pub fn scale(self) -> u32 {
        self.scale
    }

    /// The whole number, if it is one of 64 bits.
    #[must_use]
    pub fn integer(self) -> Option<i64> {
        let short = self.shortest();
        if short.scale == 0 { i64::try_from(short.digits).ok() } else { None }
    }

    /// The nearest float, for roots and logarithms.
    #[must_use]
    pub fn float(self) -> f64 {
        self.to_string().parse().unwrap_or(f64::NAN)
    }

    /// From a float that is a number.
    #[must_use]
    pub fn of_float(value: f64) -> Option<Self> {
        value.is_finite().then(|| Self::parse(&format!("{value}"))).flatten()
    }

    /// Without zeros at the end of the fraction.
    #[must_use]
    pub fn shortest(mut self) -> Self {
        while self.scale > 0 && self.digits % 10 == 0 {
            self.digits /= 10;
            self.scale -= 1;
        }
        self
    }

    /// The sum, unless it is too large.
    #[must_use]
    pub fn plus(self, other: Self) -> Option<Self> {
        let (a, b, scale) = aligned(self, other)?;
        Self::bounded(a.checked_add(b)?, scale)
    }

    /// The negative.
    #[must_use]
    pub fn negative(self) -> Self {
        Self { digits: -self.digits, ..self }
    }

    /// The product, unless it is too large.
    #[must_use]
    pub fn multiply(self, other: Self) -> Option<Self> {
        let exact = |a: Self, b: Self| Self::bounded(a.digits.checked_mul(b.digits)?, a.scale + b.scale);
        exact(self, other).or_else(|| exact(self.shortest(), other.shortest()))
    }

    /// The quotient with as many digits as there is room for; none by zero.
    #[must_use]
    pub fn divide(self, other: Self) -> Option<Self> {
        let (mut a, mut b, _) = aligned(self.shortest(), other.shortest())?;
        if b == 0 {
            return None;
        }
        if b < 0 {
            (a, b) = (-a, -b);
        }
        let mut scale = 0;
        while scale < 16
            && let Some(more) = a.checked_mul(10)
        {
            a = more;
            scale += 1;
        }
        Some(Self { digits: a / b, scale }.shortest())
    }

    /// Quotient without fraction, and the rest; none by zero.
    #[must_use]
    pub fn divide_whole(self, other: Self) -> Option<(Self, Self)> {
        let (a, b, scale) = aligned(self, other)?;
        (b != 0).then(|| (Self { digits: a / b, scale: 0 }, Self { digits: a % b, scale }.shortest()))
    }

    /// Rounded half away from zero.
    #[must_use]
    pub fn round(self, scale: u32) -> Self {
        if self.scale <= scale {
            return self;
        }
        let Some(power) = power_of_ten(self.scale - scale) else { return Self { digits: 0, scale: 0 } };
        let half = power / 2;
        let digits = self.digits.saturating_add(if self.digits < 0 { -half } else { half }) / power;
        Self { digits, scale }
    }

    /// Without fraction: `-1` for the whole number below, `0` towards zero, `1` for the one above.
    #[must_use]
    pub fn whole(self, towards: i8) -> Self {
        let Some(power) = power_of_ten(self.scale) else { return Self { digits: 0, scale: 0 } };
        let digits = match towards {
            -1 => self.digits.div_euclid(power),
            1 => -(-self.digits).div_euclid(power),
            _ => self.digits / power,
        };
        Self { digits, scale: 0 }
    }
}

impl From<i64> for Decimal {
    fn from(value: i64) -> Self {
        Self { digits: i128::from(value), scale: 0 }
    }
}

impl PartialEq for Decimal {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Decimal {}

impl PartialOrd for Decimal {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Decimal {
    fn cmp(&self, other: &Self) -> Ordering {
        match aligned(*self, *other) {
            Some((a, b, _)) => a.cmp(&b),
            // One is too large to be written with the fraction of the other: the whole numbers differ.
            None => self.whole(0).digits.cmp(&other.whole(0).digits),
        }
    }
}

impl fmt::Display for Decimal {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.digits < 0 { "-" } else { "" };
        let digits = self.digits.unsigned_abs().to_string();
        let scale = self.scale as usize;
        if scale == 0 {
            return write!(formatter, "{sign}{digits}");
        }
        let digits = format!("{digits:0>width$}", width = scale + 1);
        let (whole, fraction) = digits.split_at(digits.len() - scale);
        write!(formatter, "{sign}{whole}.{fraction}")
    }
}

fn power_of_ten(exponent: u32) -> Option<i128> {
    10_i128.checked_pow(exponent)
}

fn aligned(a: Decimal, b: Decimal) -> Option<(i128, i128, u32)> {
    let scale = a.scale.max(b.scale);
    let digits = |value: Decimal| value.digits.checked_mul(power_of_ten(scale - value.scale)?);
    Some((digits(a)?, digits(b)?, scale))
}

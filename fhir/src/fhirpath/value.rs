//! System values: what literals and primitives are to FHIRPath. Made by `parse`, `element` and every function.

pub(crate) use super::decimal::Decimal;
pub(crate) use super::moment::Moment;
use std::borrow::Cow;
use std::cmp::Ordering;

/// A value of FHIRPath's System types.
#[derive(Clone, Debug)]
pub enum Value<'a> {
    /// `true`
    Boolean(bool),
    /// A whole number.
    Integer(i64),
    /// A number with its exact digits.
    Decimal(Decimal),
    /// A text, of strings, codes, uris and their like.
    String(Cow<'a, str>),
    /// A date of some precision.
    Date(Moment),
    /// A date that may have a time, or an instant.
    DateTime(Moment),
    /// A time of day.
    Time(Moment),
    /// A number with its unit.
    Quantity(Quantity<'a>),
}

/// A number with its unit.
#[derive(Clone, Debug)]
pub struct Quantity<'a> {
    /// The number.
    pub value: Decimal,
    /// A UCUM code, `1`, or a calendar word such as `year`.
    pub unit: Cow<'a, str>,
}

impl<'a> Value<'a> {
    /// The name of its System type.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Boolean(_) => "Boolean",
            Self::Integer(_) => "Integer",
            Self::Decimal(_) => "Decimal",
            Self::String(_) => "String",
            Self::Date(_) => "Date",
            Self::DateTime(_) => "DateTime",
            Self::Time(_) => "Time",
            Self::Quantity(_) => "Quantity",
        }
    }

    /// As `toString()` writes it.
    #[must_use]
    pub fn to_text(&self) -> Cow<'a, str> {
        match self {
            Self::String(text) => text.clone(),
            Self::Boolean(value) => Cow::Borrowed(if *value { "true" } else { "false" }),
            Self::Integer(value) => value.to_string().into(),
            Self::Decimal(value) => value.to_string().into(),
            Self::Date(moment) | Self::DateTime(moment) => moment.to_string().into(),
            Self::Time(moment) => moment.to_string().into(),
            Self::Quantity(quantity) if super::types::calendar_unit(&quantity.unit).is_some() => {
                format!("{} {}", quantity.value, quantity.unit).into()
            }
            Self::Quantity(quantity) => format!("{} '{}'", quantity.value, quantity.unit).into(),
        }
    }

    /// The number, of an Integer or Decimal.
    #[must_use]
    pub fn number(&self) -> Option<Decimal> {
        match self {
            Self::Integer(value) => Some(Decimal::from(*value)),
            Self::Decimal(value) => Some(*value),
            _ => None,
        }
    }
}

/// How two values compare.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    /// They have an order.
    Is(Ordering),
    /// Of one type, but less precise than the question, or of units that do not convert.
    Unknown,
    /// Of types that have no order between them.
    Unlike,
}

/// Compares by value, converting Integer to Decimal, Date to DateTime and units of one dimension.
pub(crate) fn order(a: &Value<'_>, b: &Value<'_>) -> Order {
    let known = |order: Option<Ordering>| order.map_or(Order::Unknown, Order::Is);
    match (a, b) {
        (Value::Integer(a), Value::Integer(b)) => Order::Is(a.cmp(b)),
        (Value::Boolean(a), Value::Boolean(b)) => Order::Is(a.cmp(b)),
        (Value::String(a), Value::String(b)) => Order::Is(a.cmp(b)),
        (Value::Date(a) | Value::DateTime(a), Value::Date(b) | Value::DateTime(b)) => known(a.order(b)),
        (Value::Time(a), Value::Time(b)) => known(a.order(b)),
        (Value::Quantity(a), Value::Quantity(b)) => known(a.order(b)),
        // A primitive of FHIR may hold a text that is no date; literals beside it are dates.
        (Value::String(text), Value::Date(moment) | Value::DateTime(moment)) => {
            Moment::date(text).map_or(Order::Unlike, |other| known(other.order(moment)))
        }
        (Value::Date(moment) | Value::DateTime(moment), Value::String(text)) => {
            Moment::date(text).map_or(Order::Unlike, |other| known(moment.order(&other)))
        }
        (Value::Quantity(quantity), other) | (other, Value::Quantity(quantity)) if other.number().is_some() => {
            let Some(number) = other.number() else { return Order::Unlike };
            let plain = Quantity { value: number, unit: Cow::Borrowed("1") };
            let order = quantity.order(&plain);
            known(if matches!(a, Value::Quantity(_)) { order } else { order.map(Ordering::reverse) })
        }
        _ => match (a.number(), b.number()) {
            (Some(a), Some(b)) => Order::Is(a.cmp(&b)),
            _ => Order::Unlike,
        },
    }
}

/// Units that convert: name, dimension, and how many of the dimension's first unit it is.
const UNITS: [(&str, u8, &str); 34] = [
    ("ms", 1, "0.001"),
    ("s", 1, "1"),
    ("min", 1, "60"),
    ("h", 1, "3600"),
    ("d", 1, "86400"),
    ("wk", 1, "604800"),
    ("millisecond", 1, "0.001"),
    ("second", 1, "1"),
    ("minute", 1, "60"),
    ("hour", 1, "3600"),
    ("day", 1, "86400"),
    ("week", 1, "604800"),
    ("month", 2, "1"),
    ("year", 2, "12"),
    ("mo", 3, "1"),
    ("a", 3, "12"),
    ("g", 4, "1"),
    ("kg", 4, "1000"),
    ("mg", 4, "0.001"),
    ("ug", 4, "0.000001"),
    ("ng", 4, "0.000000001"),
    ("[lb_av]", 4, "453.59237"),
    ("[oz_av]", 4, "28.349523125"),
    ("m", 5, "1"),
    ("cm", 5, "0.01"),
    ("mm", 5, "0.001"),
    ("km", 5, "1000"),
    ("um", 5, "0.000001"),
    ("[in_i]", 5, "0.0254"),
    ("[ft_i]", 5, "0.3048"),
    ("L", 6, "1"),
    ("dL", 6, "0.1"),
    ("mL", 6, "0.001"),
    ("l", 6, "1"),
];

impl Quantity<'_> {
    /// None if the units do not convert.
    pub(crate) fn order(&self, other: &Self) -> Option<Ordering> {
        let (a, b) = (singular(&self.unit), singular(&other.unit));
        if a == b {
            return Some(self.value.cmp(&other.value));
        }
        let find = |unit: &str| UNITS.iter().find(|(name, _, _)| *name == unit);
        let ((_, one, a), (_, two, b)) = (find(a)?, find(b)?);
        let scaled = |value: Decimal, factor: &str| value.multiply(Decimal::parse(factor)?);
        (one == two).then_some(())?;
        Some(scaled(self.value, a)?.cmp(&scaled(other.value, b)?))
    }
}

/// `years` is `year`; UCUM codes stay.
pub(crate) fn singular(unit: &str) -> &str {
    super::types::calendar_unit(unit).unwrap_or(if unit.is_empty() { "1" } else { unit })
}

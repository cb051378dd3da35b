//! Conversion functions. Called by `functions`. Spec: <http://hl7.org/fhirpath/N1/#conversion>.

use super::evaluate::{Evaluator, Scope, one, single, truth};
use super::syntax::{Call, Function as F};
use super::value::{Decimal, Moment, Quantity, Value, singular};
use super::{Collection, Error, Item, types};

impl<'a> Evaluator<'a, '_> {
    pub fn convert(
        &mut self,
        call: &'a Call,
        input: &[Item<'a>],
        scope: Scope<'_, 'a>,
    ) -> Result<Collection<'a>, Error> {
        let name = call.function.name();
        let Some(value) = single(input, name)? else {
            let complex = !input.is_empty() && name.starts_with("converts");
            return Ok(if complex { truth(false) } else { Vec::new() });
        };
        let mut converted = match call.function {
            F::ToBoolean | F::ConvertsToBoolean => to_boolean(&value).map(Value::Boolean),
            F::ToInteger | F::ConvertsToInteger => to_integer(&value).map(Value::Integer),
            F::ToDecimal | F::ConvertsToDecimal => to_decimal(&value).map(Value::Decimal),
            F::ToDate | F::ConvertsToDate => moment(&value).map(|moment| Value::Date(moment.to_date())),
            F::ToDateTime | F::ConvertsToDateTime => moment(&value).map(Value::DateTime),
            F::ToTime | F::ConvertsToTime => match &value {
                Value::Time(time) => Some(Value::Time(*time)),
                Value::String(text) => Moment::time(text.strip_prefix('T').unwrap_or(text)).map(Value::Time),
                _ => None,
            },
            F::ToQuantity | F::ConvertsToQuantity => to_quantity(&value).map(Value::Quantity),
            _ => Some(Value::String(value.to_text())),
        };
        if matches!(call.function, F::ToQuantity | F::ConvertsToQuantity) && !call.arguments.is_empty() {
            let unit = self.string(call, 0, scope)?;
            converted = converted.filter(|converted| match (converted, &unit) {
                (Value::Quantity(quantity), Some(unit)) => singular(&quantity.unit) == singular(unit),
                _ => true,
            });
        }
        if name.starts_with("converts") {
            return Ok(truth(converted.is_some()));
        }
        Ok(converted.map_or_else(Vec::new, one))
    }
}

fn to_boolean(value: &Value<'_>) -> Option<bool> {
    match value {
        Value::Boolean(value) => Some(*value),
        Value::String(text) => match text.to_ascii_lowercase().as_str() {
            "true" | "t" | "yes" | "y" | "1" | "1.0" => Some(true),
            "false" | "f" | "no" | "n" | "0" | "0.0" => Some(false),
            _ => None,
        },
        other => match other.number()?.integer()? {
            1 => Some(true),
            0 => Some(false),
            _ => None,
        },
    }
}

fn to_integer(value: &Value<'_>) -> Option<i64> {
    match value {
        Value::Integer(value) => Some(*value),
        Value::Boolean(value) => Some(i64::from(*value)),
        Value::String(text) => text.parse::<i32>().ok().map(i64::from),
        _ => None,
    }
}

fn to_decimal(value: &Value<'_>) -> Option<Decimal> {
    match value {
        Value::Boolean(value) => Some(Decimal::from(i64::from(*value))),
        Value::String(text) if !text.contains(['e', 'E']) => Decimal::parse(text),
        other => other.number(),
    }
}

fn moment(value: &Value<'_>) -> Option<Moment> {
    match value {
        Value::Date(moment) | Value::DateTime(moment) => Some(*moment),
        Value::String(text) => Moment::date(text),
        _ => None,
    }
}

/// `4 days`, `4 'mg'` or a number alone.
fn to_quantity<'a>(value: &Value<'a>) -> Option<Quantity<'a>> {
    match value {
        Value::Quantity(quantity) => Some(quantity.clone()),
        Value::Boolean(value) => Some(Quantity { value: Decimal::from(i64::from(*value)), unit: "1".into() }),
        Value::String(text) => {
            let (number, unit) = match text.find(|c: char| c.is_whitespace()) {
                Some(at) => (&text[..at], text[at..].trim()),
                None => (text.as_ref(), ""),
            };
            let number = Decimal::parse(number)?;
            let quoted = unit.strip_prefix('\'').and_then(|unit| unit.strip_suffix('\''));
            let unit = match quoted {
                _ if unit.is_empty() => "1",
                Some(quoted) if !quoted.is_empty() => quoted,
                _ => types::calendar_unit(unit)?,
            };
            Some(Quantity { value: number, unit: unit.to_owned().into() })
        }
        other => Some(Quantity { value: other.number()?, unit: "1".into() }),
    }
}

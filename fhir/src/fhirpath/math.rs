//! Arithmetic and the functions of numbers. Called by `evaluate` and `functions`.
//! Spec: <http://hl7.org/fhirpath/N1/#math>. What has no result (too large, by zero) is empty.

use super::evaluate::{Evaluator, Scope, one, operand, single};
use super::syntax::{Call, Function as F, Operator};
use super::value::{Decimal, Moment, Quantity, Value, singular};
use super::{Collection, Error, Item};

impl<'a> Evaluator<'a, '_> {
    pub fn arithmetic(
        &mut self,
        operator: Operator,
        left: &[Item<'a>],
        right: &[Item<'a>],
    ) -> Result<Collection<'a>, Error> {
        let name = match operator {
            Operator::Add => "+",
            Operator::Subtract => "-",
            Operator::Multiply => "*",
            Operator::Divide => "/",
            Operator::Div => "div",
            _ => "mod",
        };
        let (Some(left), Some(right)) = (single(left, name)?, single(right, name)?) else { return Ok(Vec::new()) };
        let result = match (&left, &right) {
            (Value::String(a), Value::String(b)) if operator == Operator::Add => {
                self.charge((a.len() + b.len()) / 64)?;
                return self.text(format!("{a}{b}"));
            }
            (Value::Integer(a), Value::Integer(b)) if operator != Operator::Divide => whole(operator, *a, *b),
            (Value::Date(_) | Value::DateTime(_) | Value::Time(_), Value::Quantity(by)) if !Moment::takes(&by.unit) => {
                return operand(name, "needs a unit of time beside a date");
            }
            (Value::Date(moment), Value::Quantity(by)) if is_sum(operator) => {
                moment.plus(by, operator == Operator::Subtract).map(Value::Date)
            }
            (Value::DateTime(moment), Value::Quantity(by)) if is_sum(operator) => {
                moment.plus(by, operator == Operator::Subtract).map(Value::DateTime)
            }
            (Value::Time(moment), Value::Quantity(by)) if is_sum(operator) => {
                moment.plus(by, operator == Operator::Subtract).map(Value::Time)
            }
            (Value::Quantity(a), Value::Quantity(b)) => quantities(operator, a, b),
            (Value::Quantity(a), b) if b.number().is_some() && !is_sum(operator) => b
                .number()
                .and_then(|b| decimals(operator, a.value, b))
                .map(|value| Value::Quantity(Quantity { value, unit: a.unit.clone() })),
            (a, Value::Quantity(b)) if operator == Operator::Multiply && a.number().is_some() => a
                .number()
                .and_then(|a| a.multiply(b.value))
                .map(|value| Value::Quantity(Quantity { value, unit: b.unit.clone() })),
            _ => match (left.number(), right.number()) {
                (Some(a), Some(b)) if operator == Operator::Div => {
                    a.divide_whole(b).and_then(|(whole, _)| whole.integer()).map(Value::Integer)
                }
                (Some(a), Some(b)) => decimals(operator, a, b).map(Value::Decimal),
                _ => return operand(name, "is not for values of these types"),
            },
        };
        Ok(result.map_or_else(Vec::new, one))
    }

    pub fn math(&mut self, call: &'a Call, input: &[Item<'a>], scope: Scope<'_, 'a>) -> Result<Collection<'a>, Error> {
        let name = call.function.name();
        let value = single(input, name)?;
        let argument = match call.arguments.len() {
            0 => None,
            _ => match single(&self.argument(call, 0, scope)?, name)? {
                Some(value) => match value.number() {
                    Some(number) => Some(number),
                    None => return operand(name, "needs a number as argument"),
                },
                None => return Ok(Vec::new()),
            },
        };
        let value = match value {
            None => return Ok(Vec::new()),
            Some(Value::Quantity(quantity)) if call.function == F::Abs => {
                let value = absolute(quantity.value);
                return Ok(one(Value::Quantity(Quantity { value, ..quantity })));
            }
            Some(value) => value,
        };
        let integer = matches!(value, Value::Integer(_));
        let Some(number) = value.number() else { return operand(name, "needs a number") };
        let float = |value: f64| Decimal::of_float(value).map(Value::Decimal);
        let towards = |towards: i8| number.whole(towards).integer().map(Value::Integer);
        let result = match call.function {
            F::Abs if integer => absolute(number).integer().map(Value::Integer),
            F::Abs => Some(Value::Decimal(absolute(number))),
            F::Ceiling => towards(1),
            F::Floor => towards(-1),
            F::Truncate => towards(0),
            F::Exp => float(number.float().exp()),
            F::Ln => float(number.float().ln()),
            F::Log => argument.and_then(|base| float(number.float().ln() / base.float().ln())),
            F::Sqrt => float(number.float().sqrt()),
            F::Round => {
                let scale = argument.map_or(Some(0), Decimal::integer);
                match scale.map(u32::try_from) {
                    Some(Ok(scale)) => Some(Value::Decimal(number.round(scale))),
                    _ => return operand(name, "needs a precision from 0"),
                }
            }
            _ => argument.and_then(|exponent| power(number, exponent, integer)),
        };
        Ok(result.map_or_else(Vec::new, one))
    }
}

fn is_sum(operator: Operator) -> bool {
    matches!(operator, Operator::Add | Operator::Subtract)
}

/// Integers have 32 bits in FHIRPath.
fn whole(operator: Operator, a: i64, b: i64) -> Option<Value<'static>> {
    let result = match operator {
        Operator::Add => a.checked_add(b),
        Operator::Subtract => a.checked_sub(b),
        Operator::Multiply => a.checked_mul(b),
        Operator::Div => a.checked_div(b),
        _ => a.checked_rem(b),
    };
    result.filter(|result| i32::try_from(*result).is_ok()).map(Value::Integer)
}

fn decimals(operator: Operator, a: Decimal, b: Decimal) -> Option<Decimal> {
    match operator {
        Operator::Add => a.plus(b),
        Operator::Subtract => a.plus(b.negative()),
        Operator::Multiply => a.multiply(b),
        Operator::Divide => a.divide(b),
        _ => a.divide_whole(b).map(|(_, rest)| rest),
    }
}

/// Of one unit alone: no units are computed.
fn quantities(operator: Operator, a: &Quantity<'_>, b: &Quantity<'_>) -> Option<Value<'static>> {
    let (one, two) = (singular(&a.unit), singular(&b.unit));
    let unit = match operator {
        _ if is_sum(operator) && one == two => one,
        Operator::Multiply if two == "1" => one,
        Operator::Multiply if one == "1" => two,
        Operator::Multiply if one == two => {
            return Some(Value::Quantity(Quantity {
                value: a.value.multiply(b.value)?,
                unit: format!("{one}2").into(),
            }));
        }
        Operator::Divide if one == two => "1",
        Operator::Divide if two == "1" => one,
        _ => return None,
    };
    let value = decimals(operator, a.value, b.value)?;
    Some(Value::Quantity(Quantity { value, unit: unit.to_owned().into() }))
}

fn absolute(number: Decimal) -> Decimal {
    if number < Decimal::from(0) { number.negative() } else { number }
}

fn power(base: Decimal, exponent: Decimal, integer: bool) -> Option<Value<'static>> {
    if integer
        && let (Some(base), Some(exponent)) = (base.integer(), exponent.integer())
        && let Ok(exponent) = u32::try_from(exponent)
    {
        return base.checked_pow(exponent).filter(|power| i32::try_from(*power).is_ok()).map(Value::Integer);
    }
    Decimal::of_float(base.float().powf(exponent.float())).map(Value::Decimal)
}

//! The functions over collections, and where each of the others is. Called by `evaluate`.

use super::evaluate::{Evaluator, Scope, boolean, one, operand, single, truth};
use super::syntax::{Call, Function as F};
use super::value::{Moment, Value};
use super::{Collection, Element, Error, ITEMS_MAX, Item};
use crate::reference::{self, Parts};
use crate::table::TABLE;
use crate::types::ResourceType;
use crate::validate;
use std::collections::HashSet;

impl<'a> Evaluator<'a, '_> {
    pub fn call(&mut self, call: &'a Call, scope: Scope<'_, 'a>) -> Result<Collection<'a>, Error> {
        let input = match &call.input {
            Some(input) => self.eval(input, scope)?,
            None => scope.this.to_vec(),
        };
        self.charge(input.len())?;
        let name = call.function.name();
        match call.function {
            F::Empty => Ok(truth(input.is_empty())),
            F::Exists if call.arguments.is_empty() => Ok(truth(!input.is_empty())),
            F::Exists => self.any(call, &input, scope, true).map(truth),
            F::All => Ok(truth(!self.any(call, &input, scope, false)?)),
            F::AllTrue | F::AnyTrue | F::AllFalse | F::AnyFalse => {
                let wanted = matches!(call.function, F::AllTrue | F::AnyTrue);
                let mut found = input.iter().map(|item| match item.value() {
                    Some(Value::Boolean(value)) => Ok(value == wanted),
                    _ => operand(name, "needs Booleans"),
                });
                let all = matches!(call.function, F::AllTrue | F::AllFalse);
                Ok(truth(found.try_fold(all, |so_far, next| {
                    next.map(|next| if all { so_far && next } else { so_far || next })
                })?))
            }
            F::SubsetOf | F::SupersetOf => {
                let other = self.argument(call, 0, scope)?;
                let (small, large) = if call.function == F::SubsetOf { (input, other) } else { (other, input) };
                Ok(truth(self.among(&small, &large)?.into_iter().all(|found| found)))
            }
            F::Count => Ok(one(Value::Integer(i64::try_from(input.len()).unwrap_or(i64::MAX)))),
            F::Distinct => self.distinct(input),
            F::IsDistinct => {
                let count = input.len();
                Ok(truth(self.distinct(input)?.len() == count))
            }
            F::Not => Ok(boolean(&input, name)?.map_or_else(Vec::new, |value| truth(!value))),
            F::Where => {
                let mut kept = Vec::new();
                for (index, item) in input.iter().enumerate() {
                    if self.criterion(call, scope.item(item, index))? == Some(true) {
                        kept.push(item.clone());
                    }
                }
                Ok(kept)
            }
            F::Select => {
                let (mut found, mut before) = (Vec::new(), 0);
                for (index, item) in input.iter().enumerate() {
                    found.extend(self.eval(&call.arguments[0], scope.item(item, index))?);
                    self.items(found.len() - before)?;
                    before = found.len();
                    if before > ITEMS_MAX {
                        return Err(Error::Steps);
                    }
                }
                Ok(found)
            }
            F::Repeat => self.repeat(call, input, scope),
            F::Single if input.len() > 1 => operand(name, "needs one item, not several"),
            F::Single => Ok(input),
            F::First => Ok(input.into_iter().take(1).collect()),
            F::Last => Ok(input.into_iter().next_back().into_iter().collect()),
            F::Tail => Ok(input.into_iter().skip(1).collect()),
            F::Skip | F::Take => {
                let Some(count) = self.integer(call, 0, scope)? else { return Ok(Vec::new()) };
                let count = usize::try_from(count).unwrap_or(0);
                Ok(if call.function == F::Skip {
                    input.into_iter().skip(count).collect()
                } else {
                    input.into_iter().take(count).collect()
                })
            }
            F::Intersect | F::Exclude => {
                let other = self.argument(call, 0, scope)?;
                let among = self.among(&input, &other)?;
                let wanted = call.function == F::Intersect;
                let kept = input.into_iter().zip(among).filter(|(_, found)| *found == wanted);
                let kept = kept.map(|(item, _)| item).collect();
                if wanted { self.distinct(kept) } else { Ok(kept) }
            }
            F::Union | F::Combine => {
                let mut items = input;
                items.extend(self.argument(call, 0, scope)?);
                self.items(items.len())?;
                if call.function == F::Union { self.distinct(items) } else { Ok(items) }
            }
            F::Iif => {
                // The condition stands on the input, as a where would.
                let inner = Scope { this: &input, ..scope };
                let condition = self.eval(&call.arguments[0], inner)?;
                let chosen = if boolean(&condition, name)? == Some(true) { 1 } else { 2 };
                call.arguments.get(chosen).map_or_else(|| Ok(Vec::new()), |argument| self.eval(argument, inner))
            }
            F::Aggregate => {
                let mut total = if call.arguments.len() > 1 { self.argument(call, 1, scope)? } else { Vec::new() };
                for (index, item) in input.iter().enumerate() {
                    let inner = Scope { total: Some(&total), ..scope.item(item, index) };
                    total = self.eval(&call.arguments[0], inner)?;
                    self.charge(total.len())?;
                }
                Ok(total)
            }
            F::Children => self.children(&input),
            F::Descendants => {
                let (mut found, mut level) = (Vec::new(), input);
                while !level.is_empty() {
                    level = self.children(&level)?;
                    found.extend(level.iter().cloned());
                    if found.len() > ITEMS_MAX {
                        return Err(Error::Steps);
                    }
                }
                Ok(found)
            }
            F::Trace => Ok(input),
            F::Now | F::Today | F::TimeOfDay => {
                let now = self.context.now.and_then(Moment::date);
                let Some(now) = now else { return operand(name, "has no clock here") };
                Ok(one(match call.function {
                    F::Now => Value::DateTime(now),
                    F::Today => Value::Date(now.to_date()),
                    _ => Value::Time(now.to_time()),
                }))
            }
            F::Extension => {
                let Some(url) = self.string(call, 0, scope)? else { return Ok(Vec::new()) };
                let mut found = self.members(&input, "extension")?;
                found.retain(|item| {
                    item.element().and_then(|extension| extension.text("url")).is_some_and(|text| text == url)
                });
                Ok(found)
            }
            F::HasValue => Ok(truth(match input.as_slice() {
                [Item::Element(element)] => element.is_primitive() && element.node().is_some(),
                [Item::Value(_)] => true,
                _ => false,
            })),
            F::GetValue => Ok(match input.as_slice() {
                [item] => item.value().map_or_else(Vec::new, one),
                _ => Vec::new(),
            }),
            F::Resolve => self.resolve(&input),
            F::MemberOf => {
                let Some(url) = self.string(call, 0, scope)? else { return Ok(Vec::new()) };
                let url = url.split('|').next().unwrap_or("");
                let set = TABLE.sets.iter().position(|set| set.url == url && !set.codes.is_empty());
                match (set.and_then(|set| u16::try_from(set).ok()), input.as_slice()) {
                    (Some(set), [Item::Element(element)]) => {
                        Ok(element.node().map_or_else(Vec::new, |node| truth(validate::is_member(node, set))))
                    }
                    (_, []) => Ok(Vec::new()),
                    _ => {
                        self.indeterminate = true;
                        Ok(Vec::new())
                    }
                }
            }
            F::HtmlChecks => {
                let mut good = true;
                for item in &input {
                    let Some(Value::String(text)) = item.value() else { continue };
                    self.charge(text.len())?;
                    good &= validate::narrative_faults(&text).is_empty();
                }
                Ok(truth(good))
            }
            F::ToBoolean
            | F::ToInteger
            | F::ToDecimal
            | F::ToDate
            | F::ToDateTime
            | F::ToTime
            | F::ToQuantity
            | F::ToString
            | F::ConvertsToBoolean
            | F::ConvertsToInteger
            | F::ConvertsToDecimal
            | F::ConvertsToDate
            | F::ConvertsToDateTime
            | F::ConvertsToTime
            | F::ConvertsToQuantity
            | F::ConvertsToString => self.convert(call, &input, scope),
            F::Abs | F::Ceiling | F::Exp | F::Floor | F::Ln | F::Log | F::Power | F::Round | F::Sqrt | F::Truncate => {
                self.math(call, &input, scope)
            }
            _ => self.strings(call, &input, scope),
        }
    }

    pub fn argument(&mut self, call: &'a Call, place: usize, scope: Scope<'_, 'a>) -> Result<Collection<'a>, Error> {
        self.eval(&call.arguments[place], scope)
    }

    /// A text argument; none if it is empty.
    pub fn string(
        &mut self,
        call: &'a Call,
        place: usize,
        scope: Scope<'_, 'a>,
    ) -> Result<Option<std::borrow::Cow<'a, str>>, Error> {
        match single(&self.argument(call, place, scope)?, call.function.name())? {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => operand(call.function.name(), "needs a text as argument"),
        }
    }

    /// A whole number as argument; none if it is empty.
    pub fn integer(&mut self, call: &'a Call, place: usize, scope: Scope<'_, 'a>) -> Result<Option<i64>, Error> {
        match single(&self.argument(call, place, scope)?, call.function.name())? {
            None => Ok(None),
            Some(Value::Integer(value)) => Ok(Some(value)),
            Some(_) => operand(call.function.name(), "needs an Integer as argument"),
        }
    }

    fn criterion(&mut self, call: &'a Call, scope: Scope<'_, 'a>) -> Result<Option<bool>, Error> {
        let items = self.eval(&call.arguments[0], scope)?;
        boolean(&items, call.function.name())
    }

    /// Whether the criterion is true of any item, or not true of any.
    fn any(&mut self, call: &'a Call, input: &[Item<'a>], scope: Scope<'_, 'a>, wanted: bool) -> Result<bool, Error> {
        for (index, item) in input.iter().enumerate() {
            if (self.criterion(call, scope.item(item, index))? == Some(true)) == wanted {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn children(&mut self, items: &[Item<'a>]) -> Result<Collection<'a>, Error> {
        let mut found = Vec::new();
        for item in items {
            if let Item::Element(element) = item {
                element.children(&mut found);
            }
        }
        self.charge(items.len() + found.len())?;
        Ok(found)
    }

    fn repeat(&mut self, call: &'a Call, input: Collection<'a>, scope: Scope<'_, 'a>) -> Result<Collection<'a>, Error> {
        let (mut found, mut level): (Collection<'a>, _) = (Vec::new(), input);
        let (mut known, mut values) = (HashSet::new(), HashSet::new());
        while !level.is_empty() {
            let mut next = Vec::new();
            for (index, item) in level.iter().enumerate() {
                for new in self.eval(&call.arguments[0], scope.item(item, index))? {
                    // The same element must not come again, or a projection that stays put never ends.
                    let fresh = match new.element().and_then(Element::node) {
                        Some(node) => known.insert(node.raw().as_ptr() as usize),
                        None => values.insert(self.key(&new)?),
                    };
                    if fresh {
                        found.push(new.clone());
                        next.push(new);
                    }
                }
            }
            self.charge(next.len() + 1)?;
            level = next;
        }
        Ok(found)
    }

    /// Contained resources themselves; of others only the type is known.
    fn resolve(&mut self, input: &[Item<'a>]) -> Result<Collection<'a>, Error> {
        let mut found = Vec::new();
        for item in input {
            let text = match item {
                Item::Element(element) if !element.is_primitive() => element.text("reference"),
                other => match other.value() {
                    Some(Value::String(text)) => Some(text),
                    _ => None,
                },
            };
            let parts = text.as_deref().map(reference::parse);
            let kind = match parts {
                Some(Parts::Fragment("")) => {
                    found.push(Item::Element(self.context.root));
                    continue;
                }
                Some(Parts::Fragment(id)) => {
                    let contained = self.members(&[Item::Element(self.context.root)], "contained")?;
                    found.extend(contained.into_iter().find(|item| {
                        item.element().and_then(|resource| resource.text("id")).is_some_and(|text| text == id)
                    }));
                    continue;
                }
                Some(Parts::Relative { kind, .. } | Parts::Absolute { kind, .. } | Parts::Conditional { kind, .. }) => {
                    Some(kind)
                }
                _ => item
                    .element()
                    .filter(|element| !element.is_primitive())
                    .and_then(|element| element.text("type"))
                    .and_then(|kind| ResourceType::parse(kind.rsplit('/').next().unwrap_or(&kind))),
            };
            found.extend(kind.map(|kind| Item::Element(Element::stub(kind))));
        }
        Ok(found)
    }
}

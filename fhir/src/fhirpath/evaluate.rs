//! Walks the tree of an expression over collections. Called by [`super::Expression`]; functions are in their files.

use super::syntax::{Expr, Operator, TypeName, TypeTest, Variable};
use super::value::{Order, Value, order};
use super::{Collection, Context, Error, ITEMS_MAX, Item, STEPS_MAX};
use std::cmp::Ordering;
use std::slice;

/// One evaluation.
pub(super) struct Evaluator<'a, 'c> {
    pub context: &'c Context<'a>,
    /// `%context`
    input: &'c [Item<'a>],
    /// What is left of the steps it may take.
    steps: usize,
    /// Results of the paths that are evaluated once.
    fixed: Vec<Option<Collection<'a>>>,
    /// Whether a comparison had no answer.
    pub indeterminate: bool,
}

/// What `$this`, `$index` and `$total` are.
#[derive(Clone, Copy)]
pub(super) struct Scope<'s, 'a> {
    pub this: &'s [Item<'a>],
    pub index: Option<usize>,
    pub total: Option<&'s [Item<'a>]>,
}

impl<'s, 'a> Scope<'s, 'a> {
    /// For a function's argument: one item of its input.
    pub fn item(self, item: &'s Item<'a>, index: usize) -> Self {
        Self { this: slice::from_ref(item), index: Some(index), ..self }
    }
}

pub(super) fn operand<T>(function: &'static str, reason: &'static str) -> Result<T, Error> {
    Err(Error::Operand { function, reason })
}

/// A collection where a Boolean is wanted: one item that is none counts as true.
pub(super) fn boolean(items: &[Item<'_>], function: &'static str) -> Result<Option<bool>, Error> {
    match items {
        [] => Ok(None),
        [item] => Ok(Some(!matches!(item.value(), Some(Value::Boolean(false))))),
        _ => operand(function, "needs one Boolean, not several items"),
    }
}

/// The one value of a collection; none if it is empty or its item has no value.
pub(super) fn single<'a>(items: &[Item<'a>], function: &'static str) -> Result<Option<Value<'a>>, Error> {
    match items {
        [] => Ok(None),
        [item] => Ok(item.value()),
        _ => operand(function, "needs one item, not several"),
    }
}

pub(super) fn one(value: Value<'_>) -> Collection<'_> {
    vec![Item::Value(value)]
}

pub(super) fn truth<'a>(value: bool) -> Collection<'a> {
    one(Value::Boolean(value))
}

impl<'a, 'c> Evaluator<'a, 'c> {
    pub fn new(context: &'c Context<'a>, input: &'c [Item<'a>]) -> Self {
        Self::within(STEPS_MAX, context, input)
    }

    /// An evaluation of at most `steps` steps.
    pub fn within(steps: usize, context: &'c Context<'a>, input: &'c [Item<'a>]) -> Self {
        Self { context, input, steps, fixed: Vec::new(), indeterminate: false }
    }

    pub fn run(&mut self, expr: &'a Expr) -> Result<Collection<'a>, Error> {
        let scope = Scope { this: self.input, index: None, total: None };
        self.eval(expr, scope)
    }

    /// Counts work against the limit.
    pub fn charge(&mut self, steps: usize) -> Result<(), Error> {
        self.steps = self.steps.checked_sub(steps).ok_or(Error::Steps)?;
        Ok(())
    }

    /// Counts the items of a collection.
    pub fn items(&mut self, count: usize) -> Result<(), Error> {
        self.charge(count)?;
        if count > ITEMS_MAX { Err(Error::Steps) } else { Ok(()) }
    }

    /// As deep as the expression, which `parse` limits.
    pub fn eval(&mut self, expr: &'a Expr, scope: Scope<'_, 'a>) -> Result<Collection<'a>, Error> {
        self.charge(1)?;
        match expr {
            Expr::Constant(value) => Ok(value.iter().map(|value| Item::Value(borrowed(value))).collect()),
            Expr::This => Ok(scope.this.to_vec()),
            Expr::Index => match scope.index {
                Some(index) => Ok(one(Value::Integer(i64::try_from(index).unwrap_or(i64::MAX)))),
                None => operand("$index", "stands only in the argument of a function"),
            },
            Expr::Total => match scope.total {
                Some(total) => Ok(total.to_vec()),
                None => operand("$total", "stands only in aggregate()"),
            },
            Expr::Variable(variable) => Ok(match variable {
                Variable::Context => self.input.to_vec(),
                Variable::Resource => vec![Item::Element(self.context.resource)],
                Variable::RootResource => vec![Item::Element(self.context.root)],
                Variable::Text(text) => one(Value::String(text.as_str().into())),
            }),
            Expr::Member(None, name) => self.first_member(scope.this, name),
            Expr::Member(Some(input), name) => {
                let input = self.eval(input, scope)?;
                self.members(&input, name)
            }
            Expr::Fixed(place, path) => {
                if let Some(Some(known)) = self.fixed.get(*place) {
                    let known = known.clone();
                    self.items(known.len())?;
                    return Ok(known);
                }
                let found = self.eval(path, scope)?;
                if self.fixed.len() <= *place {
                    self.fixed.resize(place + 1, None);
                }
                self.fixed[*place] = Some(found.clone());
                Ok(found)
            }
            Expr::Item(input, index) => {
                let mut items = self.eval(input, scope)?;
                match single(&self.eval(index, scope)?, "[]")? {
                    Some(Value::Integer(index)) => match usize::try_from(index) {
                        Ok(index) if index < items.len() => Ok(vec![items.swap_remove(index)]),
                        _ => Ok(Vec::new()),
                    },
                    Some(_) => operand("[]", "needs an Integer"),
                    None => Ok(Vec::new()),
                }
            }
            Expr::Call(call) => self.call(call, scope),
            Expr::Minus(input) => match single(&self.eval(input, scope)?, "the sign")? {
                None => Ok(Vec::new()),
                Some(Value::Integer(value)) => Ok(one(Value::Integer(value.saturating_neg()))),
                Some(Value::Decimal(value)) => Ok(one(Value::Decimal(value.negative()))),
                Some(Value::Quantity(mut quantity)) => {
                    quantity.value = quantity.value.negative();
                    Ok(one(Value::Quantity(quantity)))
                }
                Some(_) => operand("the sign", "needs a number"),
            },
            Expr::Binary(operator, left, right) => self.binary(*operator, left, right, scope),
            Expr::Type(test, input, kind) => {
                let input = match input {
                    Some(input) => self.eval(input, scope)?,
                    None => scope.this.to_vec(),
                };
                self.charge(input.len())?;
                match (test, input.as_slice()) {
                    (TypeTest::Is, []) => Ok(Vec::new()),
                    (TypeTest::Is, [item]) => Ok(truth(is(item, kind))),
                    (TypeTest::Is, _) => operand("is", "needs one item, not several"),
                    // Official rules apply `as` to many items: it filters like ofType.
                    _ => Ok(input.into_iter().filter(|item| is(item, kind)).collect()),
                }
            }
        }
    }

    /// A path may begin with the type of what it stands on: `Patient.name`.
    fn first_member(&mut self, this: &[Item<'a>], name: &str) -> Result<Collection<'a>, Error> {
        if name.starts_with(char::is_uppercase) {
            let kind = TypeName { space: None, name: name.to_owned() };
            return Ok(this.iter().filter(|item| item.element().is_some_and(|it| it.is(&kind))).cloned().collect());
        }
        self.members(this, name)
    }

    pub fn members(&mut self, items: &[Item<'a>], name: &str) -> Result<Collection<'a>, Error> {
        let mut found = Vec::new();
        for item in items {
            if let Item::Element(element) = item {
                if name == "value" && element.is_primitive() {
                    found.extend(element.to_value().map(Item::Value));
                } else {
                    element.member(name, &mut found);
                }
            }
        }
        self.charge(items.len())?;
        self.items(found.len())?;
        Ok(found)
    }

    fn logic(&mut self, expr: &'a Expr, scope: Scope<'_, 'a>) -> Result<Option<bool>, Error> {
        let items = self.eval(expr, scope)?;
        boolean(&items, "a Boolean operator")
    }

    fn binary(
        &mut self,
        operator: Operator,
        left: &'a Expr,
        right: &'a Expr,
        scope: Scope<'_, 'a>,
    ) -> Result<Collection<'a>, Error> {
        let decided = |value: Option<bool>| Ok(value.map_or_else(Vec::new, truth));
        match operator {
            Operator::And => {
                let left = self.logic(left, scope)?;
                if left == Some(false) {
                    return decided(left);
                }
                return decided(match (left, self.logic(right, scope)?) {
                    (_, Some(false)) => Some(false),
                    (Some(true), right) => right,
                    _ => None,
                });
            }
            Operator::Or => {
                let left = self.logic(left, scope)?;
                if left == Some(true) {
                    return decided(left);
                }
                return decided(match (left, self.logic(right, scope)?) {
                    (_, Some(true)) => Some(true),
                    (Some(false), right) => right,
                    _ => None,
                });
            }
            Operator::Implies => {
                let left = self.logic(left, scope)?;
                if left == Some(false) {
                    return decided(Some(true));
                }
                return decided(match (left, self.logic(right, scope)?) {
                    (_, Some(true)) => Some(true),
                    (Some(true), right) => right,
                    _ => None,
                });
            }
            Operator::Xor => {
                let (left, right) = (self.logic(left, scope)?, self.logic(right, scope)?);
                return decided(left.zip(right).map(|(left, right)| left != right));
            }
            _ => {}
        }
        let (left, right) = (self.eval(left, scope)?, self.eval(right, scope)?);
        self.charge(left.len() + right.len())?;
        match operator {
            Operator::Equal => decided(self.all_equal(&left, &right)?),
            Operator::NotEqual => decided(self.all_equal(&left, &right)?.map(|equal| !equal)),
            Operator::Equivalent => Ok(truth(self.all_equivalent(&left, &right)?)),
            Operator::NotEquivalent => Ok(truth(!self.all_equivalent(&left, &right)?)),
            Operator::Less => self.ordered(&left, &right, "<", Ordering::is_lt),
            Operator::LessOrEqual => self.ordered(&left, &right, "<=", Ordering::is_le),
            Operator::Greater => self.ordered(&left, &right, ">", Ordering::is_gt),
            Operator::GreaterOrEqual => self.ordered(&left, &right, ">=", Ordering::is_ge),
            Operator::In => self.is_in(&left, &right, "in"),
            Operator::Contains => self.is_in(&right, &left, "contains"),
            Operator::Union => {
                let mut items = left;
                items.extend(right);
                self.items(items.len())?;
                self.distinct(items)
            }
            Operator::Concatenate => {
                let mut text = String::new();
                for side in [&left, &right] {
                    match single(side, "&")? {
                        Some(Value::String(part)) => text.push_str(&part),
                        Some(_) => return operand("&", "needs texts"),
                        None => {}
                    }
                }
                self.charge(text.len() / 64)?;
                self.text(text)
            }
            _ => self.arithmetic(operator, &left, &right),
        }
    }

    fn ordered(
        &mut self,
        left: &[Item<'a>],
        right: &[Item<'a>],
        name: &'static str,
        good: impl Fn(Ordering) -> bool,
    ) -> Result<Collection<'a>, Error> {
        let (Some(left), Some(right)) = (single(left, name)?, single(right, name)?) else { return Ok(Vec::new()) };
        match order(&left, &right) {
            _ if matches!(left, Value::Boolean(_)) => operand(name, "needs values that have an order"),
            Order::Is(order) => Ok(truth(good(order))),
            Order::Unknown => {
                self.indeterminate = true;
                Ok(Vec::new())
            }
            Order::Unlike => operand(name, "needs two values of one type"),
        }
    }

    fn is_in(&mut self, item: &[Item<'a>], items: &[Item<'a>], name: &'static str) -> Result<Collection<'a>, Error> {
        match item {
            [] => Ok(Vec::new()),
            [item] => Ok(truth(self.has(items, item)?)),
            _ => operand(name, "needs one item, not several"),
        }
    }
}

/// Without copying its text.
fn borrowed<'a>(value: &'a Value<'static>) -> Value<'a> {
    match value {
        Value::String(text) => Value::String(text.as_ref().into()),
        other => other.clone(),
    }
}

fn is(item: &Item<'_>, kind: &TypeName) -> bool {
    match item {
        Item::Element(element) => element.is(kind),
        Item::Value(value) => kind.space.as_deref() != Some("FHIR") && value.kind() == kind.name,
    }
}

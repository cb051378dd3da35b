//! From text to tree, by how tightly operators bind. Called by [`super::Expression::parse`].

use super::lex::{self, Token};
use super::syntax::{Call, Expr, Function, Operator, TypeName, TypeTest, Variable};
use super::value::{Moment, Quantity, Value};
use super::{DEPTH_MAX, Error, TEXT_BYTES_MAX, decimal::Decimal, strings, types};

/// How tightly `is` and `as` bind: between union and addition.
const TYPE_BINDING: u8 = 8;

pub(super) fn parse(text: &str) -> Result<Expr, Error> {
    if text.len() > TEXT_BYTES_MAX {
        return Err(Error::Long);
    }
    let mut parser = Parser { tokens: lex::tokens(text)?, at: 0, fixed: 0 };
    let (expr, _) = parser.expression(0, 0)?;
    match parser.peek() {
        Token::End => Ok(expr),
        _ => parser.fault("the expression should end here"),
    }
}

struct Parser {
    tokens: Vec<(Token, usize)>,
    at: usize,
    /// How many paths are evaluated once.
    fixed: usize,
}

/// A tree and its height, which is how deep its evaluation will nest.
type Tall = (Expr, usize);

impl Parser {
    fn peek(&self) -> &Token {
        &self.tokens[self.at].0
    }

    fn next(&mut self) -> Token {
        let token = self.tokens[self.at].0.clone();
        self.at = (self.at + 1).min(self.tokens.len() - 1);
        token
    }

    fn fault<T>(&self, reason: &'static str) -> Result<T, Error> {
        Err(Error::Syntax { at: self.tokens[self.at].1, reason })
    }

    fn takes(&mut self, symbol: &'static str) -> bool {
        let found = *self.peek() == Token::Symbol(symbol);
        if found {
            self.next();
        }
        found
    }

    fn expect(&mut self, symbol: &'static str, reason: &'static str) -> Result<(), Error> {
        if self.takes(symbol) { Ok(()) } else { self.fault(reason) }
    }

    fn word(&self) -> Option<&str> {
        match self.peek() {
            Token::Name { text, quoted: false } => Some(text),
            Token::Symbol(symbol) => Some(symbol),
            _ => None,
        }
    }

    /// An expression whose operators bind more tightly than `least`. `depth` counts what is open around it.
    fn expression(&mut self, least: u8, depth: usize) -> Result<Tall, Error> {
        if depth > DEPTH_MAX {
            return Err(Error::Deep);
        }
        let (mut left, mut height) = self.signed(depth)?;
        loop {
            if let Some(test) = self.type_operator().filter(|_| TYPE_BINDING > least) {
                self.next();
                height = taller(height)?;
                left = Expr::Type(test, Some(Box::new(left)), self.type_name()?);
                continue;
            }
            let Some((operator, binding)) = self.word().and_then(Operator::of).filter(|(_, binding)| *binding > least)
            else {
                return Ok((left, height));
            };
            self.next();
            let (right, other) = self.expression(binding, depth + 1)?;
            height = taller(height.max(other))?;
            left = Expr::Binary(operator, Box::new(left), Box::new(right));
        }
    }

    fn type_operator(&self) -> Option<TypeTest> {
        match self.word()? {
            "is" => Some(TypeTest::Is),
            "as" => Some(TypeTest::As),
            _ => None,
        }
    }

    fn signed(&mut self, depth: usize) -> Result<Tall, Error> {
        let (mut signs, mut minus) = (0, false);
        loop {
            if self.takes("-") {
                minus = !minus;
            } else if !self.takes("+") {
                break;
            }
            signs += 1;
        }
        let (expr, height) = self.postfix(depth)?;
        // A plus is kept as two signs: it demands a number too.
        if signs == 0 {
            return Ok((expr, height));
        }
        let expr = Expr::Minus(Box::new(expr));
        let expr = if minus { expr } else { Expr::Minus(Box::new(expr)) };
        Ok((expr, taller(taller(height)?)?))
    }

    fn postfix(&mut self, depth: usize) -> Result<Tall, Error> {
        let (mut expr, mut height) = self.term(depth)?;
        loop {
            if self.takes(".") {
                let before = self.at;
                let (next, other) = match self.next() {
                    Token::Name { text, .. } => self.named(Some(expr), text, depth)?,
                    Token::Special(name) => (special(&name).map_or_else(|| self.fault("no such $ name"), Ok)?, 1),
                    _ => {
                        self.at = before;
                        return self.fault("a name is missing after the dot");
                    }
                };
                height = taller(height.max(other))?;
                expr = next;
            } else if self.takes("[") {
                let (index, other) = self.expression(0, depth + 1)?;
                self.expect("]", "] is missing")?;
                height = taller(height.max(other))?;
                expr = Expr::Item(Box::new(expr), Box::new(index));
            } else if is_fixed(&expr) && height > 1 {
                self.fixed += 1;
                return Ok((Expr::Fixed(self.fixed - 1, Box::new(expr)), taller(height)?));
            } else {
                return Ok((expr, height));
            }
        }
    }

    fn term(&mut self, depth: usize) -> Result<Tall, Error> {
        let before = self.at;
        let expr = match self.next() {
            Token::Symbol("(") => {
                let inner = self.expression(0, depth + 1)?;
                self.expect(")", ") is missing")?;
                return Ok(inner);
            }
            Token::Symbol("{") => {
                self.expect("}", "} is missing")?;
                Expr::Constant(None)
            }
            Token::String(text) => Expr::Constant(Some(Value::String(text.into()))),
            Token::Number(digits) => Expr::Constant(Some(self.number(&digits)?)),
            Token::Moment(text) => match Moment::literal(&text) {
                Some(value) => Expr::Constant(Some(value)),
                None => return self.fault("the literal before is no date or time of the calendar"),
            },
            Token::Variable(name) => Expr::Variable(variable(name)?),
            Token::Special(name) => match special(&name) {
                Some(expr) => expr,
                None => return self.fault("the $ name before is none of $this, $index, $total"),
            },
            Token::Name { text, quoted: false } if text == "true" => Expr::Constant(Some(Value::Boolean(true))),
            Token::Name { text, quoted: false } if text == "false" => Expr::Constant(Some(Value::Boolean(false))),
            Token::Name { text, .. } => return self.named(None, text, depth),
            Token::Symbol(_) | Token::End => {
                self.at = before;
                return self.fault("a value or a path is missing");
            }
        };
        Ok((expr, 1))
    }

    /// A number, and its unit if one follows.
    fn number(&mut self, digits: &str) -> Result<Value<'static>, Error> {
        let Some(decimal) = Decimal::parse(digits) else { return self.fault("the number before has too many digits") };
        let unit = match self.peek() {
            Token::String(unit) => Some(unit.clone()),
            Token::Name { text, quoted: false } => types::calendar_unit(text).map(str::to_owned),
            _ => None,
        };
        if let Some(unit) = unit {
            self.next();
            return Ok(Value::Quantity(Quantity { value: decimal, unit: unit.into() }));
        }
        if digits.contains('.') {
            return Ok(Value::Decimal(decimal));
        }
        match digits.parse() {
            Ok(integer) => Ok(Value::Integer(integer)),
            Err(_) => self.fault("the number before is too large for an Integer"),
        }
    }

    /// A member or a call.
    fn named(&mut self, input: Option<Expr>, name: String, depth: usize) -> Result<Tall, Error> {
        if !self.takes("(") {
            return Ok((Expr::Member(input.map(Box::new), name), 1));
        }
        if let Some(test) = match name.as_str() {
            "is" => Some(TypeTest::Is),
            "as" => Some(TypeTest::As),
            "ofType" => Some(TypeTest::OfType),
            _ => None,
        } {
            let kind = self.type_name()?;
            self.expect(")", ") is missing")?;
            return Ok((Expr::Type(test, input.map(Box::new), kind), 1));
        }
        let Some((function, least, most)) = Function::of(&name) else { return Err(Error::Unsupported { name }) };
        let (mut arguments, mut height) = (Vec::new(), 1);
        while *self.peek() != Token::Symbol(")") {
            let (argument, other) = self.expression(0, depth + 1)?;
            height = taller(height.max(other))?;
            arguments.push(argument);
            if !self.takes(",") {
                break;
            }
        }
        self.expect(")", ") is missing")?;
        if !(least..=most).contains(&arguments.len()) {
            return self.fault("the function before takes another number of arguments");
        }
        let pattern = match (function, arguments.first()) {
            (
                Function::Matches | Function::MatchesFull | Function::ReplaceMatches,
                Some(Expr::Constant(Some(Value::String(text)))),
            ) => Some(strings::pattern(text, function == Function::MatchesFull)?),
            _ => None,
        };
        Ok((Expr::Call(Box::new(Call { input, function, arguments, pattern })), height))
    }

    fn type_name(&mut self) -> Result<TypeName, Error> {
        let Token::Name { text: first, .. } = self.next() else { return self.fault("a type is missing") };
        let (space, name) = if self.takes(".") {
            let Token::Name { text: second, .. } = self.next() else { return self.fault("a type is missing") };
            (Some(first), second)
        } else {
            (None, first)
        };
        let kind = TypeName { space, name };
        if types::is_known(&kind) { Ok(kind) } else { Err(Error::Unsupported { name: kind.name }) }
    }
}

/// Whether it is a path from a `%` value without arguments.
fn is_fixed(expr: &Expr) -> bool {
    match expr {
        Expr::Variable(_) => true,
        Expr::Member(Some(input), _) => is_fixed(input),
        Expr::Call(call) => call.arguments.is_empty() && call.input.as_ref().is_some_and(is_fixed),
        _ => false,
    }
}

fn taller(height: usize) -> Result<usize, Error> {
    if height >= DEPTH_MAX { Err(Error::Deep) } else { Ok(height + 1) }
}

fn special(name: &str) -> Option<Expr> {
    Some(match name {
        "this" => Expr::This,
        "index" => Expr::Index,
        "total" => Expr::Total,
        _ => return None,
    })
}

fn variable(name: String) -> Result<Variable, Error> {
    Ok(match name.as_str() {
        "context" => Variable::Context,
        "resource" => Variable::Resource,
        "rootResource" => Variable::RootResource,
        "ucum" => Variable::Text("http://unitsofmeasure.org".to_owned()),
        "sct" => Variable::Text("http://snomed.info/sct".to_owned()),
        "loinc" => Variable::Text("http://loinc.org".to_owned()),
        _ => match (name.strip_prefix("vs-"), name.strip_prefix("ext-")) {
            (Some(set), _) => Variable::Text(format!("http://hl7.org/fhir/ValueSet/{set}")),
            (_, Some(extension)) => Variable::Text(format!("http://hl7.org/fhir/StructureDefinition/{extension}")),
            _ => return Err(Error::Unsupported { name: format!("%{name}") }),
        },
    })
}

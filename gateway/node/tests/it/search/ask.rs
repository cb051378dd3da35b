//! Random questions: every kind of parameter, prefix and modifier, lists, chains in both directions, `_filter`, sorting.
//! Called by `property`.

use super::compare::unescape;
use super::elements::fold;
use super::parameters::{self, Parameter};
use super::world::{CODES, DATES, Dice, FAMILIES, GIVENS, NUMBERS, SYSTEMS, TEXTS, UNITS, World};
use std::fmt;

/// One parameter of a search.
#[derive(Clone, Debug)]
pub enum Ask {
    /// Name and value.
    Pair(String, String),
    /// `_filter`.
    Filter(Expression),
}

#[derive(Clone, Debug)]
pub enum Expression {
    /// Path, operator, value.
    Is(String, &'static str, String),
    And(Box<Expression>, Box<Expression>),
    Or(Box<Expression>, Box<Expression>),
    Not(Box<Expression>),
}

impl fmt::Display for Expression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Expression::Is(path, operator, value) => {
                let value = value.replace('\\', "\\\\").replace('"', "\\\"");
                write!(f, "{path} {operator} \"{value}\"")
            }
            Expression::And(a, b) => write!(f, "({a}) and ({b})"),
            Expression::Or(a, b) => write!(f, "({a}) or {b}"),
            Expression::Not(inner) => write!(f, "not ({inner})"),
        }
    }
}

impl Ask {
    /// As it stands in a URL, decoded.
    pub fn pair(&self) -> (String, String) {
        match self {
            Ask::Pair(name, value) => (name.clone(), value.clone()),
            Ask::Filter(expression) => ("_filter".to_owned(), expression.to_string()),
        }
    }

    pub fn random(dice: &mut Dice, world: &World, kind: &str) -> Self {
        match dice.below(20) {
            0 => Ask::Filter(expression(dice, kind, 2)),
            1 => Ask::Filter(expression(dice, kind, 3)),
            2 => {
                let ids = (0..=dice.below(3)).map(|_| format!("r{}", dice.below(9))).collect::<Vec<_>>().join(",");
                Ask::Pair(dice.pick(&["_id", "_id", "_id:not"]).to_owned(), ids)
            }
            3 if ["Patient", "Observation", "Condition"].contains(&kind) => {
                Ask::Pair("_list".to_owned(), dice.pick(&["r0", "r1", "r1,r2", "nobody"]).to_owned())
            }
            4 => Ask::Pair(
                dice.pick(&["_tag", "_tag:not"]).to_owned(),
                dice.pick(&["red", "urn:tag|blue", "|red"]).to_owned(),
            ),
            5 => {
                let at = world.resources[dice.below(world.resources.len())].updated;
                let prefix = dice.pick(&["ge", "lt", "gt", "le", "eq", "ne", "sa", "eb", ""]);
                Ask::Pair("_lastUpdated".to_owned(), format!("{prefix}{}", fhir::datetime::format_instant(at)))
            }
            _ => {
                let (name, value) = condition(dice, kind, 3);
                Ask::Pair(name, value)
            }
        }
    }
}

/// The keys of `_sort`.
pub fn sort(dice: &mut Dice, kind: &str) -> Vec<String> {
    let keys = parameters::of(kind).into_iter().filter(|one| one.class != "composite").map(|one| one.code);
    let keys = keys.chain(["_id", "_lastUpdated"]).collect::<Vec<_>>();
    let count = [0, 1, 1, 2, 3][dice.below(5)];
    (0..count).map(|_| format!("{}{}", dice.pick(&["", "-"]), dice.pick(&keys))).collect()
}

/// Name and value of a condition that follows at most `depth` references.
fn condition(dice: &mut Dice, kind: &str, depth: usize) -> (String, String) {
    let all = parameters::of(kind);
    let leading = parameters::leading_to(kind);
    if depth > 0 && !leading.is_empty() && dice.chance(18) {
        let from = &leading[dice.below(leading.len())];
        let (name, value) = condition(dice, from.kind, depth - 1);
        return (format!("_has:{}:{}:{name}", from.kind, from.code), value);
    }
    let references = all.iter().filter(|one| one.class == "reference").collect::<Vec<_>>();
    if depth > 0 && !references.is_empty() && dice.chance(25) {
        let by = references[dice.below(references.len())];
        let target = dice.pick(&by.targets);
        let (name, value) = condition(dice, target, depth - 1);
        let code = name.split([':', '.']).next().unwrap();
        // Without a type the name must mean the same for every type it may lead to.
        let is_clear = by.targets.iter().all(|target| {
            let kind = fhir::ResourceType::parse(target).unwrap();
            fhir::params::find(kind, code).is_some() == parameters::find(target, code).is_some()
        });
        let is_one = by.targets.len() == 1 && !code.starts_with('_');
        return match (is_one || is_clear && !code.starts_with('_')) && !name.contains('.') && dice.chance(50) {
            true => (format!("{}.{name}", by.code), value),
            false => (format!("{}:{target}.{name}", by.code), value),
        };
    }
    let parameter = &all[dice.below(all.len())];
    if parameter.class != "composite" && dice.chance(8) {
        return (format!("{}:missing", parameter.code), dice.pick(&["true", "false"]).to_owned());
    }
    let modifier = modifier(dice, parameter);
    let count = [1, 1, 1, 2, 3][dice.below(5)];
    let values = (0..count).map(|_| value(dice, parameter, modifier)).collect::<Vec<_>>().join(",");
    let colon = if modifier.is_empty() { "" } else { ":" };
    (format!("{}{colon}{modifier}", parameter.code), values)
}

fn modifier(dice: &mut Dice, parameter: &Parameter) -> &'static str {
    let is = |datatype: &str| parameter.places.iter().all(|place| place.1 == datatype);
    let of: &[&str] = match parameter.class {
        "string" => &["", "", "exact", "contains"],
        "token" if is("CodeableConcept") || is("Coding") => {
            &["", "", "", "not", "text", "in", "not-in", "above", "below"]
        }
        "token" if is("Identifier") => &["", "", "not", "text", "of-type"],
        "token" => &["", "", "not"],
        "uri" => &["", "below", "above"],
        "reference" if parameter.code == "patient" => &["", "", "identifier", "Patient"],
        "reference" => return dice.pick(&[&["", "", "identifier"], &parameter.targets[..]].concat()),
        _ => &[""],
    };
    dice.pick(of)
}

fn escaped(text: &str) -> String {
    let escape = |text: String, one: &str| text.replace(one, &format!("\\{one}"));
    ["\\", ",", "$", "|"].into_iter().fold(text.to_owned(), escape)
}

/// A part of a text in some case.
fn part(dice: &mut Dice, text: &str, from_start: bool) -> String {
    let letters = text.chars().collect::<Vec<_>>();
    let from = if from_start { 0 } else { dice.below(letters.len()) };
    let to = from + 1 + dice.below(letters.len() - from);
    let part: String = letters[from..to].iter().collect();
    let part = if part.trim().is_empty() { letters[..1].iter().collect() } else { part };
    match dice.below(3) {
        0 => part.to_uppercase(),
        1 => fold(&part),
        _ => part,
    }
}

fn value(dice: &mut Dice, parameter: &Parameter, modifier: &str) -> String {
    let words = [FAMILIES, GIVENS, TEXTS].concat();
    let ordered = ["", "eq", "ne", "gt", "lt", "ge", "le", "sa", "eb", "ap"];
    match (parameter.class, modifier) {
        ("string", "exact") => escaped(dice.pick(&words)),
        ("string", modifier) => {
            let word = dice.pick(&words);
            escaped(&part(dice, word, modifier != "contains"))
        }
        ("token", "text") => {
            let word = dice.pick(TEXTS);
            escaped(&part(dice, word, true))
        }
        ("token", "in" | "not-in") => {
            dice.pick(&["", "http://acme.example/fhir/"]).to_owned()
                + dice.pick(&["ValueSet/r0", "ValueSet/r1", "ValueSet/r2"])
        }
        ("token", "above" | "below") => format!("urn:tree|{}", dice.pick(&["root", "left", "leaf", "right"])),
        ("token", "of-type") => format!("urn:types|{}|{}", dice.pick(&["MR", "SS"]), escaped(dice.pick(CODES))),
        ("token", _) => {
            let datatype = parameter.places[dice.below(parameter.places.len())].1;
            token(dice, datatype)
        }
        ("date", _) => {
            let dates = [DATES, &["2013-01-14T10:00", "2013-01-14T10:00:30Z", "2012", "2013-01-20"]].concat();
            format!("{}{}", dice.pick(&ordered), dice.pick(&dates))
        }
        ("number", _) => {
            format!("{}{}", dice.pick(&ordered), dice.pick(&["0.8", "0.80", "0.85", "1e2", "100", "1", "50", "8e-1"]))
        }
        ("quantity", _) => {
            let number = format!("{}{}", dice.pick(&ordered), dice.pick(&[NUMBERS, &["5.40", "5", "54e-1"]].concat()));
            let (system, code, unit) = UNITS[dice.below(UNITS.len())];
            match dice.below(4) {
                0 => number,
                1 => format!("{number}||{}", if code.is_empty() { "mg" } else { dice.pick(&[code, unit, "mg"]) }),
                2 => format!("{number}|{system}|"),
                _ => format!("{number}|{system}|{code}"),
            }
        }
        ("reference", "identifier") => token(dice, "Identifier"),
        ("reference", only) => {
            let (kind, id) = (dice.pick(&parameter.targets), dice.below(6));
            let kind = if only.is_empty() { kind } else { only };
            match dice.below(6) {
                0 => format!("r{id}"),
                1 => format!("http://other.example/fhir/{kind}/r{id}"),
                _ => format!("{kind}/r{id}"),
            }
        }
        ("composite", _) => {
            let parts = parameter.components.iter().map(|component| value(dice, component, "")).collect::<Vec<_>>();
            parts.join("$")
        }
        _ => {
            let below = ["http://acme.example/fhir/", "http://acme.example/fhir/ValueSet/"];
            let above = ["http://acme.example/fhir/ValueSet/r1", "http://acme.example/fhir/ValueSet/r2/_history/5"];
            match modifier {
                "below" => dice.pick(&below).to_owned(),
                _ => dice.pick(&above).to_owned(),
            }
        }
    }
}

fn token(dice: &mut Dice, datatype: &str) -> String {
    match datatype {
        "boolean" => return dice.pick(&["true", "false"]).to_owned(),
        "ContactPoint" => return dice.pick(&["555", "556"]).to_owned(),
        "code" => return dice.pick(&["male", "female", "final", "planned", "active", "finished"]).to_owned(),
        _ => {}
    }
    let (system, code) = (dice.pick(SYSTEMS), escaped(dice.pick(CODES)));
    match dice.below(5) {
        0 => format!("|{code}"),
        1 if !system.is_empty() => format!("{system}|"),
        2 if !system.is_empty() => format!("{system}|{code}"),
        _ => code,
    }
}

fn expression(dice: &mut Dice, kind: &str, depth: usize) -> Expression {
    let boxed = |dice: &mut Dice| Box::new(expression(dice, kind, depth - 1));
    match dice.below(6) {
        0 if depth > 0 => Expression::And(boxed(dice), boxed(dice)),
        1 if depth > 0 => Expression::Or(boxed(dice), boxed(dice)),
        2 if depth > 0 => Expression::Not(boxed(dice)),
        _ => {
            let all = parameters::of(kind).into_iter().filter(|one| one.class != "composite").collect::<Vec<_>>();
            let parameter = &all[dice.below(all.len())];
            if parameter.class == "reference" && parameter.targets.len() == 1 && dice.chance(60) {
                let Expression::Is(path, operator, value) = expression(dice, parameter.targets[0], 0) else { panic!() };
                return Expression::Is(format!("{}.{path}", parameter.code), operator, value);
            }
            if dice.chance(10) {
                return Expression::Is(parameter.code.to_owned(), "pr", dice.pick(&["true", "false"]).to_owned());
            }
            let value = unescape(&value(dice, parameter, ""));
            let plain = ["ne", "gt", "lt", "ge", "le", "sa", "eb", "ap", "eq"];
            let bare = plain.iter().find_map(|prefix| value.strip_prefix(prefix)).unwrap_or(&value).to_owned();
            let (operator, value) = match parameter.class {
                "string" => (dice.pick(&["eq", "ne", "co", "sw", "ew"]), value),
                "token" if value.contains("x|y") || value.contains('\\') => ("eq", "a".to_owned()),
                "token" | "reference" | "uri" => (dice.pick(&["eq", "ne"]), value),
                "date" => (dice.pick(&[&plain[..], &["po"]].concat()), bare),
                _ => (dice.pick(&plain), bare),
            };
            let operator = [&plain[..], &["co", "sw", "ew", "po"]].concat().into_iter().find(|one| *one == operator);
            Expression::Is(parameter.code.to_owned(), operator.unwrap(), value)
        }
    }
}

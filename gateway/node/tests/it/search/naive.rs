//! A search as the text of the search page has it, over the JSON of everything there is. Slow, simple, and without a
//! line of the code it judges.

use super::ask::{Ask, Expression};
use super::compare::{is_date, is_number, is_quantity, is_token, lies_below, split, unescape};
use super::elements::{at, fold, numbers, span, strings, text, texts, tokens};
use super::parameters::{self, Parameter};
use super::world::{Resource, World};
use serde_json::Value;

pub struct Naive<'w> {
    pub world: &'w World,
    /// Microseconds since 1970.
    pub now: i64,
}

/// What a resource is sorted by.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Key {
    Text(String),
    Range(i128, i128),
}

impl<'w> Naive<'w> {
    /// The matches in order: ties as they were written, in the direction of the first key.
    pub fn search(&self, kind: &str, asks: &[Ask], sort: &[String]) -> Vec<&'w Resource> {
        let holds = |resource: &&'w Resource| asks.iter().all(|ask| self.holds_ask(resource, ask));
        let mut found = self.world.of(kind).filter(holds).collect::<Vec<_>>();
        if sort.first().is_none_or(|first| first.starts_with('-')) {
            found.reverse();
        }
        found.sort_by(|a, b| {
            let mut order = sort.iter().map(|key| {
                let (code, descending) = key.strip_prefix('-').map_or((key.as_str(), false), |code| (code, true));
                match (self.key(a, code, descending), self.key(b, code, descending)) {
                    (Some(a), Some(b)) if descending => b.cmp(&a),
                    (a, b) => a.is_none().cmp(&b.is_none()).then(a.cmp(&b)),
                }
            });
            order.find(|order| order.is_ne()).unwrap_or(std::cmp::Ordering::Equal)
        });
        found
    }

    fn key(&self, resource: &Resource, code: &str, descending: bool) -> Option<Key> {
        match code {
            "_id" => return Some(Key::Text(resource.id.clone())),
            "_lastUpdated" => {
                let place = self.world.resources.iter().position(|other| std::ptr::eq(other, resource));
                return place.map(|place| Key::Range(place as i128, 0));
            }
            _ => {}
        }
        let parameter = parameters::find(resource.kind, code).unwrap();
        let mut keys = Vec::new();
        for (value, datatype) in elements(&parameter, &resource.json) {
            match parameter.class {
                "string" => keys.extend(strings(value, datatype).iter().map(|text| Key::Text(fold(text)))),
                "token" => keys.extend(tokens(value, datatype).into_iter().filter_map(|(_, code)| match datatype {
                    "Identifier" => code.map(Key::Text),
                    _ => code.map(|code| Key::Text(code.to_lowercase())),
                })),
                "uri" => keys.extend(value.as_str().map(|uri| Key::Text(uri.to_owned()))),
                "date" => keys.extend(span(value, datatype).map(|span| Key::Range(span.low.into(), span.high.into()))),
                "reference" => {
                    let target = target(value).map(|(kind, id)| format!("{kind}/{id}"));
                    keys.extend(target.or_else(|| text(value, "reference")).map(Key::Text));
                }
                _ => keys.extend(numbers(value, datatype).map(|(low, high)| Key::Range(low, high))),
            }
        }
        if descending { keys.into_iter().max() } else { keys.into_iter().min() }
    }

    /// What contains a resource of a kind that all are true for, and beside it what is one; newest first.
    pub fn containers(&self, kind: &str, asks: &[Ask], both: bool) -> Vec<&'w Resource> {
        let is = |one: &'w Resource| one.kind == kind && asks.iter().all(|ask| self.holds_ask(one, ask));
        let all = self.world.resources.iter().rev();
        all.filter(|one| both && is(one) || one.contained.iter().any(is)).collect()
    }

    pub fn holds_ask(&self, resource: &'w Resource, ask: &Ask) -> bool {
        match ask {
            Ask::Pair(name, value) => self.holds(resource, name, value),
            Ask::Filter(expression) => self.fulfils(resource, expression),
        }
    }

    /// <https://hl7.org/fhir/R4/search_filter.html>
    fn fulfils(&self, resource: &'w Resource, expression: &Expression) -> bool {
        match expression {
            Expression::And(a, b) => self.fulfils(resource, a) && self.fulfils(resource, b),
            Expression::Or(a, b) => self.fulfils(resource, a) || self.fulfils(resource, b),
            Expression::Not(inner) => !self.fulfils(resource, inner),
            Expression::Is(path, operator, value) => match path.split_once('.') {
                Some((code, rest)) => {
                    let rest = Expression::Is(rest.to_owned(), operator, value.clone());
                    self.targets(resource, code, None).iter().any(|target| self.fulfils(target, &rest))
                }
                None => self.compares(resource, path, operator, value),
            },
        }
    }

    fn compares(&self, resource: &'w Resource, code: &str, operator: &str, value: &str) -> bool {
        let parameter = parameters::find(resource.kind, code);
        let class = parameter.as_ref().map_or("token", |parameter| parameter.class);
        let escaped =
            ["\\", ",", "$"].iter().fold(value.to_owned(), |text, one| text.replace(one, &format!("\\{one}")));
        match (class, operator) {
            (_, "pr") => {
                self.holds(resource, &format!("{code}:missing"), if value == "true" { "false" } else { "true" })
            }
            ("string", _) => {
                let values = parameter.iter().flat_map(|parameter| elements(parameter, &resource.json));
                let (wanted, texts) = (fold(value), values.flat_map(|(value, datatype)| strings(value, datatype)));
                let mut folded = texts.map(|text| fold(&text));
                match operator {
                    "ne" => !folded.any(|text| text == wanted),
                    "co" => folded.any(|text| text.contains(&wanted)),
                    "sw" => folded.any(|text| text.starts_with(&wanted)),
                    "ew" => folded.any(|text| text.ends_with(&wanted)),
                    _ => folded.any(|text| text == wanted),
                }
            }
            ("token" | "reference" | "uri", "ne") => !self.holds(resource, code, &escaped),
            ("token" | "reference" | "uri", _) => self.holds(resource, code, &escaped),
            _ => self.holds(resource, code, &format!("{operator}{escaped}")),
        }
    }

    /// One parameter of a query.
    fn holds(&self, resource: &'w Resource, name: &str, value: &str) -> bool {
        if let Some(rest) = name.strip_prefix("_has:") {
            let parts = rest.splitn(3, ':').collect::<Vec<_>>();
            // What is contained is referred to from within alone, which is not asked.
            let is_whole = self.world.resources.iter().any(|one| std::ptr::eq(one, resource));
            return is_whole
                && self.world.of(parts[0]).any(|other| {
                    let refers =
                        self.targets(other, parts[1], None).iter().any(|target| std::ptr::eq(*target, resource));
                    refers && self.holds(other, parts[2], value)
                });
        }
        if let Some((head, rest)) = name.split_once('.') {
            let (code, only) = head.split_once(':').map_or((head, None), |(code, only)| (code, Some(only)));
            let has = |target: &'w Resource| {
                let code = rest.split([':', '.']).next().unwrap();
                code.starts_with('_') || parameters::find(target.kind, code).is_some()
            };
            let targets = self.targets(resource, code, only);
            return targets.into_iter().any(|target| has(target) && self.holds(target, rest, value));
        }
        let (code, modifier) = name.split_once(':').unwrap_or((name, ""));
        let wanted = split(value, ',');
        match code {
            "_id" => return (modifier == "not") != wanted.contains(&resource.id),
            "_list" => {
                let lists = self.world.of("List").filter(|list| wanted.contains(&list.id));
                let mut items = lists.flat_map(|list| self.targets(list, "item", None));
                return items.any(|item| std::ptr::eq(item, resource));
            }
            "_lastUpdated" => {
                let own = super::elements::Span { low: resource.updated, high: resource.updated + 1 };
                return wanted.iter().any(|wanted| is_date(wanted, own, self.now));
            }
            "_tag" => {
                let tags = at(&resource.json, "meta.tag").into_iter().flat_map(|tag| tokens(tag, "Coding"));
                let has = tags
                    .collect::<Vec<_>>()
                    .iter()
                    .any(|tag| wanted.iter().any(|wanted| is_token(wanted, tag, "as written")));
                return (modifier == "not") != has;
            }
            _ => {}
        }
        let parameter = parameters::find(resource.kind, code).unwrap();
        if parameter.class == "composite" {
            return wanted.iter().any(|wanted| self.stand_together(resource, &parameter, wanted));
        }
        let values = elements(&parameter, &resource.json);
        match modifier {
            "missing" => values.is_empty() == (value == "true"),
            "not" | "not-in" => {
                let modifier = if modifier == "not" { "" } else { "in" };
                !values
                    .iter()
                    .any(|value| wanted.iter().any(|wanted| self.matches(&parameter, modifier, wanted, *value)))
            }
            _ => values
                .iter()
                .any(|value| wanted.iter().any(|wanted| self.matches(&parameter, modifier, wanted, *value))),
        }
    }

    /// <https://hl7.org/fhir/R4/search.html#composite>
    fn stand_together(&self, resource: &Resource, parameter: &Parameter, wanted: &str) -> bool {
        let wanted = split(wanted, '$');
        let anchors = parameter.places.iter().flat_map(|(path, _)| at(&resource.json, path));
        anchors.into_iter().any(|anchor| {
            parameter.components.iter().zip(&wanted).all(|(component, wanted)| {
                elements(component, anchor).into_iter().any(|value| self.matches(component, "", wanted, value))
            })
        })
    }

    fn matches(&self, parameter: &Parameter, modifier: &str, wanted: &str, (value, datatype): (&Value, &str)) -> bool {
        let plain = || unescape(wanted);
        let codes = || tokens(value, datatype);
        match (parameter.class, modifier) {
            ("string", "exact") => strings(value, datatype).contains(&plain()),
            ("string", "contains") => strings(value, datatype).iter().any(|text| fold(text).contains(&fold(&plain()))),
            ("string", _) => strings(value, datatype).iter().any(|text| fold(text).starts_with(&fold(&plain()))),
            ("token", "text") => texts(value, datatype).iter().any(|text| fold(text).starts_with(&fold(&plain()))),
            ("token", "in") => codes().iter().any(|code| is_in(code, wanted)),
            ("token", "below") => {
                codes().iter().any(|code| is_in_tree(code, &plain(), |own, asked| own.starts_with(asked)))
            }
            ("token", "above") => {
                codes().iter().any(|code| is_in_tree(code, &plain(), |own, asked| asked.starts_with(own)))
            }
            ("token", "of-type") => {
                let parts = split(wanted, '|').iter().map(|part| unescape(part)).collect::<Vec<_>>();
                let is =
                    |kind: &(Option<String>, Option<String>)| *kind == (Some(parts[0].clone()), Some(parts[1].clone()));
                let kinds = at(value, "type.coding").into_iter().flat_map(|kind| tokens(kind, "Coding"));
                text(value, "value").as_ref() == Some(&parts[2]) && kinds.collect::<Vec<_>>().iter().any(is)
            }
            ("token", _) => codes().iter().any(|code| is_token(wanted, code, datatype)),
            ("date", _) => span(value, datatype).is_some_and(|own| is_date(wanted, own, self.now)),
            ("number", _) => numbers(value, datatype).is_some_and(|own| is_number(wanted, 1, own)),
            ("quantity", _) => is_quantity(wanted, value),
            ("uri", "below") => value.as_str().is_some_and(|uri| lies_below(uri, &plain())),
            ("uri", "above") => value.as_str().is_some_and(|uri| lies_below(&plain(), uri)),
            ("uri", _) => value.as_str() == Some(&plain()),
            ("reference", "identifier") => {
                let own = value.get("identifier").map(|own| tokens(own, "Identifier")).unwrap_or_default();
                own.iter().any(|own| is_token(wanted, own, "Identifier"))
            }
            ("reference", only) => match (target(value), wanted.rsplit_once('/')) {
                (_, Some(_)) if wanted.contains("://") => text(value, "reference").as_deref() == Some(wanted),
                (Some((kind, id)), Some(asked)) => (kind, id) == asked,
                (Some((kind, id)), None) => id == wanted && (only.is_empty() || kind == only),
                (None, _) => false,
            },
            other => panic!("{other:?}"),
        }
    }

    /// What a parameter of a resource leads to here.
    pub fn targets(&self, resource: &'w Resource, code: &str, only: Option<&str>) -> Vec<&'w Resource> {
        let Some(parameter) = parameters::find(resource.kind, code) else { return Vec::new() };
        let found = elements(&parameter, &resource.json).into_iter().filter_map(|(value, _)| {
            let fragment = value.get("reference").and_then(Value::as_str).and_then(|url| url.strip_prefix('#'));
            match (fragment, target(value)) {
                (Some(id), _) => resource.contained.iter().find(|contained| contained.id == id),
                (None, Some((kind, id))) => self.world.find(kind, id),
                (None, None) => None,
            }
        });
        found.filter(|found| only.is_none_or(|only| only == found.kind)).collect()
    }
}

/// What a parameter reads, with datatypes; of references those to its targets.
fn elements<'v>(parameter: &Parameter, root: &'v Value) -> Vec<(&'v Value, &'static str)> {
    let found = parameter
        .places
        .iter()
        .flat_map(|(path, datatype)| at(root, path).into_iter().map(move |value| (value, *datatype)));
    // `patient` reads the same element as `subject`, as far as it is a Patient.
    let is_meant = |value: &Value| {
        let url = text(value, "reference");
        let kind = url.as_deref().and_then(|url| url.split("/_history/").next()?.rsplit('/').nth(1));
        let fragment = url.as_deref().and_then(|url| url.strip_prefix('#'));
        let contained = root.get("contained").and_then(Value::as_array).into_iter().flatten();
        let mut named = contained.filter(|one| one["id"].as_str() == fragment);
        let kind = named.next().and_then(|one| one["resourceType"].as_str()).or(kind);
        parameter.code != "patient" || kind == Some("Patient") || text(value, "type").as_deref() == Some("Patient")
    };
    found.filter(|(value, datatype)| *datatype != "Reference" || is_meant(value)).collect()
}

/// Type and id of a reference to what is here.
fn target(value: &Value) -> Option<(&str, &str)> {
    let url = value.get("reference")?.as_str()?;
    let mut parts = url.split('/');
    Some((parts.next()?, parts.next()?)).filter(|_| !url.contains("://"))
}

/// The value sets of `world`.
fn is_in((system, code): &(Option<String>, Option<String>), set: &str) -> bool {
    let (system, code) = (system.as_deref().unwrap_or_default(), code.as_deref().unwrap_or_default());
    match (set.chars().last(), system) {
        (Some('0'), "http://loinc.org") => ["a", "b", "B"].contains(&code),
        (Some('1'), "urn:local") => code == "c",
        (Some('1'), "urn:tree") => true,
        (Some('2'), "urn:tree") => code == "left" || code == "leaf",
        _ => false,
    }
}

/// By the path of a code in the code system of `world`.
fn is_in_tree((system, code): &(Option<String>, Option<String>), asked: &str, is: impl Fn(&str, &str) -> bool) -> bool {
    let path = |code: &str| match code {
        "root" => Some("/root/"),
        "left" => Some("/root/left/"),
        "leaf" => Some("/root/left/leaf/"),
        "right" => Some("/root/right/"),
        _ => None,
    };
    let (asked, own) = (asked.strip_prefix("urn:tree|").and_then(path), code.as_deref().and_then(path));
    system.as_deref() == Some("urn:tree") && own.zip(asked).is_some_and(|(own, asked)| is(own, asked))
}

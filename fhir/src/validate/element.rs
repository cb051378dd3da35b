//! The walk: every object of a resource against its type. Called by [`super::check`]; the rules beyond shape are in
//! `element/rules.rs`.

mod rules;

use super::place::Place;
use super::scope::Scope;
use super::{Extent, binding};
use crate::json::{Kind, Node};
use crate::outcome::{Code, Issue};
use crate::primitive::Primitive;
use crate::table::{Element, Key, Role, TABLE, Type, TypeKind};
use crate::types::ResourceType;

/// The issues found so far, and counts of the objects that are open.
pub struct Check<'a> {
    pub issues: Vec<Issue>,
    extent: Extent,
    /// Per element of each open object: how many values, and for choices which member (from 1).
    counts: Vec<(u32, u16)>,
    /// The resource that is open, with what it contains.
    scope: Option<Scope<'a>>,
}

impl<'a> Check<'a> {
    pub fn new(extent: Extent) -> Self {
        Self { issues: Vec::new(), extent, counts: Vec::new(), scope: None }
    }

    fn issue(&mut self, code: Code, place: &Place<'_>, sentence: impl Into<String>) {
        if self.issues.len() <= super::ISSUES_MAX {
            self.issues.push(Issue::error(code, sentence).at(place.to_string()));
        }
    }

    /// What is no reason to refuse a resource.
    fn warning(&mut self, code: Code, place: &Place<'_>, sentence: impl Into<String>) {
        if self.extent == Extent::Everything && self.issues.len() <= super::ISSUES_MAX {
            self.issues.push(Issue::warning(code, sentence).at(place.to_string()));
        }
    }

    /// A resource, at the root or inside another.
    pub fn resource(&mut self, node: Node<'a>, kind: ResourceType, place: &Place<'_>, contained: bool) {
        let number = TABLE.resources[usize::from(kind.number())];
        if contained {
            let before = self.scope.as_mut().and_then(|scope| scope.enter(node));
            self.contained(node, place);
            self.object(node, number, place);
            if let (Some(scope), Some(before)) = (&mut self.scope, before) {
                scope.leave(before);
            }
            return;
        }
        let before = std::mem::replace(&mut self.scope, Scope::of(node));
        self.object(node, number, place);
        let scope = std::mem::replace(&mut self.scope, before);
        if self.extent != Extent::Structure {
            for (place, sentence) in scope.iter().flat_map(|scope| scope.faults(place)) {
                if self.issues.len() <= super::ISSUES_MAX {
                    self.issues.push(Issue::error(Code::Invariant, sentence).at(place));
                }
            }
        }
    }

    fn any_resource(&mut self, node: Node<'a>, place: &Place<'_>, contained: bool) {
        if !node.is_object() {
            return self.issue(Code::Structure, place, "a resource must be a JSON object");
        }
        let name = node.get("resourceType").and_then(Node::text);
        match name.and_then(|name| ResourceType::parse(&name)) {
            Some(kind) => self.resource(node, kind, place, contained),
            None => self.issue(Code::Structure, place, "a resource needs the resourceType of an R4 resource"),
        }
    }

    fn object(&mut self, node: Node<'a>, number: u16, place: &Place<'_>) {
        let kind = TABLE.kind(number);
        if !node.is_object() {
            return self.issue(Code::Structure, place, "this element must be a JSON object");
        }
        let (base, before) = (self.counts.len(), self.issues.len());
        self.counts.resize(base + kind.elements.len(), (0, 0));
        let resource = kind.kind == TypeKind::Resource;
        let (mut members, mut only_id) = (0_usize, true);
        for (name, value) in node.members() {
            members += 1;
            only_id &= name == "id";
            if resource && name == "resourceType" {
                continue;
            }
            if let Some(key) = kind.key(&name) {
                let place = Place::member(place, key.name);
                let count = self.member(node, value, number, key, &place);
                self.count(base, kind, key, count, &place);
                continue;
            }
            let sibling = name.strip_prefix('_').and_then(|name| kind.key(name));
            match sibling.filter(|key| matches!(TABLE.kind(key.kind).kind, TypeKind::Primitive(_))) {
                Some(key) => {
                    // FHIRPath knows no underscores: the id or extension is the element's own.
                    let place = Place::member(place, key.name);
                    let count = self.sibling(node, value, key, &place);
                    self.count(base, kind, key, count, &place);
                }
                None => self.issue(
                    Code::Structure,
                    &Place::member(place, &name),
                    format!("{} has no such element", kind.name),
                ),
            }
        }
        if members == 0 {
            self.issue(Code::Structure, place, "an object may not be empty");
        } else if only_id && !resource {
            self.issue(Code::Invariant, place, "an element needs a value or children, not only an id (ele-1)");
        }
        self.cardinality(base, kind, place);
        if kind.role == Role::Extension && members > 0 {
            self.extension(node, base, kind, place);
        }
        if self.extent != Extent::Structure {
            self.rules(node, number, base, before, place);
        }
        self.counts.truncate(base);
    }

    /// Checks a member's value or values; how many there are.
    fn member(&mut self, node: Node<'a>, value: Node<'a>, owner: u16, key: &'static Key, place: &Place<'_>) -> u32 {
        let element = &TABLE.kind(owner).elements[usize::from(key.element)];
        let kind = TABLE.kind(key.kind);
        if !key.list {
            if value.is_array() {
                self.issue(Code::Structure, place, "this element has one value, not a list");
                return 1;
            }
            self.value(value, owner, key, element, place);
            return 1;
        }
        if !value.is_array() {
            self.issue(Code::Structure, place, "this element is a list: its JSON must be an array");
            return 1;
        }
        // Walked beside the values, so that many nulls cost no more than many values.
        let mut siblings = None;
        let mut beside = 0;
        let mut count = 0;
        for (index, item) in value.items().enumerate() {
            count += 1;
            let place = place.item(index);
            if item.is_null() && matches!(kind.kind, TypeKind::Primitive(_)) {
                let siblings = siblings.get_or_insert_with(|| node.get(&format!("_{}", key.name)).map(Node::items));
                let partner = siblings.as_mut().and_then(|items| items.nth(index - beside));
                beside = index + 1;
                if !partner.is_some_and(|partner| partner.is_object()) {
                    let underscored = format!("null stands only where _{} has an id or extension", key.name);
                    self.issue(Code::Structure, &place, underscored);
                }
                continue;
            }
            self.value(item, owner, key, element, &place);
        }
        if count == 0 {
            self.issue(Code::Structure, place, "an array may not be empty");
        }
        count
    }

    fn value(&mut self, value: Node<'a>, owner: u16, key: &'static Key, element: &'static Element, place: &Place<'_>) {
        let before = self.issues.len();
        match TABLE.kind(key.kind).kind {
            TypeKind::Primitive(primitive) => self.primitive(value, primitive, element, place),
            TypeKind::AnyResource => self.any_resource(value, place, element.name == "contained"),
            TypeKind::Complex | TypeKind::Resource => self.object(value, key.kind, place),
        }
        if self.extent == Extent::Structure || self.issues.len() != before {
            return;
        }
        if let Some(set) = element.set
            && let Some(fault) = binding::fault(value, set)
        {
            self.issue(Code::CodeInvalid, place, fault);
        }
        self.element_rules(value, owner, key, place);
    }

    fn primitive(&mut self, value: Node<'a>, primitive: Primitive, element: &'static Element, place: &Place<'_>) {
        let wanted = primitive.json_kind();
        if value.kind() != wanted {
            let wanted = match wanted {
                Kind::Boolean => "true or false",
                Kind::Number => "a JSON number",
                _ => "a JSON string",
            };
            return self.issue(Code::Structure, place, format!("this element must be {wanted}"));
        }
        let fault = match wanted {
            Kind::String => value.text().and_then(|text| primitive.check(&text).err()),
            Kind::Number => value.number().and_then(|digits| primitive.check(digits).err()),
            _ => None,
        };
        if let Some(rule) = fault {
            self.issue(Code::Value, place, format!("this element {rule}"));
        } else if self.extent != Extent::Structure {
            self.text_rules(value, primitive, element, place);
        }
    }

    /// Checks `_name`: ids and extensions of a primitive. How many values it stands for.
    fn sibling(&mut self, node: Node<'a>, value: Node<'a>, key: &'static Key, place: &Place<'_>) -> u32 {
        let element = TABLE.element;
        if !key.list {
            self.object(value, element, place);
            return 1;
        }
        if !value.is_array() {
            self.issue(Code::Structure, place, "this element is a list: its JSON must be an array");
            return 1;
        }
        let values = node.get(key.name);
        let mut partners = values.map(Node::items);
        let mut count = 0;
        for (index, item) in value.items().enumerate() {
            count += 1;
            let partner = partners.as_mut().and_then(Iterator::next);
            let place = place.item(index);
            if !item.is_null() {
                self.object(item, element, &place);
            } else if partner.is_none() {
                let beside = format!("null stands only where {} has a value", key.name);
                self.issue(Code::Structure, &place, beside);
            }
        }
        if count == 0 {
            self.issue(Code::Structure, place, "an array may not be empty");
        }
        count
    }

    fn count(&mut self, base: usize, kind: &'static Type, key: &'static Key, count: u32, place: &Place<'_>) {
        let element = usize::from(key.element);
        let (known, chosen) = self.counts[base + element];
        // One more than the member's type: each member of a choice has its own.
        let choice = key.kind + 1;
        if kind.elements[element].choice && chosen != 0 && chosen != choice {
            let name = kind.elements[element].name;
            self.issue(Code::Structure, place, format!("only one of {name}[x] may be given"));
        }
        self.counts[base + element] = (known.max(count), choice);
    }

    fn cardinality(&mut self, base: usize, kind: &'static Type, place: &Place<'_>) {
        for (index, element) in kind.elements.iter().enumerate() {
            let (count, _) = self.counts[base + index];
            if count < element.min {
                let any = if element.choice { "[x]" } else { "" };
                let sentence = if count == 0 {
                    format!("{}{any} is required", element.name)
                } else {
                    format!("{}{any} needs at least {} values", element.name, element.min)
                };
                self.issue(Code::Required, &Place::member(place, element.name), sentence);
            }
            if count > element.max {
                let sentence = format!("{} may have at most {} values", element.name, element.max);
                self.issue(Code::Structure, &Place::member(place, element.name), sentence);
            }
        }
    }
}

//! The walk: every object of a resource against its type. Called by [`super::check`].

use super::binding;
use super::place::Place;
use crate::json::{Kind, Node};
use crate::outcome::{Code, Issue};
use crate::primitive::Primitive;
use crate::table::{Element, Key, Role, TABLE, Type, TypeKind};
use crate::types::ResourceType;

/// The issues found so far, and counts of the objects that are open.
#[derive(Default)]
pub struct Check {
    pub issues: Vec<Issue>,
    /// Per element of each open object: how many values, and for choices which member (from 1).
    counts: Vec<(u32, u16)>,
}

impl Check {
    fn issue(&mut self, code: Code, place: &Place<'_>, sentence: impl Into<String>) {
        if self.issues.len() <= super::ISSUES_MAX {
            self.issues.push(Issue::error(code, sentence).at(place.to_string()));
        }
    }

    /// A resource, at the root or inside another.
    pub fn resource(&mut self, node: Node<'_>, kind: ResourceType, place: &Place<'_>, contained: bool) {
        if contained {
            if node.get("id").is_none() {
                self.issue(Code::Required, &Place::member(place, "id"), "a contained resource needs an id");
            }
            if node.get("contained").is_some() {
                let place = Place::member(place, "contained");
                self.issue(Code::Invariant, &place, "a contained resource may not contain another");
            }
        }
        self.object(node, kind.definition(), place);
    }

    fn any_resource(&mut self, node: Node<'_>, place: &Place<'_>, contained: bool) {
        if !node.is_object() {
            return self.issue(Code::Structure, place, "a resource must be a JSON object");
        }
        let name = node.get("resourceType").and_then(Node::text);
        match name.and_then(|name| ResourceType::parse(&name)) {
            Some(kind) => self.resource(node, kind, place, contained),
            None => self.issue(Code::Structure, place, "a resource needs the resourceType of an R4 resource"),
        }
    }

    fn object(&mut self, node: Node<'_>, kind: &'static Type, place: &Place<'_>) {
        if !node.is_object() {
            return self.issue(Code::Structure, place, "this element must be a JSON object");
        }
        let base = self.counts.len();
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
                let count = self.member(node, value, kind, key, &place);
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
        self.counts.truncate(base);
    }

    /// Checks a member's value or values; how many there are.
    fn member(
        &mut self,
        node: Node<'_>,
        value: Node<'_>,
        owner: &'static Type,
        key: &'static Key,
        place: &Place<'_>,
    ) -> u32 {
        let element = &owner.elements[usize::from(key.element)];
        let kind = TABLE.kind(key.kind);
        if !key.list {
            if value.is_array() {
                self.issue(Code::Structure, place, "this element has one value, not a list");
                return 1;
            }
            self.value(value, kind, element, place);
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
            self.value(item, kind, element, &place);
        }
        if count == 0 {
            self.issue(Code::Structure, place, "an array may not be empty");
        }
        count
    }

    fn value(&mut self, value: Node<'_>, kind: &'static Type, element: &'static Element, place: &Place<'_>) {
        let before = self.issues.len();
        match kind.kind {
            TypeKind::Primitive(primitive) => self.primitive(value, primitive, place),
            TypeKind::AnyResource => self.any_resource(value, place, element.name == "contained"),
            TypeKind::Complex | TypeKind::Resource => self.object(value, kind, place),
        }
        if let Some(set) = element.set.filter(|_| self.issues.len() == before)
            && let Some(fault) = binding::fault(value, set)
        {
            self.issue(Code::CodeInvalid, place, fault);
        }
    }

    fn primitive(&mut self, value: Node<'_>, primitive: Primitive, place: &Place<'_>) {
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
        }
    }

    /// Checks `_name`: ids and extensions of a primitive. How many values it stands for.
    fn sibling(&mut self, node: Node<'_>, value: Node<'_>, key: &'static Key, place: &Place<'_>) -> u32 {
        let element = TABLE.kind(TABLE.element);
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

    /// Either a value or extensions, not both (ext-1).
    fn extension(&mut self, node: Node<'_>, base: usize, kind: &'static Type, place: &Place<'_>) {
        let place_of = |name: &str| kind.elements.iter().position(|element| element.name == name);
        let valued = place_of("value").is_some_and(|value| self.counts[base + value].0 > 0);
        let nested = node.get("extension").is_some();
        if valued && nested {
            self.issue(Code::Invariant, place, "an extension has either a value or extensions, not both (ext-1)");
        } else if !valued && !nested {
            self.issue(Code::Invariant, place, "an extension needs a value or extensions (ext-1)");
        }
    }
}

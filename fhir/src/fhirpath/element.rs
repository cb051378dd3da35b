//! Elements of a resource as FHIRPath sees them: typed, with the place in the document where they stand.
//! Used by `evaluate`; patches read the places.

use super::Item;
use super::syntax::TypeName;
use super::types;
use super::value::{Decimal, Moment, Quantity, Value};
use crate::json::Node;
use crate::primitive::Primitive;
use crate::table::{Key, TABLE, Type, TypeKind};
use crate::types::ResourceType;
use std::borrow::Cow;

/// Where an element stands: `parent.member` or `parent.member[index]`.
#[derive(Clone, Copy, Debug)]
pub struct Location<'a> {
    /// The object that has the member.
    pub parent: Node<'a>,
    /// The JSON member, such as `valueQuantity`; a primitive's id and extensions are in `_member`.
    pub member: &'static str,
    /// The place in the member's array, if it is one.
    pub index: Option<usize>,
}

/// One element or resource.
#[derive(Clone, Copy, Debug)]
pub struct Element<'a> {
    value: Option<Node<'a>>,
    sibling: Option<Node<'a>>,
    kind: u16,
    location: Option<Location<'a>>,
}

impl<'a> Element<'a> {
    /// A resource by its `resourceType`; none if that is no type of R4.
    #[must_use]
    pub fn resource(node: Node<'a>) -> Option<Self> {
        let kind = ResourceType::parse(&node.get("resourceType")?.text()?)?;
        Some(Self::stub(kind).with(node))
    }

    /// A value of the named datatype.
    #[must_use]
    pub fn of_type(node: Node<'a>, name: &str) -> Option<Self> {
        Some(Self { value: Some(node), sibling: None, kind: types::number(name)?, location: None })
    }

    /// A value of the numbered type of the table.
    pub(crate) fn numbered(node: Node<'a>, kind: u16) -> Self {
        Self { value: Some(node), sibling: None, kind, location: None }
    }

    /// A resource of which only the type is known: what a reference names.
    pub(super) fn stub(kind: ResourceType) -> Self {
        let kind = TABLE.resources[usize::from(kind.number())];
        Self { value: None, sibling: None, kind, location: None }
    }

    fn with(self, node: Node<'a>) -> Self {
        Self { value: Some(node), ..self }
    }

    /// The JSON value; none where only `_member` has something, or for the target of a reference.
    #[must_use]
    pub fn node(self) -> Option<Node<'a>> {
        self.value
    }

    /// The object of a primitive's id and extensions.
    #[must_use]
    pub fn sibling(self) -> Option<Node<'a>> {
        self.sibling
    }

    /// Where it stands; none for what the evaluation began with.
    #[must_use]
    pub fn location(self) -> Option<Location<'a>> {
        self.location
    }

    /// The name of its type; a nested type's is its path, such as `Patient.contact`.
    #[must_use]
    pub fn kind(self) -> &'static str {
        self.definition().name
    }

    /// Whether it is a primitive.
    #[must_use]
    pub fn is_primitive(self) -> bool {
        matches!(self.definition().kind, TypeKind::Primitive(_))
    }

    pub(super) fn definition(self) -> &'static Type {
        TABLE.kind(self.kind)
    }

    pub(super) fn is(self, kind: &TypeName) -> bool {
        types::is(self.kind, kind)
    }

    /// Appends the children of a name, as FHIRPath names them: `value` and not `valueQuantity`.
    pub(super) fn member(self, name: &str, found: &mut Vec<Item<'a>>) {
        let kind = self.definition();
        let Some(node) = self.object() else { return };
        let kind = if self.is_primitive() { TABLE.kind(TABLE.element) } else { kind };
        if let Some(key) = kind.key(name)
            && (!kind.elements[usize::from(key.element)].choice
                || kind.elements[usize::from(key.element)].name == key.name)
        {
            if !matches!(TABLE.kind(key.kind).kind, TypeKind::Primitive(_)) {
                if let Some(value) = node.get(name) {
                    push(node, key, Some(value), None, found);
                }
                return;
            }
            let (mut value, mut sibling) = (None, None);
            for (member, node) in node.members() {
                if member == name {
                    value = Some(node);
                } else if member.strip_prefix('_') == Some(name) {
                    sibling = Some(node);
                }
            }
            if value.is_some() || sibling.is_some() {
                push(node, key, value, sibling, found);
            }
            return;
        }
        let Some(element) = kind.elements.iter().position(|element| element.choice && element.name == name) else {
            return;
        };
        let mut done: Option<&'static str> = None;
        for (member, _) in node.members() {
            let plain = member.strip_prefix('_').unwrap_or(&member);
            if !plain.starts_with(name) {
                continue;
            }
            if let Some(key) = kind.key(plain)
                && usize::from(key.element) == element
                && done != Some(key.name)
            {
                done = Some(key.name);
                let sibling = node.members().find(|(member, _)| member.strip_prefix('_') == Some(key.name));
                push(node, key, node.get(key.name), sibling.map(|(_, node)| node), found);
            }
        }
    }

    /// Appends all children in the order of the document.
    pub(super) fn children(self, found: &mut Vec<Item<'a>>) {
        let Some(node) = self.object() else { return };
        let kind = if self.is_primitive() { TABLE.kind(TABLE.element) } else { self.definition() };
        let underscored = node.members().any(|(member, _)| member.starts_with('_'));
        for (member, value) in node.members() {
            if let Some(key) = kind.key(&member) {
                let sibling = underscored
                    .then(|| node.members().find(|(member, _)| member.strip_prefix('_') == Some(key.name)))
                    .flatten();
                push(node, key, Some(value), sibling.map(|(_, node)| node), found);
            } else if let Some(key) = member.strip_prefix('_').and_then(|name| kind.key(name))
                && node.get(key.name).is_none()
            {
                push(node, key, None, Some(value), found);
            }
        }
    }

    /// The object whose members are its children.
    fn object(self) -> Option<Node<'a>> {
        if self.is_primitive() { self.sibling } else { self.value }.filter(|node| node.is_object())
    }

    /// What a primitive or Quantity is to operators and functions; none for other types and without a value.
    pub(super) fn to_value(self) -> Option<Value<'a>> {
        let node = self.value?;
        let kind = self.definition();
        let TypeKind::Primitive(primitive) = kind.kind else {
            return types::is_quantity(kind.name).then(|| quantity(node)).flatten().map(Value::Quantity);
        };
        if let Some(value) = node.boolean() {
            return Some(Value::Boolean(value));
        }
        if let Some(digits) = node.number() {
            if primitive != Primitive::Decimal
                && let Ok(integer) = digits.parse()
            {
                return Some(Value::Integer(integer));
            }
            return Decimal::parse(digits).map(Value::Decimal);
        }
        let text = node.text()?;
        let moment = match primitive {
            Primitive::Date => Moment::date(&text).map(Value::Date),
            Primitive::DateTime | Primitive::Instant => Moment::date(&text).map(Value::DateTime),
            Primitive::Time => Moment::time(&text).map(Value::Time),
            _ => None,
        };
        Some(moment.unwrap_or(Value::String(text)))
    }

    /// The text of a member, of complex types.
    pub(super) fn text(self, name: &str) -> Option<Cow<'a, str>> {
        self.object()?.get(name)?.text()
    }
}

/// The unit is the UCUM code, else the unit as written.
fn quantity(node: Node<'_>) -> Option<Quantity<'_>> {
    let value = Decimal::parse(node.get("value")?.number()?)?;
    let text = |name: &str| node.get(name).and_then(Node::text);
    let unit = text("code").or_else(|| text("unit")).unwrap_or(Cow::Borrowed("1"));
    Some(Quantity { value, unit })
}

/// The items of a member, values beside their siblings.
fn push<'a>(
    parent: Node<'a>,
    key: &'static Key,
    value: Option<Node<'a>>,
    sibling: Option<Node<'a>>,
    found: &mut Vec<Item<'a>>,
) {
    let list = value.or(sibling).is_some_and(Node::is_array);
    let mut add = |value: Option<Node<'a>>, sibling: Option<Node<'a>>, index: Option<usize>| {
        let value = value.filter(|node| !node.is_null());
        let sibling = sibling.filter(|node| node.is_object());
        if value.is_none() && sibling.is_none() {
            return;
        }
        let kind = match (TABLE.kind(key.kind).kind, value) {
            (TypeKind::AnyResource, Some(node)) => Element::resource(node).map_or(key.kind, |element| element.kind),
            _ => key.kind,
        };
        let location = Some(Location { parent, member: key.name, index });
        found.push(Item::Element(Element { value, sibling, kind, location }));
    };
    if !list {
        return add(value, sibling, None);
    }
    let mut values = value.into_iter().flat_map(Node::items);
    let mut siblings = sibling.into_iter().flat_map(Node::items);
    let mut index = 0;
    loop {
        let (value, sibling) = (values.next(), siblings.next());
        if value.is_none() && sibling.is_none() {
            return;
        }
        add(value, sibling, Some(index));
        index += 1;
    }
}

//! The sets in a `meta` and how they change: profiles by their URL, tags and labels by system and code. Called by the
//! operations of `meta`. Spec: <https://hl7.org/fhir/R4/resource.html#Meta>.

use fhir::edit;
use fhir::json::Node;

/// What happens to the named members of the sets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    /// Those that are not there are added.
    Add,
    /// Those that are there go.
    Delete,
}

/// The elements of `meta` that are sets.
const SETS: [&str; 3] = ["profile", "security", "tag"];

impl Change {
    /// The new text of `meta`; none if it stays the same. Members that stay keep their text.
    pub(crate) fn apply(self, meta: Node<'_>, delta: Node<'_>) -> Option<Vec<u8>> {
        let mut members: Vec<(String, Vec<u8>)> = Vec::new();
        let mut changed = false;
        for (name, value) in meta.members() {
            let base = name.strip_prefix('_').unwrap_or(&name);
            // Extensions of profiles stand beside them, place by place.
            let list = if name == base { Some(value) } else { meta.get(base) };
            let text = match list.filter(|list| SETS.contains(&base) && list.is_array() && value.is_array()) {
                None => value.raw().to_vec(),
                Some(list) => {
                    let named = delta.get(base);
                    let goes = |item| self == Self::Delete && holds(named, item);
                    let stay = list.items().zip(value.items()).filter(|(item, _)| !goes(*item));
                    let mut kept: Vec<&[u8]> = stay.map(|(_, own)| own.raw()).collect();
                    changed |= kept.len() < value.items().count();
                    if self == Self::Add && name == base {
                        let new = added(Some(list), named);
                        changed |= !new.is_empty();
                        kept.extend(new);
                    }
                    if kept.iter().all(|own| *own == b"null") {
                        continue;
                    }
                    array(&kept)
                }
            };
            members.push((name.into_owned(), text));
        }
        for name in SETS.into_iter().filter(|name| self == Self::Add && meta.get(name).is_none()) {
            let new = added(None, delta.get(name));
            if !new.is_empty() {
                changed = true;
                members.push((name.to_owned(), array(&new)));
            }
        }
        changed.then(|| object(&members))
    }
}

/// The items of `named` that are not in `list`, each once.
fn added<'a>(list: Option<Node<'_>>, named: Option<Node<'a>>) -> Vec<&'a [u8]> {
    let mut new: Vec<Node<'a>> = Vec::new();
    for item in named.into_iter().flat_map(Node::items) {
        if !holds(list, item) && !new.iter().any(|known| same(*known, item)) {
            new.push(item);
        }
    }
    new.into_iter().map(Node::raw).collect()
}

fn holds(list: Option<Node<'_>>, item: Node<'_>) -> bool {
    list.into_iter().flat_map(Node::items).any(|other| same(other, item))
}

fn same(a: Node<'_>, b: Node<'_>) -> bool {
    if a.is_object() != b.is_object() {
        return false;
    }
    let part = |node: Node<'_>, name: &str| node.get(name).and_then(Node::text).map(|text| text.into_owned());
    match a.is_object() {
        true => part(a, "system") == part(b, "system") && part(a, "code") == part(b, "code"),
        false => a.text().is_some() && a.text() == b.text(),
    }
}

fn array(items: &[&[u8]]) -> Vec<u8> {
    [b"[".as_slice(), &items.join(&b","[..]), b"]"].concat()
}

fn object(members: &[(String, Vec<u8>)]) -> Vec<u8> {
    let members: Vec<Vec<u8>> =
        members.iter().map(|(name, text)| [&edit::string(name)[..], b":", text].concat()).collect();
    [b"{".as_slice(), &members.join(&b","[..]), b"}"].concat()
}

#[cfg(test)]
mod tests {
    use super::*;
    use fhir::json::Doc;

    #[test]
    fn sets_take_and_give_members() {
        let meta = r#"{"versionId":"1","profile":["u:a","u:b"],"_profile":[null,{"id":"x"}],"tag":[{"system":"s","code":"t","display":"T"}]}"#;
        check(Change::Add, meta, r#"{"profile":["u:a"],"tag":[{"system":"s","code":"t"}]}"#, None);
        check(Change::Add, "{}", r#"{"tag":[{"code":"t"},{"code":"t"}]}"#, Some(r#"{"tag":[{"code":"t"}]}"#));
        check(
            Change::Add,
            meta,
            r#"{"security":[{"system":"s","code":"R"}],"tag":[{"system":"o","code":"t"}]}"#,
            Some(
                r#"{"versionId":"1","profile":["u:a","u:b"],"_profile":[null,{"id":"x"}],"tag":[{"system":"s","code":"t","display":"T"},{"system":"o","code":"t"}],"security":[{"system":"s","code":"R"}]}"#,
            ),
        );
        check(Change::Delete, meta, r#"{"tag":[{"code":"t"}],"profile":["u:c"]}"#, None);
        check(
            Change::Delete,
            meta,
            r#"{"tag":[{"system":"s","code":"t"}],"profile":["u:b"]}"#,
            Some(r#"{"versionId":"1","profile":["u:a"]}"#),
        );
    }

    fn check(change: Change, meta: &str, delta: &str, wanted: Option<&str>) {
        let (meta, delta) = (Doc::parse(meta.into()).unwrap(), Doc::parse(delta.into()).unwrap());
        let found = change.apply(meta.root(), delta.root()).map(|text| String::from_utf8(text).unwrap());
        assert_eq!(found.as_deref(), wanted);
    }
}

//! A new JSON value written with the bytes, the order and the layout of the old one wherever both say the same. Called
//! when a patch went through XML, which knows neither.

use crate::edit;
use crate::json::Node;
use crate::patch::equal::{Numbers, equal};

/// The text of `new`, as near to the text of `old` as it can be.
pub(super) fn onto(old: Node<'_>, new: Node<'_>) -> Vec<u8> {
    if equal(old, new, Numbers::Digits) {
        return old.raw().to_vec();
    }
    if old.is_object() && new.is_object() {
        return object(old, new);
    }
    if old.is_array() && new.is_array() {
        return array(old, new);
    }
    new.raw().to_vec()
}

fn object(old: Node<'_>, new: Node<'_>) -> Vec<u8> {
    let base = old.range().start;
    let gone = old.members().filter(|(key, _)| new.get(key).is_none()).count();
    // Where members go, commas go with them: they are written anew, their values are not.
    if gone > 0 || old.members().next().is_none() {
        let mut out = vec![b'{'];
        let mut put = |key: &str, value: &[u8]| {
            if out.len() > 1 {
                out.push(b',');
            }
            out.extend_from_slice(&edit::string(key));
            out.push(b':');
            out.extend_from_slice(value);
        };
        for (key, value) in old.members() {
            if let Some(other) = new.get(&key) {
                put(&key, &onto(value, other));
            }
        }
        for (key, value) in new.members().filter(|(key, _)| old.get(key).is_none()) {
            put(&key, value.raw());
        }
        out.push(b'}');
        return out;
    }
    let mut edits = Vec::new();
    for (key, value) in old.members() {
        if let Some(other) = new.get(&key) {
            let range = value.range();
            edits.push((range.start - base..range.end - base, onto(value, other)));
        }
    }
    let mut added = Vec::new();
    for (key, value) in new.members().filter(|(key, _)| old.get(key).is_none()) {
        added.push(b',');
        added.extend_from_slice(&edit::string(&key));
        added.push(b':');
        added.extend_from_slice(value.raw());
    }
    if let Some((_, last)) = old.members().last() {
        let at = last.range().end - base;
        edits.push((at..at, added));
    }
    edit::replace(old.raw(), &edits)
}

fn array(old: Node<'_>, new: Node<'_>) -> Vec<u8> {
    let olds: Vec<Node<'_>> = old.items().collect();
    let news: Vec<Node<'_>> = new.items().collect();
    if olds.len() == news.len() {
        let base = old.range().start;
        let edits = olds.iter().zip(&news).map(|(a, b)| {
            let range = a.range();
            (range.start - base..range.end - base, onto(*a, *b))
        });
        return edit::replace(old.raw(), &edits.collect::<Vec<_>>());
    }
    let same = |a: &Node<'_>, b: &Node<'_>| equal(*a, *b, Numbers::Digits);
    let head = olds.iter().zip(&news).take_while(|(a, b)| same(a, b)).count();
    let tail = olds[head..].iter().rev().zip(news[head..].iter().rev()).take_while(|(a, b)| same(a, b)).count();
    let mut out = vec![b'['];
    for (index, item) in news.iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        if index < head {
            out.extend_from_slice(olds[index].raw());
        } else if index >= news.len() - tail {
            out.extend_from_slice(olds[olds.len() - (news.len() - index)].raw());
        } else {
            out.extend_from_slice(item.raw());
        }
    }
    out.push(b']');
    out
}

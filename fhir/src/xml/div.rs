//! The narrative's XHTML: taken out of XML text as it stands there, and checked before it is put into some, since what
//! JSON carries as a string may be no XML at all. Which elements a narrative may have is `validate`'s.
//! Spec: <https://hl7.org/fhir/R4/narrative.html>. Called by the reader, the writer and `patch/xml`.

use super::entities::resolved;
use super::names::{self, Names, Tag, is_name};
use super::{ATTRIBUTES_MAX, XHTML};
use quick_xml::Reader;
use quick_xml::events::Event;
use std::borrow::Cow;
use std::fmt::Write as _;

/// Deepest nesting inside a narrative; `validate` holds the same.
const DIV_DEPTH_MAX: usize = 200;

/// What is wrong, as a sentence.
type Fault = &'static str;

/// The div as the JSON string has it: as written where it is plain XHTML, else with its prefixes taken off.
///
/// `text` is the element with its tags, `names` the namespaces in force around it.
pub(crate) fn take(text: &str, names: &Names<'_>) -> Result<String, Fault> {
    let root = inspect(text)?;
    let plain = !root.prefixed && root.namespace.as_deref() == Some(XHTML);
    let text = if plain { text.to_owned() } else { unprefixed(text, names)? };
    // XML reads every line end as a newline.
    Ok(if text.contains('\r') { text.replace("\r\n", "\n").replace('\r', "\n") } else { text })
}

/// The div of a JSON string as it can stand in XML.
pub(crate) fn give(text: &str) -> Result<String, Fault> {
    let text = text.trim();
    let (text, root) = match inspect(text) {
        Ok(root) => (Cow::Borrowed(text), root),
        // HTML's named characters are no XML, but say the same as the characters.
        Err(fault) if text.contains('&') => {
            let text = resolved(text);
            let root = inspect(&text).map_err(|_| fault)?;
            (Cow::Owned(text), root)
        }
        Err(fault) => return Err(fault),
    };
    if root.prefixed {
        return Err("the narrative may not use prefixes of namespaces");
    }
    match root.namespace.as_deref() {
        Some(XHTML) => Ok(text.into_owned()),
        None => Ok(format!("<div xmlns=\"{XHTML}\"{}", &text["<div".len()..])),
        Some(_) => Err("the narrative's div is in another namespace than XHTML's"),
    }
}

struct Root {
    namespace: Option<String>,
    prefixed: bool,
}

/// Checks that it is one well-formed div.
fn inspect(text: &str) -> Result<Root, Fault> {
    let mut xml = Reader::from_str(text);
    let (mut depth, mut at, mut done) = (0_usize, 0_usize, false);
    let mut root = Root { namespace: None, prefixed: false };
    loop {
        let event = xml.read_event().map_err(|_| "the narrative is not well-formed")?;
        let end = usize::try_from(xml.buffer_position()).map_err(|_| "the narrative is too long")?;
        match event {
            Event::Start(_) | Event::Empty(_) => {
                let empty = matches!(event, Event::Empty(_));
                let tag = Tag::of(&text[at..end], at, empty);
                if done {
                    return Err("the narrative must be one div");
                }
                if depth >= DIV_DEPTH_MAX {
                    return Err("the narrative is nested deeper than 200 elements");
                }
                let namespace = start(&tag, &mut root)?;
                if depth == 0 {
                    if tag.split().1 != "div" {
                        return Err("the narrative must be a div");
                    }
                    root.namespace = namespace;
                } else if namespace.is_some_and(|uri| uri != XHTML) {
                    return Err("the narrative has elements of another namespace than XHTML's");
                }
                depth += usize::from(!empty);
                done = depth == 0;
            }
            Event::End(_) => {
                depth = depth.checked_sub(1).ok_or("the narrative is not well-formed")?;
                done = depth == 0;
            }
            Event::Text(text) if depth > 0 => content(&text)?,
            Event::CData(text) if depth > 0 => content(&text.replace("]]>", ""))?,
            Event::Comment(text) if depth > 0 && !text.contains("--") && !text.ends_with('-') => content(&text)?,
            Event::GeneralRef(name) if depth > 0 => reference(&name)?,
            Event::Eof if done => return Ok(root),
            Event::Eof => return Err("the narrative is not well-formed"),
            Event::DocType(_) => return Err("a narrative may not have a DTD"),
            Event::PI(_) | Event::Decl(_) => return Err("a narrative may not have processing instructions"),
            _ => return Err("the narrative must be one div"),
        }
        at = end;
    }
}

/// Checks a start tag; the default namespace it declares.
fn start(tag: &Tag<'_>, root: &mut Root) -> Result<Option<String>, Fault> {
    let mut namespace = None;
    if !is_name(tag.name) {
        return Err("the narrative has an element whose name is none");
    }
    root.prefixed |= tag.name.contains(':');
    for (count, attribute) in tag.attributes().enumerate() {
        let attribute = attribute.map_err(|_| "the narrative's attributes are not well-formed")?;
        if count >= ATTRIBUTES_MAX || !is_name(attribute.key.0) {
            return Err("the narrative's attributes are not well-formed");
        }
        let value = names::value(&attribute)?;
        match attribute.key.0.split_once(':') {
            None if attribute.key.0 == "xmlns" => namespace = Some(value.into_owned()),
            // A prefix that the div itself declares and only attributes use may stay; others lose their meaning.
            Some((prefix, _)) if prefix != "xml" => root.prefixed = true,
            _ => {}
        }
    }
    Ok(namespace)
}

fn content(text: &str) -> Result<(), Fault> {
    if text.contains("]]>") || text.chars().any(|character| !names::is_character(character)) {
        return Err("the narrative has characters that XML does not have");
    }
    Ok(())
}

fn reference(name: &quick_xml::events::BytesRef<'_>) -> Result<(), Fault> {
    let known = match name.resolve_char_ref() {
        Ok(Some(character)) => names::is_character(character),
        Ok(None) => matches!(&**name, "lt" | "gt" | "amp" | "quot" | "apos"),
        Err(_) => false,
    };
    if known { Ok(()) } else { Err("the narrative has entities that XML does not have; use the characters themselves") }
}

/// The same div with `h:p` as `p`, where `h` is XHTML's, and the namespace at the div.
fn unprefixed(text: &str, outer: &Names<'_>) -> Result<String, Fault> {
    let mut names = Names::default();
    let mut left = Vec::new();
    let mut xml = Reader::from_str(text);
    let mut out = String::with_capacity(text.len() + 48);
    let mut at = 0;
    loop {
        let event = xml.read_event().map_err(|_| "the narrative is not well-formed")?;
        let end = usize::try_from(xml.buffer_position()).map_err(|_| "the narrative is too long")?;
        match event {
            Event::Start(_) | Event::Empty(_) => {
                let tag = Tag::of(&text[at..end], at, matches!(event, Event::Empty(_)));
                let before = names.enter(&tag)?;
                let (prefix, local) = tag.split();
                if names.of(prefix).or_else(|| outer.of(prefix)) != Some(XHTML) {
                    return Err("the narrative has elements of another namespace than XHTML's");
                }
                write!(out, "<{local}").expect("a String takes everything");
                if at == 0 {
                    write!(out, " xmlns=\"{XHTML}\"").expect("a String takes everything");
                }
                for attribute in tag.attributes().take(ATTRIBUTES_MAX) {
                    let attribute = attribute.map_err(|_| "the narrative's attributes are not well-formed")?;
                    let key = attribute.key.0;
                    if key == "xmlns" || key.starts_with("xmlns:") {
                        continue;
                    }
                    if key.contains(':') && !key.starts_with("xml:") {
                        return Err("the narrative has attributes of another namespace than XHTML's");
                    }
                    let quote = if attribute.value.contains('"') { '\'' } else { '"' };
                    write!(out, " {key}={quote}{}{quote}", attribute.value).expect("a String takes everything");
                }
                out.push_str(if tag.empty { "/>" } else { ">" });
                if tag.empty { names.leave(before) } else { left.push(before) }
            }
            Event::End(name) => {
                write!(out, "</{}>", name.local_name().as_ref()).expect("a String takes everything");
                names.leave(left.pop().unwrap_or_default());
            }
            Event::Eof => return Ok(out),
            _ => out.push_str(&text[at..end]),
        }
        at = end;
    }
}

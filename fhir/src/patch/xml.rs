//! XML Patch: RFC 5261 with the XPath that FHIR's documents need. The resource is written as XML, changed there, read
//! back, and what says the same as before keeps the bytes it had in JSON. Called by `server` through [`super::xml()`].
//!
//! A selector is a path of elements with `[2]`, `[@id='a']` and `[f:system/@value='b']`, ending at an element, an
//! attribute or `text()`. Prefixes are the patch document's; `f` is FHIR where it is not declared. Elements must be
//! put where their schema has them: XML has an order. Issues name the operation as `diff.add[0]`, counted among all.

mod graft;
mod operation;
mod select;
mod tree;

use super::text::Subject;
use super::{Refused, finish};
use crate::json::Doc;
use crate::xml;

/// Applies an XML Patch to a resource; the new JSON text.
///
/// # Errors
/// [`Refused::Document`] for a text that is no XML Patch or has selectors of another kind,
/// [`Refused::NotApplicable`] for a selector that does not find exactly one place and for a result that is no FHIR XML.
pub fn xml(doc: &Doc, patch: &[u8]) -> Result<Vec<u8>, Refused> {
    let mut work = Subject::new(doc);
    let before = xml::write(doc, false).map_err(Refused::NotApplicable)?;
    let before = String::from_utf8(before).expect("our XML is text");
    let after = change(before, patch, &mut work)?;
    let json = xml::read(after.as_bytes()).map_err(Refused::NotApplicable)?;
    let json = Doc::parse(json).map_err(|issue| Refused::NotApplicable(issue.into()))?;
    finish(doc, &json)?;
    Ok(graft::onto(doc.root(), json.root()))
}

/// Applies a patch to XML text.
fn change(mut text: String, patch: &[u8], work: &mut Subject) -> Result<String, Refused> {
    let patch = std::str::from_utf8(patch)
        .map_err(|_| Refused::document(crate::Code::Structure, "diff", "the XML Patch is not UTF-8"))?;
    let patch = patch.strip_prefix('\u{feff}').unwrap_or(patch);
    let patch = tree::Tree::read(patch).map_err(|rule| Refused::document(crate::Code::Structure, "diff", rule))?;
    for operation in operation::read(&patch)? {
        work.spend(operation.cost(text.len()), &operation.place)?;
        text = operation.apply(&text)?;
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TARGET: &str =
        r#"<doc xmlns="http://hl7.org/fhir"><foo t="1">test</foo><foo t="2"><bar value="x"/></foo><e/></doc>"#;

    #[test]
    fn the_operations_of_rfc_5261_change_one_place() {
        for (patch, wanted) in [
            (r#"<remove sel="f:doc/f:foo[1]"/>"#, r#"<foo t="2"><bar value="x"/></foo><e/>"#),
            (r#"<remove sel="/f:doc/f:foo[@t='2']"/>"#, r#"<foo t="1">test</foo><e/>"#),
            (r#"<remove sel="f:doc/f:foo[f:bar/@value='x']"/>"#, r#"<foo t="1">test</foo><e/>"#),
            (r#"<remove sel="f:doc/f:foo[2]/@t"/>"#, r#"<foo t="1">test</foo><foo><bar value="x"/></foo><e/>"#),
            (r#"<remove sel="f:doc/f:foo[1]/text()"/>"#, r#"<foo t="1"></foo><foo t="2"><bar value="x"/></foo><e/>"#),
            (r#"<remove sel="*/f:e" ws="both"/>"#, r#"<foo t="1">test</foo><foo t="2"><bar value="x"/></foo>"#),
            (
                r#"<add sel="f:doc"><new value="a"/></add>"#,
                r#"<foo t="1">test</foo><foo t="2"><bar value="x"/></foo><e/><new value="a"/>"#,
            ),
            (
                r#"<add sel="f:doc" pos="prepend"><x:new xmlns:x="http://hl7.org/fhir" value="&lt;"><x:y/></x:new></add>"#,
                r#"<new value="&lt;"><y/></new><foo t="1">test</foo><foo t="2"><bar value="x"/></foo><e/>"#,
            ),
            (
                r#"<add sel="f:doc/f:e" pos="before"><new/></add><add sel="f:doc/f:e" pos="after"><new/></add>"#,
                r#"<foo t="1">test</foo><foo t="2"><bar value="x"/></foo><new/><e/><new/>"#,
            ),
            (
                r#"<add sel="f:doc/f:e"><h:div xmlns:h="http://www.w3.org/1999/xhtml">a<h:b>c</h:b>&amp;</h:div></add>"#,
                r#"<foo t="1">test</foo><foo t="2"><bar value="x"/></foo><e><div xmlns="http://www.w3.org/1999/xhtml">a<b>c</b>&amp;</div></e>"#,
            ),
            (
                r#"<add sel="f:doc/f:e" type="@id">a"b</add>"#,
                r#"<foo t="1">test</foo><foo t="2"><bar value="x"/></foo><e id="a&quot;b"/>"#,
            ),
            (
                r#"<replace sel="f:doc/f:foo[2]/f:bar/@value">y&amp;</replace>"#,
                r#"<foo t="1">test</foo><foo t="2"><bar value="y&amp;"/></foo><e/>"#,
            ),
            (
                r#"<replace sel="f:doc/f:foo[1]/text()">new</replace>"#,
                r#"<foo t="1">new</foo><foo t="2"><bar value="x"/></foo><e/>"#,
            ),
            (r#"<replace sel="f:doc/f:foo[1]"> <foo/> </replace>"#, r#"<foo/><foo t="2"><bar value="x"/></foo><e/>"#),
        ] {
            let wanted = format!(r#"<doc xmlns="http://hl7.org/fhir">{wanted}</doc>"#);
            assert_eq!(run(patch).as_deref(), Ok(wanted.as_str()), "{patch}");
        }
    }

    #[test]
    fn other_patches_are_refused() {
        for (patch, document, rule) in [
            (r#"<remove sel="f:doc/f:foo"/>"#, false, "several"),
            (r#"<remove sel="f:doc/f:none"/>"#, false, "nothing"),
            (r#"<remove sel="f:doc/g:foo"/>"#, true, "prefix"),
            (r#"<remove sel="f:doc/f:foo[3]"/>"#, false, "nothing"),
            (r#"<remove sel="f:doc/f:e/@a"/>"#, false, "attribute"),
            (r#"<remove sel="f:doc"/>"#, false, "outermost"),
            (r#"<remove sel="//f:foo"/>"#, true, "selector"),
            (r#"<remove sel="f:doc/f:foo[position()=1]"/>"#, true, "selector"),
            (r#"<remove/>"#, true, "sel"),
            (r#"<add sel="f:doc"><x xmlns="urn:other"/></add>"#, true, "namespace"),
            (r#"<add sel="f:doc" pos="inside"><x/></add>"#, true, "pos"),
            (r#"<add sel="f:doc" type="namespace::x">urn:y</add>"#, true, "type"),
            (r#"<add sel="f:doc" type="@id">a</add><add sel="f:doc" type="@id">a</add>"#, false, "attribute"),
            (r#"<replace sel="f:doc/f:e"/>"#, true, "one element"),
            (r#"<swap sel="f:doc"/>"#, true, "add, replace and remove"),
            ("text", true, "text"),
            ("<remove", true, "name that is none"),
            ("<remove sel='a'>", true, "well-formed"),
        ] {
            let outcome = match run(patch) {
                Err(Refused::Document(outcome)) if document => outcome,
                Err(Refused::NotApplicable(outcome)) if !document => outcome,
                other => panic!("{patch}: {other:?}"),
            };
            assert!(outcome.issues[0].diagnostics.contains(rule), "{patch}: {outcome}");
        }
    }

    /// HL7's cases (FHIR/fhir-test-cases, Apache-2.0), where `CHARTWELL_DATA` has them: how XML is compared there is not
    /// said, so blanks are left out.
    #[test]
    fn the_official_cases_pass() {
        let Some(data) = std::env::var_os("CHARTWELL_DATA") else { return };
        let path = std::path::PathBuf::from(data).join("fhir-test-cases/r4/patch/xml-patch-tests.xml");
        let Ok(text) = std::fs::read_to_string(path) else { return };
        let inside = |case: &str, from: &str, to: &str| {
            let (_, rest) = case.split_once(from)?;
            rest.split_once(to).map(|(inside, _)| inside.trim().to_owned())
        };
        let mut faults = Vec::new();
        let mut count = 0;
        for case in text.split("<case ").skip(1) {
            let name = case.split('"').nth(1).unwrap();
            let target = inside(case, "<target>", "</target>").unwrap_or_default();
            let patch = inside(case, "<patch", "</patch>").map(|patch| format!("<patch {patch}</patch>"));
            let wanted = inside(case, "<patched>", "</patched>");
            let doc = Doc::parse(b"{}".to_vec()).unwrap();
            let found = change(target, patch.unwrap_or_default().as_bytes(), &mut Subject::new(&doc));
            let plain = |xml: &str| {
                let words: String = xml.split_whitespace().collect();
                regex_lite::Regex::new("([^/])></[a-z]+>").unwrap().replace_all(&words, "$1/>").into_owned()
            };
            count += 1;
            let good = match (&found, &wanted) {
                (Ok(found), Some(wanted)) => plain(found) == plain(wanted),
                (Err(_), None) => true,
                _ => false,
            };
            if good == NOT_PASSED.iter().any(|(known, _)| *known == name) {
                faults.push(format!("{name}: {found:?}, not {wanted:?}"));
            }
        }
        assert!(faults.is_empty(), "{} of {count}:\n{}", faults.len(), faults.join("\n"));
    }

    /// Cases of what FHIR's resources do not have.
    const NOT_PASSED: [(&str, &str); 8] = [
        ("A.3.  Adding a Prefixed Namespace Declaration", "FHIR has no other namespaces"),
        ("A.4.  Adding a Comment Node with the 'pos' Attribute", "JSON has no comments"),
        ("A.8.  Replacing a Namespace Declaration URI", "FHIR has no other namespaces"),
        ("A.9.  Replacing a Comment Node", "JSON has no comments"),
        ("A.10.  Replacing a Processing Instruction Node", "resources have no processing instructions"),
        ("A.14.  Removing a Prefixed Namespace Declaration", "FHIR has no other namespaces"),
        ("A.15.  Removing a Comment Node", "JSON has no comments"),
        ("A.16.  Removing a Processing Instruction Node", "resources have no processing instructions"),
    ];

    fn run(patch: &str) -> Result<String, Refused> {
        let patch = format!(r#"<diff xmlns="http://hl7.org/fhir" xmlns:x="urn:x">{patch}</diff>"#);
        let doc = Doc::parse(b"{}".to_vec()).unwrap();
        change(TARGET.to_owned(), patch.as_bytes(), &mut Subject::new(&doc))
    }
}

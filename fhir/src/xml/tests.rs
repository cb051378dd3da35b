//! What the reader takes and refuses, and that both directions give back what they got.

use super::{read, write};
use crate::json::Doc;
use crate::outcome::Code;

const OPEN: &str = r#"<Patient xmlns="http://hl7.org/fhir">"#;

#[test]
fn xml_becomes_the_json_of_the_definitions() {
    for (xml, json) in [
        (r#"<active value="true"/>"#, r#""active":true"#),
        // Lists, and what stands beside their primitives.
        (
            r#"<name><given value="a"/><given id="g"/><given value="b"><extension url="u"><valueDecimal value="1.00"/></extension></given></name>"#,
            r#""name":[{"given":["a",null,"b"],"_given":[null,{"id":"g"},{"extension":[{"url":"u","valueDecimal":1.00}]}]}]"#,
        ),
        (r#"<name><given id="g"/></name>"#, r#""name":[{"_given":[{"id":"g"}]}]"#),
        (
            r#"<birthDate id="b" value="2000"><extension url="u"><valueBoolean value="false"/></extension></birthDate>"#,
            r#""birthDate":"2000","_birthDate":{"id":"b","extension":[{"url":"u","valueBoolean":false}]}"#,
        ),
        // Ids of elements are attributes, of resources elements.
        (
            r#"<id value="a"/><contained><Group><id value="g"/></Group></contained><extension id="e" url="u"><valueInteger value="-7"/></extension><name id="n"><text value="t"/></name>"#,
            r#""id":"a","contained":[{"resourceType":"Group","id":"g"}],"extension":[{"id":"e","url":"u","valueInteger":-7}],"name":[{"id":"n","text":"t"}]"#,
        ),
        // Escapes.
        (
            r#"<name><text value="&lt;&amp;&quot;&#10;&#9;'é😀&amp;lt;"/></name>"#,
            r#""name":[{"text":"<&\"\n\t'é😀&lt;"}]"#,
        ),
        (
            r#"<text><status value="generated"/><div xmlns="http://www.w3.org/1999/xhtml" xml:lang="en">a &lt; <b class='x'>b</b><!-- c --><br/>
 </div></text>"#,
            r#""text":{"status":"generated","div":"<div xmlns=\"http://www.w3.org/1999/xhtml\" xml:lang=\"en\">a &lt; <b class='x'>b</b><!-- c --><br/>\n </div>"}"#,
        ),
        (r#"<multipleBirthInteger value="2"/>"#, r#""multipleBirthInteger":2"#),
    ] {
        let xml = format!("{OPEN}{xml}</Patient>");
        let json = format!(r#"{{"resourceType":"Patient",{json}}}"#);
        assert_eq!(text(read(xml.as_bytes()).unwrap()), json);
        assert_eq!(text(write(&doc(&json), false).unwrap()), xml);
        assert_eq!(text(read(&write(&doc(&json), true).unwrap()).unwrap()), json);
    }
}

#[test]
fn xml_may_be_written_in_several_ways() {
    let json = r#"{"resourceType":"Patient","active":true,"text":{"div":"<div xmlns=\"http://www.w3.org/1999/xhtml\">a<b>c</b></div>"}}"#;
    let json = Doc::parse(json.as_bytes().to_vec()).unwrap();
    let wanted = read(&write(&json, false).unwrap()).unwrap();
    let div = r#"<div xmlns="http://www.w3.org/1999/xhtml">a<b>c</b></div>"#;
    for xml in [
        format!(
            "\u{feff}<?xml version='1.0' encoding='utf-8'?><?xml-stylesheet href='a'?><!-- a -->\n{OPEN}<!-- b --><text>{div}</text><active value='true'></active>\n</Patient><!-- c -->\n"
        ),
        format!(
            r#"<Patient xmlns="http://hl7.org/fhir" xmlns:i="http://www.w3.org/2001/XMLSchema-instance" i:schemaLocation="http://hl7.org/fhir a.xsd"><text>{div}</text><active value="true"/></Patient>"#
        ),
        format!(
            r#"<f:Patient xmlns:f="http://hl7.org/fhir"><f:text>{div}</f:text><f:active xmlns="urn:a" value="true"/></f:Patient>"#
        ),
        format!(
            r#"{OPEN}<text xmlns:h="http://www.w3.org/1999/xhtml"><h:div>a<h:b>c</h:b></h:div></text><active value="true"/></Patient>"#
        ),
        format!(
            r#"{OPEN}<text><h:div xmlns:h="http://www.w3.org/1999/xhtml">a<h:b>c</h:b></h:div></text><active value="true"/></Patient>"#
        ),
    ] {
        assert_eq!(text(read(xml.as_bytes()).unwrap()), text(wanted.clone()), "{xml}");
    }
    let xml =
        format!("{OPEN}<name><text value=\"a\tb\r\nc&#13;\"/></name><multipleBirthInteger value=\"+2\"/></Patient>");
    let wanted = r#"{"resourceType":"Patient","name":[{"text":"a b c\r"}],"multipleBirthInteger":2}"#;
    assert_eq!(text(read(xml.as_bytes()).unwrap()), wanted);
}

#[test]
fn other_xml_is_refused_where_it_is_wrong() {
    for (xml, place, rule) in [
        (r#"<active value="true"/><color value="red"/>"#, "Patient.color", "line 1: Patient has no such element"),
        ("\n\n<name>\n<nick value='a'/></name>", "Patient.name[0].nick", "line 4: HumanName has no such element"),
        (r#"<active value="true" unit="a"/>"#, "Patient.active", "no such attribute"),
        (r#"<active value="true" url="a"/>"#, "Patient.active", "no such attribute"),
        (r#"<name value="a"/>"#, "Patient.name[0]", "no such attribute"),
        (r#"<active value=""/>"#, "Patient.active", "may not be empty"),
        ("<active/>", "Patient.active", "needs a value or an extension"),
        (r#"<active value="1"/>"#, "Patient.active", "must be true or false"),
        (r#"<multipleBirthInteger value="007"/>"#, "Patient.multipleBirthInteger", "must be a number"),
        (r#"<multipleBirthInteger value="1.e"/>"#, "Patient.multipleBirthInteger", "must be a number"),
        (r#"<active value="true"/><active value="true"/>"#, "Patient.active", "once only"),
        (
            r#"<multipleBirthBoolean value="true"/><multipleBirthInteger value="2"/>"#,
            "Patient.multipleBirthInteger",
            "only one of multipleBirth[x]",
        ),
        (r#"<gender value="male"/><active value="true"/>"#, "Patient.active", "must stand before gender"),
        (r#"<active value="true"/>text"#, "Patient", "text may not stand here"),
        (r#"<active value="true">text</active>"#, "Patient.active", "text may not stand here"),
        (r#"<active value="true"/><![CDATA[a]]>"#, "Patient", "text may not stand here"),
        (r#"<active value="true"/>&amp;"#, "Patient", "text may not stand here"),
        (r#"<?a b?>"#, "Patient", "processing instructions"),
        (r#"<name><text value="&nbsp;"/></name>"#, "Patient.name[0].text", "only &lt;"),
        (r#"<name><text value="&#0;"/></name>"#, "Patient.name[0].text", "only &lt;"),
        (r#"<name><text value="&#1;"/></name>"#, "Patient.name[0].text", "XML does not have"),
        (r#"<active xmlns="urn:a" value="true"/>"#, "Patient.active", "must be in the namespace"),
        (r#"<a:active value="true"/>"#, "Patient.active", "must be in the namespace"),
        (r#"<text><div>a</div></text>"#, "Patient.text.div", "namespace http://www.w3.org/1999/xhtml"),
        (r#"<text><div xmlns="http://www.w3.org/1999/xhtml">&nbsp;</div></text>"#, "Patient.text.div", "entities"),
        (
            r#"<text><div xmlns="http://www.w3.org/1999/xhtml"><p xmlns="urn:a"/></div></text>"#,
            "Patient.text.div",
            "another namespace",
        ),
        (r#"<text><div xmlns="http://www.w3.org/1999/xhtml"><?a?></div></text>"#, "Patient.text.div", "processing"),
        ("<contained/>", "Patient.contained[0]", "a resource must stand here"),
        ("<contained><Group/><Group/></contained>", "Patient.contained[0]", "not several"),
        ("<contained><Thing/></contained>", "Patient.contained[0]", "no resource type"),
        (r#"<id value="a"/><contained id="a"><Group/></contained>"#, "Patient.contained[0]", "no such attribute"),
        (r#"<name><id value="a"/></name>"#, "Patient.name[0].id", "no such element"),
        (r#"<active value="true" value="false"/>"#, "Patient.active", "not well-formed"),
    ] {
        refused(&format!("{OPEN}{xml}</Patient>"), place, rule);
    }
    for (xml, rule) in [
        ("", "no element"),
        ("text", "only an element"),
        ("<Patient/>", "namespace http://hl7.org/fhir"),
        (r#"<Patient xmlns="http://hl7.org/fhir" id="a"/>"#, "its id is an element"),
        (r#"<Patient xmlns="http://hl7.org/fhir" xsi:schemaLocation="a b"/>"#, "no such attribute"),
        (r#"<patient xmlns="http://hl7.org/fhir"/>"#, "no resource type"),
        (r#"<Patient xmlns="http://hl7.org/fhir"/><a/>"#, "text after"),
        (r#"<Patient xmlns="http://hl7.org/fhir"/>a"#, "text after"),
        (r#"<!DOCTYPE Patient [<!ENTITY a "b">]><Patient xmlns="http://hl7.org/fhir"/>"#, "DTD"),
        (r#"<?xml version="1.0" encoding="ISO-8859-1"?><Patient xmlns="http://hl7.org/fhir"/>"#, "UTF-8"),
        (r#"<Patient xmlns="http://hl7.org/fhir"><active value="true"/>"#, "not well-formed"),
        (r#"<Patient xmlns="http://hl7.org/fhir"></Group>"#, "not well-formed"),
    ] {
        let outcome = read(xml.as_bytes()).expect_err(xml);
        assert!(outcome.issues.iter().any(|issue| issue.diagnostics.contains(rule)), "{xml}: {outcome}");
    }
    for (bytes, rule) in
        [(&b"\xfe\xff\0<"[..], "UTF-16"), (&b"\xff\xfe<\0"[..], "UTF-16"), (&b"<a>\xff</a>"[..], "UTF-8")]
    {
        assert!(read(bytes).unwrap_err().issues[0].diagnostics.contains(rule), "{rule}");
    }
}

#[test]
fn limits_are_named() {
    let extension = r#"<extension url="u">"#;
    let deep = format!("{OPEN}{}{}</Patient>", extension.repeat(48), "</extension>".repeat(48));
    limited(&deep, "48 elements");
    let wide = format!("{OPEN}{}</Patient>", "<a/>".repeat(super::ELEMENTS_MAX + 1));
    limited(&wide, "1,000,000 elements");
    let attributes: String = (0..100).map(|number| format!(" a{number}=\"\"")).collect();
    limited(&format!("{OPEN}<active{attributes}/></Patient>"), "64 attributes");
}

#[test]
fn all_faults_are_told_at_once() {
    let xml = format!("{OPEN}<color value=\"red\"/>\n<active value=\"1\"/>\ntext</Patient>");
    let issues = read(xml.as_bytes()).unwrap_err().issues;
    let lines: Vec<_> = issues.iter().map(|issue| &issue.diagnostics[..10]).collect();
    assert_eq!(lines, ["XML line 1", "XML line 2", "XML line 2"]);
}

#[test]
fn the_writer_orders_members_and_refuses_what_xml_cannot_say() {
    let json = r#"{"_birthDate":{"id":"b"},"active":true,"id":"a","resourceType":"Patient","birthDate":"2000"}"#;
    let wanted = format!(r#"{OPEN}<id value="a"/><active value="true"/><birthDate id="b" value="2000"/></Patient>"#);
    assert_eq!(text(write(&doc(json), false).unwrap()), wanted);
    let json = r#"{"resourceType":"Patient","text":{"div":"<div>&nbsp;&amp;&euro;&#169;</div>"}}"#;
    let wanted = "<text><div xmlns=\"http://www.w3.org/1999/xhtml\">\u{a0}&amp;€&#169;</div></text></Patient>";
    assert_eq!(text(write(&doc(json), false).unwrap()), format!("{OPEN}{wanted}"));
    let json = r#"{"resourceType":"Patient","extension":[{"valueBoolean":true,"url":"u","id":"e"}]}"#;
    let wanted = format!(r#"{OPEN}<extension id="e" url="u"><valueBoolean value="true"/></extension></Patient>"#);
    assert_eq!(text(write(&doc(json), false).unwrap()), wanted);
    for (member, place, rule) in [
        (r#""color":"red""#, "Patient.color", "no such element"),
        (r#""active":"true""#, "Patient.active", "another kind of JSON"),
        (r#""active":[true]"#, "Patient.active", "one value"),
        (r#""name":{}"#, "Patient.name", "must be an array"),
        (r#""name":["a"]"#, "Patient.name[0]", "must be a JSON object"),
        (r#""name":[{"given":[null]}]"#, "Patient.name[0].given[0]", "null"),
        (r#""name":[{"text":"a\u0001"}]"#, "Patient.name[0].text", "XML does not have"),
        (r#""name":[{"text":"\uffff"}]"#, "Patient.name[0].text", "XML does not have"),
        (r#""text":{"div":"<div>a"}"#, "Patient.text.div", "not well-formed"),
        (r#""text":{"div":"<div/><script/>"}"#, "Patient.text.div", "one div"),
        (r#""text":{"div":"<div>&nothing;</div>"}"#, "Patient.text.div", "entities"),
        (r#""text":{"div":"<p/>"}"#, "Patient.text.div", "must be a div"),
        (r#""text":{"div":"<!DOCTYPE a><div/>"}"#, "Patient.text.div", "DTD"),
        (r#""contained":[{"id":"a"}]"#, "Patient.contained[0]", "resourceType"),
        (
            r#""deceasedBoolean":true,"multipleBirthInteger":1,"deceasedDateTime":"2000""#,
            "Patient.deceasedDateTime",
            "choice",
        ),
    ] {
        let outcome = write(&doc(&format!(r#"{{"resourceType":"Patient",{member}}}"#)), false).expect_err(member);
        assert!(outcome.issues[0].diagnostics.contains(rule), "{member}: {outcome}");
        assert_eq!(outcome.issues[0].expression, [place], "{member}");
    }
}

fn refused(xml: &str, place: &str, rule: &str) {
    let outcome = read(xml.as_bytes()).expect_err(xml);
    let issue = &outcome.issues[0];
    assert!(issue.diagnostics.contains(rule), "{xml}: {outcome}");
    assert_eq!(issue.expression, [place], "{xml}");
}

fn limited(xml: &str, rule: &str) {
    let outcome = read(xml.as_bytes()).expect_err(rule);
    let found = outcome.issues.iter().any(|issue| issue.code == Code::TooLong && issue.diagnostics.contains(rule));
    assert!(found, "{rule}: {outcome}");
}

fn doc(json: &str) -> Doc {
    Doc::parse(json.as_bytes().to_vec()).unwrap()
}

fn text(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).unwrap()
}

//! Rows of RFC 6902 and of FHIR's own rules for patches.

use super::{Refused, json, xml};
use crate::json::Doc;

fn doc(text: &str) -> Doc {
    Doc::parse(text.as_bytes().to_vec()).unwrap()
}

#[test]
fn a_json_patch_changes_what_it_names_and_keeps_the_rest_byte_for_byte() {
    for (text, patch, wanted) in [
        // RFC 6902, appendix A
        (r#"{"foo":"bar"}"#, r#"[{"op":"add","path":"/baz","value":"qux"}]"#, r#"{"foo":"bar","baz":"qux"}"#),
        (
            r#"{"foo":["bar","baz"]}"#,
            r#"[{"op":"add","path":"/foo/1","value":"qux"}]"#,
            r#"{"foo":["bar","qux","baz"]}"#,
        ),
        (r#"{"baz":"qux","foo":"bar"}"#, r#"[{"op":"remove","path":"/baz"}]"#, r#"{"foo":"bar"}"#),
        (r#"{"foo":["bar","qux","baz"]}"#, r#"[{"op":"remove","path":"/foo/1"}]"#, r#"{"foo":["bar","baz"]}"#),
        (
            r#"{"baz":"qux","foo":"bar"}"#,
            r#"[{"op":"replace","path":"/baz","value":"boo"}]"#,
            r#"{"baz":"boo","foo":"bar"}"#,
        ),
        (
            r#"{"foo":{"bar":"baz","waldo":"fred"},"qux":{"corge":"grault"}}"#,
            r#"[{"op":"move","from":"/foo/waldo","path":"/qux/thud"}]"#,
            r#"{"foo":{"bar":"baz"},"qux":{"corge":"grault","thud":"fred"}}"#,
        ),
        (
            r#"{"foo":["all","grass","cows","eat"]}"#,
            r#"[{"op":"move","from":"/foo/1","path":"/foo/3"}]"#,
            r#"{"foo":["all","cows","eat","grass"]}"#,
        ),
        (
            r#"{"baz":"qux","foo":["a",2,"c"]}"#,
            r#"[{"op":"test","path":"/baz","value":"qux"},{"op":"test","path":"/foo/1","value":2}]"#,
            r#"{"baz":"qux","foo":["a",2,"c"]}"#,
        ),
        (
            r#"{"foo":"bar"}"#,
            r#"[{"op":"add","path":"/child","value":{"g":{"a":1}}}]"#,
            r#"{"foo":"bar","child":{"g":{"a":1}}}"#,
        ),
        (r#"{"foo":"bar"}"#, r#"[{"op":"add","path":"/baz","value":"qux","xyz":123}]"#, r#"{"foo":"bar","baz":"qux"}"#),
        (r#"{"/":9,"~1":10}"#, r#"[{"op":"test","path":"/~01","value":10}]"#, r#"{"/":9,"~1":10}"#),
        (
            r#"{"foo":["bar"]}"#,
            r#"[{"op":"add","path":"/foo/-","value":["abc","def"]}]"#,
            r#"{"foo":["bar",["abc","def"]]}"#,
        ),
        // Digits, blanks and order stay; equal numbers are equal whatever their digits.
        (
            "{ \"b\" : 1.00 ,\n \"a\" : [ 1e2 , {\"x\":2} ] }",
            r#"[{"op":"test","path":"/b","value":1},{"op":"test","path":"/a/0","value":100.0},{"op":"replace","path":"/a/1/x","value":3.0}]"#,
            "{ \"b\" : 1.00 ,\n \"a\" : [ 1e2 , {\"x\":3.0} ] }",
        ),
        (
            r#"{"a":{"x":1,"y":[0.10]}}"#,
            r#"[{"op":"test","path":"/a","value":{"y":[0.1],"x":1.0}}]"#,
            r#"{"a":{"x":1,"y":[0.10]}}"#,
        ),
        // A list that lost its last item goes, but only when the patch is done.
        (r#"{"a":[1],"b":2}"#, r#"[{"op":"remove","path":"/a/0"}]"#, r#"{"b":2}"#),
        (r#"{"a":{"c":{"d":1}},"b":2}"#, r#"[{"op":"remove","path":"/a/c/d"}]"#, r#"{"b":2}"#),
        (
            r#"{"a":[1],"b":2}"#,
            r#"[{"op":"remove","path":"/a/0"},{"op":"add","path":"/a/-","value":3}]"#,
            r#"{"a":[3],"b":2}"#,
        ),
        (
            r#"{"a":1}"#,
            r#"[{"op":"copy","from":"/a","path":"/b"},{"op":"move","from":"/a","path":"/a"}]"#,
            r#"{"a":1,"b":1}"#,
        ),
        (r#"{"a":1}"#, r#"[{"op":"add","path":"","value":{"b":1}}]"#, r#"{"b":1}"#),
        (r#"{"a":1}"#, "[]", r#"{"a":1}"#),
    ] {
        let found = json(&doc(text), patch.as_bytes()).map(|found| String::from_utf8(found).unwrap());
        assert_eq!(found.as_deref(), Ok(wanted), "{text} {patch}");
    }
}

#[test]
fn a_json_patch_is_refused_whole() {
    let text =
        r#"{"resourceType":"Patient","id":"a","name":[{"family":"x"}],"multipleBirthInteger":12345678901234567890}"#;
    for (patch, document, place, rule) in [
        ("{}", true, "$", "array"),
        ("[", true, "", "JSON"),
        ("[1]", true, "$[0]", "object"),
        (r#"[{"op":"add","path":"/x","value":1},{"op":"spam","path":"/x"}]"#, true, "$[1]", "op must be"),
        (r#"[{"op":"add","path":"x","value":1}]"#, true, "$[0]", "JSON Pointer"),
        (r#"[{"op":"add","path":"/~2","value":1}]"#, true, "$[0]", "JSON Pointer"),
        (r#"[{"op":"add","value":1}]"#, true, "$[0]", "path must be a string"),
        (r#"[{"op":"add","path":"/x"}]"#, true, "$[0]", "needs a value"),
        (r#"[{"op":"copy","path":"/x"}]"#, true, "$[0]", "from must be a string"),
        (r#"[{"op":"move","from":"/name","path":"/name/0/given"}]"#, true, "$[0]", "into itself"),
        (r#"[{"op":"remove","path":"/active"}]"#, false, "$[0]", "nothing at this place"),
        (r#"[{"op":"add","path":"/a/b","value":1}]"#, false, "$[0]", "nothing at this place"),
        (r#"[{"op":"add","path":"/id/b","value":1}]"#, false, "$[0]", "no object or list"),
        (r#"[{"op":"add","path":"/name/2","value":{}}]"#, false, "$[0]", "no place"),
        (r#"[{"op":"add","path":"/name/01","value":{}}]"#, false, "$[0]", "no place"),
        (r#"[{"op":"replace","path":"/name/-","value":{}}]"#, false, "$[0]", "nothing"),
        (r#"[{"op":"test","path":"/id","value":"b"}]"#, false, "$[0]", "test failed"),
        (
            r#"[{"op":"test","path":"/multipleBirthInteger","value":12345678901234567891}]"#,
            false,
            "$[0]",
            "test failed",
        ),
        (r#"[{"op":"replace","path":"/resourceType","value":"Group"}]"#, false, "Patient", "resourceType"),
        (r#"[{"op":"add","path":"","value":[]}]"#, false, "Patient", "resourceType"),
        (r#"[{"op":"remove","path":""}]"#, false, "$[0]", "may not remove"),
    ] {
        refused(json(&doc(text), patch.as_bytes()), patch, document, place, rule);
    }
    let many = format!("[{}]", vec![r#"{"op":"add","path":"/x","value":1}"#; 1001].join(","));
    refused(json(&doc(text), many.as_bytes()), "many", true, "$[1000]", "1,000");
    let bomb = vec![r#"{"op":"copy","from":"/name","path":"/name/-"}"#; 40].join(",");
    refused(json(&doc(text), format!("[{bomb}]").as_bytes()), "bomb", false, "$[19]", "more than 4,000,000 values");
}

#[test]
fn an_xml_patch_changes_json_and_keeps_the_rest_byte_for_byte() {
    let text = "{ \"resourceType\": \"Patient\", \"active\": true,\n \"id\":\"a\", \"name\": [ {\"family\":\"x\", \"given\":[\"y\"]} ],\"extension\":[{\"url\":\"http://a\",\"valueDecimal\":1.00}] }";
    for (patch, wanted) in [
        (r#"<replace sel="f:Patient/f:active/@value">false</replace>"#, text.replace("true", "false")),
        (
            r#"<remove sel="f:Patient/f:name/f:given"/>"#,
            text.replace("{\"family\":\"x\", \"given\":[\"y\"]}", "{\"family\":\"x\"}"),
        ),
        (
            r#"<add sel="/f:Patient/f:name[1]/f:given[1]" pos="after"><f:given value="z"/></add>"#,
            text.replace("[\"y\"]", "[\"y\",\"z\"]"),
        ),
        (
            r#"<add sel="f:Patient"><f:birthDate value="2000"/></add>"#,
            text.replace("1.00}] }", "1.00}],\"birthDate\":\"2000\" }"),
        ),
        (
            r#"<replace sel="f:Patient/f:extension[@url='http://a']/f:valueDecimal/@value">1.0</replace>"#,
            text.replace("1.00", "1.0"),
        ),
    ] {
        let patch = format!(r#"<?xml version="1.0"?><diff xmlns:f="http://hl7.org/fhir">{patch}</diff>"#);
        let found = xml(&doc(text), patch.as_bytes()).map(|found| String::from_utf8(found).unwrap());
        assert_eq!(found.as_deref(), Ok(wanted.as_str()), "{patch}");
    }
    let wrap = |patch: &str| format!(r#"<diff xmlns:f="http://hl7.org/fhir">{patch}</diff>"#).into_bytes();
    let order = r#"<add sel="f:Patient"><f:active value="true"/></add>"#;
    refused(xml(&doc(text), &wrap(order)), order, false, "Patient.active", "must stand before");
    let unknown = r#"<add sel="f:Patient"><f:color value="red"/></add>"#;
    refused(xml(&doc(text), &wrap(unknown)), unknown, false, "Patient.color", "no such element");
}

fn refused(found: Result<Vec<u8>, Refused>, patch: &str, document: bool, place: &str, rule: &str) {
    let outcome = match found {
        Err(Refused::Document(outcome)) if document => outcome,
        Err(Refused::NotApplicable(outcome)) if !document => outcome,
        other => panic!("{patch}: {:?}", other.map(|_| "a resource")),
    };
    let issue = &outcome.issues[0];
    assert!(issue.diagnostics.contains(rule), "{patch}: {outcome}");
    assert_eq!(issue.expression.first().map_or("", String::as_str), place, "{patch}");
}

//! What the reader takes and refuses, held against serde_json.

use super::*;
use proptest::prelude::*;
use serde_json::Value;

#[test]
fn json_is_read_as_rfc_8259_says() {
    for good in [
        "{}",
        "[]",
        " [ 1 , 2.50 , -0 , 1e5, 1E-5 ] ",
        "\"a\\u00e9\\n\"",
        "true",
        "null",
        "\"\\ud83d\\ude00\"",
        "{\"a\":{\"a\":1},\"b\":[{\"a\":1},{\"a\":2}]}",
        "\"\\ufffd\"",
        "\"\\u0000\"",
    ] {
        check(good, None);
    }
    for (bad, rule) in [
        ("", "ends where a value"),
        ("{", "key in quotes"),
        ("[1,]", "value was expected"),
        ("[1", "ends inside"),
        ("{\"a\":1,}", "key in quotes"),
        ("{\"a\" 1}", "colon"),
        ("{\"a\":1 \"b\":2}", "comma"),
        ("01", "text after"),
        ("1.", "digit"),
        ("-", "digit"),
        ("+1", "value was expected"),
        ("1e", "digit"),
        ("nul", "value was expected"),
        ("NaN", "value was expected"),
        ("\"a", "ends inside a string"),
        ("\"\n\"", "control character"),
        ("\"\\x\"", "escape"),
        ("\"\\u12\"", "hexadecimal"),
        ("\"\\ud800\"", "surrogate"),
        ("\"\\udc00\\ud800\"", "surrogate"),
        ("\"\\ud800\\u0041\"", "surrogate"),
        ("{\"a\":1,\"a\":2}", "already"),
        ("{\"a\":1,\"\\u0061\":2}", "already"),
        ("{\"\\u0061\":1,\"a\":2}", "already"),
        ("\u{feff}{}", "byte order mark"),
        ("{} {}", "text after"),
        ("[1]]", "text after"),
        ("[}", "value was expected"),
    ] {
        check(bad, Some(rule));
    }
}

fn check(text: &str, fault: Option<&str>) {
    let read = Doc::parse(text.as_bytes().to_vec());
    match (read, fault) {
        (Ok(doc), None) => assert_eq!(to_value(doc.root()), serde_json::from_str::<Value>(text).unwrap(), "{text}"),
        (Err(issue), Some(rule)) => assert!(issue.diagnostics.contains(rule), "{text}: {}", issue.diagnostics),
        (read, _) => panic!("{text}: {read:?}"),
    }
}

#[test]
fn a_fault_says_line_and_column() {
    let issue = Doc::parse(b"{\n  \"a\": x\n}".to_vec()).unwrap_err();
    assert_eq!(issue.diagnostics, "JSON line 2, column 8 (byte 9): a value was expected here");
    let issue = Doc::parse(vec![b'"', 0xff, b'"']).unwrap_err();
    assert_eq!(issue.diagnostics, "the JSON is not UTF-8 at byte 1");
}

#[test]
fn nesting_stops_at_its_limit() {
    let deep = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth)).into_bytes();
    assert!(Doc::parse(deep(DEPTH_MAX)).is_ok());
    assert!(Doc::parse(deep(DEPTH_MAX + 1)).unwrap_err().diagnostics.contains("100"));
}

#[test]
fn a_key_is_found_twice_among_many() {
    for count in [2, 31, 32, 33, 34, 1000] {
        let mut keys: Vec<String> = (0..count).map(|n| format!("\"key{n}\":1")).collect();
        assert!(Doc::parse(format!("{{{}}}", keys.join(",")).into_bytes()).is_ok());
        keys.push("\"key0\":2".into());
        assert!(Doc::parse(format!("{{{}}}", keys.join(",")).into_bytes()).is_err(), "{count}");
    }
}

#[test]
fn values_are_found_by_key_and_kept_as_written() {
    let doc = Doc::parse(br#"{"a":1.00,"b":[true,"x\ty"],"\u0063":null}"#.to_vec()).unwrap();
    let root = doc.root();
    assert_eq!(root.get("a").unwrap().number(), Some("1.00"));
    assert_eq!(root.get("b").unwrap().items().next().unwrap().boolean(), Some(true));
    assert_eq!(root.get("b").unwrap().items().nth(1).unwrap().text().unwrap(), "x\ty");
    assert_eq!(root.get("b").unwrap().raw(), br#"[true,"x\ty"]"#);
    assert!(root.get("c").unwrap().is_null());
    assert!(root.get("d").is_none());
    let inner = root.get("b").unwrap().to_doc();
    assert_eq!(inner.bytes(), br#"[true,"x\ty"]"#);
    assert_eq!(inner.root().items().nth(1).unwrap().text().unwrap(), "x\ty");
}

fn to_value(node: Node<'_>) -> Value {
    match node.kind() {
        Kind::Object => Value::Object(node.members().map(|(key, value)| (key.into_owned(), to_value(value))).collect()),
        Kind::Array => Value::Array(node.items().map(to_value).collect()),
        Kind::String => Value::String(node.text().unwrap().into_owned()),
        Kind::Number => serde_json::from_str(node.number().unwrap()).unwrap(),
        Kind::Boolean => Value::Bool(node.boolean().unwrap()),
        Kind::Null => Value::Null,
    }
}

fn any_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::Bool),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        any::<String>().prop_map(Value::String),
    ];
    leaf.prop_recursive(6, 64, 8, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..8).prop_map(Value::Array),
            prop::collection::vec((any::<String>(), inner), 0..8)
                .prop_map(|pairs| Value::Object(pairs.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn what_serde_writes_is_read_the_same(value in any_value(), pretty: bool) {
        let text = if pretty { serde_json::to_vec_pretty(&value) } else { serde_json::to_vec(&value) }.unwrap();
        let doc = Doc::parse(text).unwrap();
        prop_assert_eq!(to_value(doc.root()), value);
    }

    #[test]
    fn what_serde_refuses_is_refused(text in "[\\[\\]{}:,\"a1.e\\-\\\\u0 ]{0,24}") {
        let ours = Doc::parse(text.clone().into_bytes());
        let theirs = serde_json::from_str::<Value>(&text);
        if theirs.is_err() {
            prop_assert!(ours.is_err(), "{}", text);
        }
        if let Ok(doc) = ours {
            prop_assert_eq!(to_value(doc.root()), theirs.unwrap());
        }
    }

    #[test]
    fn written_strings_are_json(text: String) {
        let mut json = String::new();
        write_string(&mut json, &text);
        prop_assert_eq!(serde_json::from_str::<String>(&json).unwrap(), text);
    }
}

//! What searches say.

mod conditions;
mod stored;

use super::*;
use proptest::prelude::*;

fn read(kind: &str, text: &str) -> Result<Query, Outcome> {
    let pairs: Vec<_> = text
        .split('&')
        .filter_map(|pair| pair.split_once('='))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    parse(ResourceType::parse(kind).unwrap(), &pairs, &Lookup::default())
}

fn values(kind: &str, text: &str) -> (Modifier, Vec<Wanted>) {
    let query = read(kind, text).unwrap_or_else(|outcome| panic!("{text}: {outcome:?}"));
    assert!(query.unknown.is_empty(), "{text}: {:?}", query.unknown);
    let [Condition::Is(filter)] = &query.conditions[..] else { panic!("{text}: {:?}", query.conditions) };
    (filter.modifier, filter.values.clone())
}

fn token(system: System, code: Option<&str>) -> Wanted {
    Wanted::Token { system, code: code.map(str::to_owned), lower: None }
}

fn text(text: &str, folded: &str) -> Wanted {
    Wanted::Text { normal: folded.into(), exact: text.into() }
}

#[test]
fn tokens_and_strings_are_split_and_unescaped() {
    let is = |system: &str| System::Is(system.into());
    for (kind, pair, modifier, wanted) in [
        ("Observation", "code=a", Modifier::None, vec![token(System::Any, Some("a"))]),
        (
            "Observation",
            "code=s|a,|b,s|",
            Modifier::None,
            vec![token(is("s"), Some("a")), token(System::None, Some("b")), token(is("s"), None)],
        ),
        ("Observation", r"code=a\,b\|c\$d\\", Modifier::None, vec![token(System::Any, Some(r"a,b|c$d\"))]),
        (
            "Observation",
            r"code=a\\,b",
            Modifier::None,
            vec![token(System::Any, Some(r"a\")), token(System::Any, Some("b"))],
        ),
        ("Observation", "code:not=a", Modifier::Not, vec![token(System::Any, Some("a"))]),
        ("Observation", "code:text=Blut Druck", Modifier::Text, vec![text("Blut Druck", "blut druck")]),
        ("Observation", "code:missing=true", Modifier::Missing, vec![Wanted::Missing(true)]),
        ("Patient", "family=Müller", Modifier::None, vec![text("Müller", "muller")]),
        ("Patient", "family:exact=Müller", Modifier::Exact, vec![text("Müller", "muller")]),
        ("Patient", "family:contains=ü", Modifier::Contains, vec![text("ü", "u")]),
        ("Patient", "_id=a,b", Modifier::None, vec![token(System::Any, Some("a")), token(System::Any, Some("b"))]),
        ("ValueSet", "url=http://a/b", Modifier::None, vec![Wanted::Uri("http://a/b".into())]),
    ] {
        assert_eq!(values(kind, pair), (modifier, wanted), "{pair}");
    }
}

#[test]
fn references_take_ids_types_and_urls() {
    let kind = ResourceType::parse;
    let own = |text: &str| Some(text.to_owned());
    let reference = |kind, id, version, url| Wanted::Reference { kind, id, version, url };
    for (pair, modifier, wanted) in [
        ("patient=1", Modifier::None, reference(kind("Patient"), own("1"), None, None)),
        ("subject=1", Modifier::None, reference(None, own("1"), None, None)),
        ("subject=Patient/1", Modifier::None, reference(kind("Patient"), own("1"), None, None)),
        (
            "subject:Patient=1",
            Modifier::Type(kind("Patient").unwrap()),
            reference(kind("Patient"), own("1"), None, None),
        ),
        (
            "subject=http://a/fhir/Patient/1",
            Modifier::None,
            reference(kind("Patient"), own("1"), None, own("http://a/fhir/Patient/1")),
        ),
        ("subject=urn:uuid:1", Modifier::None, reference(None, None, None, own("urn:uuid:1"))),
        ("subject:identifier=s|v", Modifier::Identifier, token(System::Is("s".into()), Some("v"))),
    ] {
        assert_eq!(values("Observation", pair), (modifier, vec![wanted]), "{pair}");
    }
    let canonical = reference(None, None, own("2"), own("http://a/Q"));
    assert_eq!(values("QuestionnaireResponse", "questionnaire=http://a/Q|2").1, [canonical]);
}

#[test]
fn dates_have_prefixes_and_ranges() {
    for (value, wanted, low, high) in [
        ("2020", Prefix::Equal, "2020-01-01T00:00:00.000Z", "2020-12-31T23:59:59.999Z"),
        ("eq2020-02", Prefix::Equal, "2020-02-01T00:00:00.000Z", "2020-02-29T23:59:59.999Z"),
        ("ne2020-02-01", Prefix::NotEqual, "2020-02-01T00:00:00.000Z", "2020-02-01T23:59:59.999Z"),
        ("gt2020-02-01T10:00", Prefix::Greater, "2020-02-01T10:00:00.000Z", "2020-02-01T10:00:59.999Z"),
        ("lt2020-02-01T10:00:00+01:00", Prefix::Less, "2020-02-01T09:00:00.000Z", "2020-02-01T09:00:00.999Z"),
        ("ge2020-02-01T10:00:00 01:00", Prefix::GreaterEqual, "2020-02-01T09:00:00.000Z", "2020-02-01T09:00:00.999Z"),
        ("le2020", Prefix::LessEqual, "2020-01-01T00:00:00.000Z", "2020-12-31T23:59:59.999Z"),
        ("sa2020", Prefix::StartsAfter, "2020-01-01T00:00:00.000Z", "2020-12-31T23:59:59.999Z"),
        ("eb2020", Prefix::EndsBefore, "2020-01-01T00:00:00.000Z", "2020-12-31T23:59:59.999Z"),
        ("ap2020", Prefix::Approximate, "2020-01-01T00:00:00.000Z", "2020-12-31T23:59:59.999Z"),
    ] {
        let (_, values) = values("Observation", &format!("date={value}"));
        let [Wanted::Date { prefix, low: from, high: to }] = values[..] else { panic!("{value}") };
        assert_eq!(prefix, wanted, "{value}");
        let format = crate::datetime::format_instant;
        assert_eq!((format(from), format(to)), (low.into(), high.into()), "{value}");
    }
}

#[test]
fn numbers_mean_a_range_by_their_digits() {
    for (value, low, high, exact) in [
        ("100", 99.5, 100.5, 100.0),
        ("100.00", 99.995, 100.005, 100.0),
        ("1e2", 95.0, 105.0, 100.0),
        ("5.40e-3", 0.005_395, 0.005_405, 0.0054),
        ("5.4", 5.35, 5.45, 5.4),
        ("0.3", 0.25, 0.35, 0.3),
        ("-3", -3.5, -2.5, -3.0),
        ("-0", -0.5, 0.5, 0.0),
        ("ap-10", -11.0, -9.0, -10.0),
        ("ap100", 90.0, 110.0, 100.0),
    ] {
        let (_, values) = values("RiskAssessment", &format!("probability={value}"));
        let [Wanted::Number { low: from, high: to, value: number, .. }] = values[..] else { panic!("{value}") };
        assert_eq!((from, to, number), (low, high, exact), "{value}");
    }
    let (_, values) = values("Observation", "value-quantity=lt5.4|http://unitsofmeasure.org|mg");
    let [Wanted::Quantity { prefix, system, code, .. }] = &values[..] else { panic!() };
    assert_eq!(
        (*prefix, system.as_deref(), code.as_deref()),
        (Prefix::Less, Some("http://unitsofmeasure.org"), Some("mg"))
    );
}

#[test]
fn a_malformed_value_is_an_error_at_its_parameter() {
    for (kind, pair) in [
        ("Observation", "date=yesterday"),
        ("Observation", "date=2020-13"),
        ("Observation", "date=xx2020"),
        ("Observation", "code=a,,b"),
        ("Observation", "code=a|b|c"),
        ("Observation", "code=|"),
        ("Observation", "code:missing=maybe"),
        ("Observation", "value-quantity=five"),
        ("Observation", "value-quantity=5|mg"),
        ("Observation", "value-quantity=1e999"),
        ("Observation", "value-quantity=nan"),
        ("Observation", "subject=Patient/1/2"),
        ("Observation", "subject:Group=Patient/1"),
        ("Observation", "_count=-1"),
        ("Observation", "_count=x"),
        ("Observation", "_summary=maybe"),
        ("Observation", "_total=some"),
        ("Observation", "_include=Observation"),
        ("Observation", "_lastUpdated=x"),
        ("Observation", "_contained=maybe"),
        ("Observation", "_containedType=x"),
    ] {
        let outcome = read(kind, pair).expect_err(pair);
        let name = pair.split('=').next().unwrap();
        assert_eq!(outcome.issues[0].expression, [format!("http.{name}")], "{pair}");
        assert_eq!(outcome.issues[0].code, Code::Value);
    }
}

#[test]
fn what_has_no_effect_is_listed_with_a_sentence() {
    for (pair, wanted) in [
        ("fruit=apple", "Observation has no such parameter"),
        ("fruit:exact=apple", "Observation has no such parameter"),
        ("subject.fruit=x", "has no such parameter"),
        ("subject:Patient.fruit=x", "Patient has no such parameter"),
        ("_has:Provenance:target:fruit=x", "Provenance has no such parameter"),
        ("code=", "no value"),
        ("_sort=fruit", "keys"),
        ("_include=Fruit:x", "resource type"),
        ("_include=Observation:code", "no such reference"),
        ("_include=Observation:subject:Fruit", "last part"),
    ] {
        let query = read("Observation", pair).unwrap();
        assert_eq!(query.unknown.len(), 1, "{pair}");
        assert!(query.unknown[0].diagnostics.contains(wanted), "{pair}: {}", query.unknown[0].diagnostics);
        assert!(query.conditions.is_empty(), "{pair}");
    }
}

#[test]
fn controls_shape_the_answer() {
    let text = "_count=20&_sort=-date,_id&_summary=count&_total=accurate&_elements=id,code&_format=json&_pretty=true\
        &_include=Observation:performer:Practitioner&_include:iterate=Practitioner:*&_include=*\
        &_revinclude=Provenance:target";
    let query = read("Observation", text).unwrap();
    assert!(query.unknown.is_empty(), "{:?}", query.unknown);
    assert_eq!(query.count, Some(20));
    let sort: Vec<_> = query.sort.iter().map(|sort| (sort.param.code, sort.descending)).collect();
    assert_eq!(sort, [("date", true), ("_id", false)]);
    assert!(query.count_only());
    assert_eq!(query.total, Some(Total::Accurate));
    assert_eq!(query.elements, ["id", "code"]);
    assert_eq!((query.format.as_deref(), query.pretty), (Some("json"), true));
    let of = |includes: &[Include]| -> Vec<_> {
        let name = |kind: ResourceType| kind.name();
        includes
            .iter()
            .map(|include| {
                (
                    include.source.map(name),
                    include.param.map(|param| param.code),
                    include.target.map(name),
                    include.iterate,
                )
            })
            .collect()
    };
    let wanted = [
        (Some("Observation"), Some("performer"), Some("Practitioner"), false),
        (Some("Practitioner"), None, None, true),
        (None, None, None, false),
    ];
    assert_eq!(of(&query.includes), wanted);
    assert_eq!(of(&query.revincludes), [(Some("Provenance"), Some("target"), None, false)]);
    assert!(query.conditions.is_empty());
}

#[test]
fn parameters_and_values_stop_at_their_limits() {
    let many = vec!["code=a"; PARAMETERS_MAX + 1].join("&");
    assert_eq!(read("Observation", &many).unwrap_err().issues[0].code, Code::TooCostly);
    assert!(read("Observation", &format!("code={}", vec!["a"; VALUES_MAX].join(","))).is_ok());
    assert!(read("Observation", &format!("code={}", vec!["a"; VALUES_MAX + 1].join(","))).is_err());
    assert!(read("Observation", &format!("code={}", "a".repeat(PARAMETER_BYTES_MAX + 1))).is_err());
}

proptest! {
    #[test]
    fn no_query_makes_it_panic(bytes: Vec<u8>, kind in 0..146_u8, text in "(code|date|_id|name|value-quantity|_sort|_include|subject|_has|_filter|code-value-quantity)([:.][a-zP-]{0,9}){0,4}=[a-z0-9|,\\\\$.:/eE+-]{0,20}") {
        crate::fuzz::query(&bytes);
        let mut with_kind = vec![kind];
        with_kind.extend_from_slice(text.as_bytes());
        crate::fuzz::query(&with_kind);
    }
}

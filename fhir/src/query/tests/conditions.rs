//! Chains, `_has`, `_list`, `_filter`, modifiers: what a name and a value come to, and what is refused.

use super::*;

/// A condition in one line: `subject>Patient(name) `, `<Observation.patient(code)`.
fn line(condition: &Condition) -> String {
    let list = |inner: &[Condition], between: &str| inner.iter().map(line).collect::<Vec<_>>().join(between);
    match condition {
        Condition::Is(filter) => {
            let values = filter.values.len();
            let modifier = match filter.modifier {
                Modifier::None => String::new(),
                Modifier::Type(kind) => format!(":{kind}"),
                other => format!(":{other:?}"),
            };
            format!("{}{modifier}{}", filter.param.code, if values > 1 { format!("*{values}") } else { String::new() })
        }
        Condition::Refers { param, targets } => {
            let targets = targets.iter().map(|(kind, inner)| format!("{kind}({})", line(inner)));
            format!("{}>{}", param.code, targets.collect::<Vec<_>>().join("|"))
        }
        Condition::Referred { source, param, condition } => format!("<{source}.{}({})", param.code, line(condition)),
        Condition::All(inner) => format!("({})", list(inner, " and ")),
        Condition::Any(inner) => format!("({})", list(inner, " or ")),
        Condition::Not(inner) => format!("not {}", line(inner)),
    }
}

fn conditions(kind: &str, pair: &str) -> Result<String, String> {
    let query = read(kind, pair).map_err(|outcome| outcome.issues[0].diagnostics.clone())?;
    match query.unknown.first() {
        Some(issue) => Err(format!("ignored: {}", issue.diagnostics)),
        None => Ok(query.conditions.iter().map(line).collect::<Vec<_>>().join(" & ")),
    }
}

// https://hl7.org/fhir/R4/search.html#chaining, https://hl7.org/fhir/R4/search.html#has, https://hl7.org/fhir/R4/search.html#list
#[test]
fn references_are_followed_in_both_directions() {
    for (kind, pair, wanted) in [
        ("Observation", "patient.name=x", "patient>Patient(name)"),
        ("Observation", "subject:Patient.name=x", "subject>Patient(name)"),
        ("Observation", "subject:Patient.name:exact=x", "subject>Patient(name:Exact)"),
        ("Observation", "subject.name=x", "subject>Device(device-name)|Patient(name)"),
        (
            "Observation",
            "patient.general-practitioner:Practitioner.family=x,y",
            "patient>Patient(general-practitioner>Practitioner(family*2))",
        ),
        ("Patient", "_has:Observation:patient:code=x", "<Observation.patient(code)"),
        ("Patient", "_has:Observation:patient:code:not=x", "<Observation.patient(code:Not)"),
        (
            "Patient",
            "_has:Observation:patient:_has:AuditEvent:entity:agent=x",
            "<Observation.patient(<AuditEvent.entity(agent))",
        ),
        ("Encounter", "patient._has:Group:member:_id=102", "patient>Patient(<Group.member(_id))"),
        (
            "Patient",
            "_has:Observation:patient:encounter:Encounter.status=x",
            "<Observation.patient(encounter>Encounter(status))",
        ),
        ("Patient", "_list=42", "<List.item(_id)"),
        ("Patient", "_list=List/42,43", "<List.item(_id*2)"),
    ] {
        let found = conditions(kind, pair);
        match (pair, &found) {
            // Which other targets have a name is the table's matter; Patient must be among them.
            ("subject.name=x", Ok(found)) => assert!(found.contains("Patient(name)"), "{found}"),
            _ => assert_eq!(found.as_deref(), Ok(wanted), "{pair}"),
        }
    }
}

#[test]
fn a_chain_that_leads_nowhere_is_told_or_refused() {
    for (kind, pair, wanted) in [
        ("Observation", "status.name=x", "is no reference"),
        ("Observation", "subject:Fruit.name=x", "type behind its colon"),
        ("Observation", "patient:Group.name=x", "type behind its colon"),
        ("Observation", "fruit.name=x", "ignored: "),
        ("Observation", "patient.birthdate=x", "no prefix"),
        ("Patient", "_has:Observation=x", "_has:Type:reference:parameter"),
        ("Patient", "_has:Fruit:patient:code=x", "no resource type"),
        ("Patient", "_has:Observation:fruit:code=x", "ignored: "),
        ("Patient", "_has:Encounter:location:status=x", "does not refer to Patient"),
        ("Patient", "_list=$current-problems", "functional lists"),
        ("Patient", "_query=x", "named queries"),
    ] {
        let found = conditions(kind, pair).expect_err(pair);
        assert!(found.contains(wanted), "{pair}: {found}");
    }
    let deep = format!("{}name=x", "general-practitioner.organization.endpoint.".repeat(4));
    assert!(read("Patient", &deep).is_err() || !read("Patient", &deep).unwrap().unknown.is_empty());
    let has = format!("{}_id=x", "_has:Provenance:target:".repeat(CHAIN_MAX + 1));
    assert_eq!(read("Provenance", &has).unwrap_err().issues[0].code, Code::TooCostly);
    // A chain over types that anything may be: the type must be named, before it costs anything.
    let wide = "target.target.target._id=x";
    assert_eq!(read("Provenance", wide).unwrap_err().issues[0].code, Code::TooCostly);
}

// https://hl7.org/fhir/R4/search_filter.html
#[test]
fn filters_have_and_or_not_and_parentheses() {
    for (kind, text, wanted) in [
        ("Patient", "name eq \"peter\"", "name:Whole"),
        ("Patient", "given co pet", "given:Contains"),
        ("Patient", "given ew er", "given:Ends"),
        ("Patient", "given sw p", "given"),
        ("Patient", "given ne p", "not given:Whole"),
        ("Patient", "birthdate ge 1974-12-25", "birthdate"),
        ("Patient", "given eq a and birthdate ge 1974", "(given:Whole and birthdate)"),
        ("Patient", "given eq a or given eq b and birthdate ge 1974", "(given:Whole or (given:Whole and birthdate))"),
        ("Patient", "(given eq a or given eq b) and birthdate ge 1974", "((given:Whole or given:Whole) and birthdate)"),
        ("Patient", "not (given eq a)", "not given:Whole"),
        ("Patient", "not(gender eq male or active eq true)", "not (gender or active)"),
        ("Patient", "birthdate pr true", "birthdate:Missing"),
        ("Observation", "code eq http://loinc.org|1234-5", "code"),
        ("Observation", "code ne 1234-5", "not code"),
        ("Observation", "code in http://a/vs", "code:In"),
        ("Observation", "code ss http://a|b", "code:Below"),
        ("Observation", "subject eq Patient/1", "subject"),
        ("Observation", "value-quantity gt 5", "value-quantity"),
        ("Observation", "date po 2020", "date"),
        ("Observation", "patient.name co pet", "patient>Patient(name:Contains)"),
        ("Observation", "subject:Patient.birthdate ge 2000", "subject>Patient(birthdate)"),
        ("Observation", "patient.organization.name eq x", "patient>Patient(organization>Organization(name:Whole))"),
        ("Observation", "patient[name eq a].birthdate ge 2000", "patient>Patient((name:Whole and birthdate))"),
        ("Observation", "patient[name eq a and active eq true]", "patient>Patient((name:Whole and active))"),
    ] {
        assert_eq!(conditions(kind, &format!("_filter={text}")).as_deref(), Ok(wanted), "{text}");
    }
}

#[test]
fn a_filter_that_is_not_understood_is_refused_whole() {
    for text in [
        "name",
        "name eq",
        "eq",
        "(name eq a",
        "name eq a)",
        "name eq a name eq b",
        "name eq \"a",
        "fruit eq a",
        "name like a",
        "birthdate co 1",
        "not name eq a",
        "name eq a and",
        "active gt 1",
        "patient.name eq a",
        "name[given eq a]",
        "_id pr true",
    ] {
        let outcome = read("Patient", &format!("_filter={text}")).expect_err(text);
        assert_eq!(outcome.issues[0].expression, ["http._filter"], "{text}");
    }
    let deep = format!("{}name eq a{}", "(".repeat(40), ")".repeat(40));
    assert_eq!(read("Patient", &format!("_filter={deep}")).unwrap_err().issues[0].code, Code::TooCostly);
}

// https://hl7.org/fhir/R4/search.html#modifiers
#[test]
fn a_modifier_is_supported_or_an_error() {
    for (kind, name) in [
        ("Observation", "code:exact"),
        ("Observation", "subject:Fruit"),
        ("Observation", "date:contains"),
        ("Observation", "_id:missing"),
        ("Observation", "_lastUpdated:missing"),
        ("Observation", "code:of-type"),
        ("Patient", "family:below"),
        ("Patient", "birthdate:not"),
        ("Observation", "code:"),
    ] {
        let outcome = read(kind, &format!("{name}=x")).expect_err(name);
        assert_eq!(outcome.issues[0].code, Code::NotSupported, "{name}");
    }
    let is = |system: &str| System::Is(system.into());
    for (kind, pair, modifier, wanted) in [
        ("Observation", "code:in=http://a/vs", Modifier::In, Wanted::Set("http://a/vs".into())),
        ("Observation", "code:not-in=ValueSet/1", Modifier::NotIn, Wanted::Set("ValueSet/1".into())),
        ("Observation", "code:below=s|a", Modifier::Below, token(is("s"), Some("a"))),
        ("ValueSet", "url:below=http://a/b", Modifier::Below, Wanted::Uri("http://a/b".into())),
        ("ValueSet", "url:above=http://a/b", Modifier::Above, Wanted::Uri("http://a/b".into())),
        ("Patient", "identifier:of-type=t|MR|12", Modifier::OfType, token(is("t|MR"), Some("12"))),
    ] {
        assert_eq!(values(kind, pair), (modifier, vec![wanted]), "{pair}");
    }
}

// https://hl7.org/fhir/R4/search.html#composite
#[test]
fn composites_have_a_value_for_each_component() {
    let (_, found) =
        values("Observation", "code-value-quantity=http://loinc.org|1$gt5.4|http://unitsofmeasure.org|mg,2$7");
    let [Wanted::Composite(first), Wanted::Composite(second)] = &found[..] else { panic!("{found:?}") };
    assert_eq!(first[0], token(System::Is("http://loinc.org".into()), Some("1")));
    let Wanted::Quantity { prefix, canonical: Some(canonical), .. } = &first[1] else { panic!("{first:?}") };
    assert_eq!((*prefix, canonical.unit.as_str()), (Prefix::Greater, "g"));
    assert!((canonical.value - 0.0054).abs() < 1e-12);
    assert_eq!(second[0], token(System::Any, Some("2")));
    for pair in
        ["code-value-quantity=1", "code-value-quantity=1$2$3", "code-value-quantity=1$x", "code-value-date=1$2020-13"]
    {
        assert!(read("Observation", pair).is_err(), "{pair}");
    }
}

// https://hl7.org/fhir/R4/http.html#search
#[test]
fn a_search_across_types_has_what_they_share() {
    let across = |text: &str| {
        let pairs = text.split('&').filter_map(|pair| pair.split_once('='));
        let pairs = pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect::<Vec<_>>();
        parse_across(&pairs, &Lookup::default())
    };
    let query = across("_type=Observation,Condition&patient=1&_tag=x").unwrap();
    assert_eq!(query.kinds.iter().map(|kind| kind.name()).collect::<Vec<_>>(), ["Observation", "Condition"]);
    assert_eq!(query.conditions.iter().map(line).collect::<Vec<_>>(), ["patient", "_tag"]);
    assert!(query.unknown.is_empty());
    assert_eq!(across("_id=1").unwrap().kinds.len(), 146);
    assert_eq!(across("_type=Observation,Patient&code=x").unwrap().unknown.len(), 1);
    assert!(across("_type=Fruit").is_err());
    let negative = across("_type=Observation,Condition&code:not=x").unwrap();
    assert_eq!(line(&negative.conditions[0]), "code:Not");
}

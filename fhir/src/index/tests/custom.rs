//! Stored search parameters: what they find, and which are refused.

use super::short;
use crate::index::custom::Custom;
use crate::json::Doc;
use crate::outcome::Code;

const PATIENT: &str = r##"{"resourceType":"Patient","id":"p","active":true,"birthDate":"1980-02-03","multipleBirthInteger":2,
    "gender":"male","name":[{"family":"Ä","given":["B","C"]}],"generalPractitioner":[{"reference":"Practitioner/1"}],
    "contact":[{"organization":{"reference":"Organization/2"}}],
    "contained":[{"resourceType":"Basic","id":"c"}],"extension":[
        {"url":"http://a/eye","valueCodeableConcept":{"coding":[{"system":"s","code":"blue"}]}},
        {"url":"http://a/eye","valueCoding":{"code":"green"}},
        {"url":"http://a/weight","valueQuantity":{"value":80,"system":"http://unitsofmeasure.org","code":"kg"}},
        {"url":"http://a/seen","valuePeriod":{"start":"2020"}},{"url":"http://a/home","valueUri":"urn:x"}]}"##;

fn parameter(kind: &str, expression: &str) -> String {
    let expression = expression.replace('"', "\\\"");
    format!(
        r#"{{"resourceType":"SearchParameter","url":"http://a/sp","status":"active","code":"own","base":["Patient"],
            "type":"{kind}","expression":"{expression}"}}"#
    )
}

fn read(text: &str) -> Result<Custom, crate::Outcome> {
    Custom::read(&Doc::parse(text.as_bytes().to_vec()).unwrap())
}

#[test]
fn a_stored_parameter_finds_what_its_expression_finds() {
    let eye = "Patient.extension.where(url='http://a/eye').value";
    for (kind, expression, wanted) in [
        ("token", eye.to_owned(), &["s|blue|-", "-|green|-"][..]),
        ("token", format!("({eye} as CodeableConcept)"), &["s|blue|-"]),
        ("token", format!("{eye}.as(Coding)"), &["-|green|-"]),
        ("token", format!("{eye}.ofType(Coding) | Patient.gender"), &["-|green|-", "-|male|-"]),
        ("token", "Patient.active".to_owned(), &["http://hl7.org/fhir/special-values|true|-"]),
        ("token", "Patient.photo.exists()".to_owned(), &["http://hl7.org/fhir/special-values|false|-"]),
        ("string", "Patient.name".to_owned(), &["a=Ä", "b=B", "c=C"]),
        ("string", "Patient.name.given".to_owned(), &["b=B", "c=C"]),
        ("string", "Patient.name.given.first() + ' ' + Patient.name.family.first()".to_owned(), &["b a=B Ä"]),
        ("number", "Patient.multipleBirth as integer".to_owned(), &["2..2 2"]),
        ("number", "Patient.name.given.count()".to_owned(), &["2..2 2"]),
        ("date", "Patient.birthDate".to_owned(), &["1980-02-03T00:00:00.000Z..1980-02-03T23:59:59.999Z"]),
        ("date", "Patient.extension('http://a/seen').value".to_owned(), &["2020-01-01T00:00:00.000Z..-"]),
        (
            "quantity",
            "Patient.extension('http://a/weight').value".to_owned(),
            &["80..80 80 http://unitsofmeasure.org|kg - = 80000..80000 g"],
        ),
        ("uri", "Patient.extension('http://a/home').value".to_owned(), &["urn:x"]),
        ("reference", "Patient.generalPractitioner".to_owned(), &["Practitioner/1 v- -"]),
        (
            "reference",
            "Patient.generalPractitioner.where(resolve() is Organization) | Patient.contact.organization".to_owned(),
            &["Organization/2 v- -"],
        ),
        ("token", "Practitioner.gender".to_owned(), &[]),
        ("token", "Resource.id".to_owned(), &["-|p|-"]),
        ("date", "now()".to_owned(), &[]),
        ("quantity", "Patient.name".to_owned(), &[]),
        ("token", "Patient.descendants() is Coding".to_owned(), &[]),
    ] {
        let custom = read(&parameter(kind, &expression)).unwrap_or_else(|outcome| panic!("{expression}: {outcome}"));
        let parsed = crate::parse::resource(PATIENT).unwrap();
        let values: Vec<_> =
            custom.values(parsed.doc(), parsed.kind()).unwrap_or_default().into_iter().map(short).collect();
        assert_eq!(values, wanted, "{kind} {expression}");
    }
}

#[test]
fn a_stored_parameter_has_its_bases_and_targets() {
    let text = parameter("reference", "Patient.link.other")
        .replace(r#"["Patient"]"#, r#"["Patient","Group"],"target":["Patient"]"#);
    let custom = read(&text).unwrap();
    assert_eq!((custom.code(), custom.url(), custom.kind().name()), ("own", "http://a/sp", "reference"));
    let names = |kinds: &[crate::ResourceType]| kinds.iter().map(|kind| kind.name()).collect::<Vec<_>>();
    assert_eq!((names(custom.bases()), names(custom.targets())), (vec!["Patient", "Group"], vec!["Patient"]));
    for (base, count) in [("Resource", 146), ("DomainResource", 143)] {
        let text = parameter("token", "id").replace("Patient", base);
        assert_eq!(read(&text).unwrap().bases().len(), count, "{base}");
    }
    let observation = crate::parse::resource(r#"{"resourceType":"Observation","id":"a"}"#).unwrap();
    assert!(read(&parameter("token", "id")).unwrap().values(observation.doc(), observation.kind()).unwrap().is_empty());
}

#[test]
fn a_parameter_that_cannot_be_searched_by_is_refused_at_its_element() {
    let good = parameter("token", "Patient.gender");
    for (from, to, element, code) in [
        (r#""url":"http://a/sp","#, "", "url", Code::Required),
        (r#""code":"own","#, "", "code", Code::Required),
        (r#""own""#, r#""a.b""#, "code", Code::Value),
        (r#""own""#, r#""_own""#, "code", Code::Value),
        (r#""own""#, r#""gender""#, "code", Code::Duplicate),
        ("active", "retired", "status", Code::BusinessRule),
        (r#""token""#, r#""composite""#, "type", Code::NotSupported),
        (r#""token""#, r#""special""#, "type", Code::NotSupported),
        (r#""token""#, r#""fruit""#, "type", Code::CodeInvalid),
        (r#""token""#, r#""token","xpathUsage":"nearby""#, "xpathUsage", Code::NotSupported),
        (r#"["Patient"]"#, "[]", "base", Code::Required),
        (r#"["Patient"]"#, r#"["Fruit"]"#, "base", Code::CodeInvalid),
        ("Patient.gender", "Patient.gender(", "expression", Code::Invalid),
        ("Patient.gender", "Patient.fruit()", "expression", Code::Invalid),
        (r#","expression":"Patient.gender""#, "", "expression", Code::Required),
    ] {
        let text = good.replace(from, to).replace(",\n            \"type\"", ",\"type\"");
        let outcome = read(&text).map(|_| ()).unwrap_err();
        assert_eq!(outcome.issues[0].code, code, "{to}: {outcome}");
        assert_eq!(outcome.issues[0].expression, [format!("SearchParameter.{element}")], "{to}");
    }
    assert!(read(r#"{"resourceType":"Patient"}"#).is_err());
}

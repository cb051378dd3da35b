//! Strings, uris, narrative text and escapes.
//! <https://hl7.org/fhir/R4/search.html#string>, <https://hl7.org/fhir/R4/search.html#uri>

use super::{finds, refuses};

/// <https://hl7.org/fhir/R4/search.html#string>
#[tokio::test]
async fn a_string_is_found_by_its_start_without_case_and_accents() {
    let resources = [
        ("Patient/eve", r#""name":[{"family":"Smith","given":["Eve"]}],"address":[{"use":"home","city":"Łódź"}]"#),
        ("Patient/upper", r#""name":[{"family":"SMITHERS","given":["EVE","Anna"]}]"#),
        ("Patient/evelyn", r#""name":[{"family":"Smyth","given":["Evelyn"]}]"#),
        ("Patient/severine", r#""name":[{"use":"official","family":"Carreño Quiñones","given":["Sévérine"]}]"#),
        ("Patient/text", r#""name":[{"text":"van  der\tBerg"}]"#),
        ("Patient/none", ""),
    ];
    let rows = [
        ("Patient?given=eve", "eve upper evelyn"),
        ("Patient?given=EVE", "eve upper evelyn"),
        ("Patient?given:contains=eve", "eve upper evelyn severine"),
        ("Patient?given:exact=Eve", "eve"),
        ("Patient?given:exact=Ev", ""),
        ("Patient?family=Smi", "eve upper"),
        ("Patient?family=Smith", "eve upper"),
        ("Patient?family:exact=Smith", "eve"),
        ("Patient?family=carreno", "severine"),
        ("Patient?family=CARREÑO", "severine"),
        ("Patient?family:exact=Carreno Quinones", ""),
        ("Patient?family:exact=Carreño Quiñones", "severine"),
        ("Patient?family:contains=quinones", "severine"),
        ("Patient?given=se\u{301}v", "severine"),
        // A HumanName is all its texts, but not what it is used for.
        ("Patient?name=eve", "eve upper evelyn"),
        ("Patient?name=anna", "upper"),
        ("Patient?name=official", ""),
        ("Patient?name=van der berg", "text"),
        ("Patient?address=home", ""),
        ("Patient?address-city=Ł", "eve"),
        ("Patient?given=eve&family=smyth", "evelyn"),
        ("Patient?given=eve&given=anna", "upper"),
        ("Patient?family=smyth,carr", "evelyn severine"),
        ("Patient?family:missing=true", "text none"),
        ("Patient?name:missing=true", "none"),
    ];
    finds(&resources, &rows).await;
    let wrong = [("Patient?family:below=x", 400, "not-supported"), ("Patient?family:shout=x", 400, "not-supported")];
    refuses(&[], &wrong).await;
}

/// <https://hl7.org/fhir/R4/search.html#uri>
#[tokio::test]
async fn a_uri_is_found_exactly_and_by_its_path() {
    let set = |url: &str| format!(r#""status":"active","url":"{url}""#);
    let urls = [
        ("ValueSet/a", set("http://acme.org/fhir/ValueSet/123")),
        ("ValueSet/b", set("http://acme.org/fhir/ValueSet/124")),
        ("ValueSet/c", set("http://acme.org/fhirx")),
        ("ValueSet/d", set("http://acme.org/fhir")),
        ("ValueSet/e", set("urn:oid:1.2.3.4.5")),
        ("ValueSet/f", set("http://ACME.org/fhir/ValueSet/123")),
        ("ValueSet/g", set("http://acme.org/ValueSet,1")),
    ];
    let resources = urls.each_ref().map(|(name, members)| (*name, members.as_str()));
    let rows = [
        ("ValueSet?url=http://acme.org/fhir/ValueSet/123", "a"),
        ("ValueSet?url=http://acme.org/fhir/ValueSet", ""),
        ("ValueSet?url:below=http://acme.org/fhir/", "a b"),
        ("ValueSet?url:below=http://acme.org/fhir", "a b d"),
        ("ValueSet?url:above=http://acme.org/fhir/ValueSet/123/_history/5", "a d"),
        ("ValueSet?url=urn:oid:1.2.3.4.5", "e"),
        ("ValueSet?url=http://acme.org/fhir/ValueSet/123,http://acme.org/fhir/ValueSet/124", "a b"),
        ("ValueSet?url=http://acme.org/fhir/ValueSet/123%2Chttp://acme.org/fhir/ValueSet/124", "a b"),
        (r"ValueSet?url=http://acme.org/ValueSet\,1", "g"),
        ("ValueSet?url=http://acme.org/ValueSet,1", ""),
        ("ValueSet?url:missing=false", "a b c d e f g"),
    ];
    finds(&resources, &rows).await;
}

/// <https://hl7.org/fhir/R4/search.html#escaping>
#[tokio::test]
async fn escapes_tell_separators_from_letters() {
    let code = |code: &str| format!(r#""status":"final","code":{{"coding":[{{"system":"urn:s","code":"{code}"}}]}}"#);
    let codes = [
        ("Observation/a", code("a")),
        ("Observation/b", code("b")),
        ("Observation/ab", code("a,b")),
        ("Observation/pipe", code("x|y")),
        ("Observation/dollar", code("p$q")),
        ("Observation/back", code(r"xx\\xx")),
    ];
    let resources = codes.each_ref().map(|(name, members)| (*name, members.as_str()));
    let rows = [
        ("Observation?code=a,b", "a b"),
        (r"Observation?code=a\,b", "ab"),
        (r"Observation?code=a%5C%2Cb", "ab"),
        (r"Observation?code=x\|y", "pipe"),
        (r"Observation?code=urn:s|x\|y", "pipe"),
        (r"Observation?code=p\$q", "dollar"),
        ("Observation?code=p$q", "dollar"),
        (r"Observation?code=xx\\xx", "back"),
        (r"Observation?code=a\,b,b,x\|y", "ab b pipe"),
        (r"Observation?code:not=a\,b", "a b pipe dollar back"),
    ];
    finds(&resources, &rows).await;
}

/// <https://hl7.org/fhir/R4/search.html#text>
#[tokio::test]
async fn the_narrative_is_searched_by_its_words() {
    let told = |words: &str| {
        format!(
            r#""subject":{{"reference":"Patient/x"}},"text":{{"status":"generated","div":"<div xmlns=\"http://www.w3.org/1999/xhtml\">{words}</div>"}}"#
        )
    };
    let (bone, liver) = (told("<b>Metastases</b> of the bone"), told("a healthy liver"));
    let resources = [("Condition/bone", bone.as_str()), ("Condition/liver", &liver)];
    let rows = [
        ("Condition?_text=metastases", "bone"),
        ("Condition?_text=LIVER", "liver"),
        ("Condition?_text=bone,liver", "bone liver"),
        ("Condition?_text=bone&_text=metastases", "bone"),
        ("Condition?_text=xhtml", ""),
        ("Condition?_text=(bone OR liver) and metastases", "bone"),
        ("Condition?_text=(bone OR liver)", "bone liver"),
        ("Condition?_text=bone liver", ""),
        ("Condition?_text=the of metasta", "bone"),
        ("Condition?_text=not bone", "liver"),
        ("Condition?_text=not (bone or healthy)", ""),
        ("Condition?_text=bone and not liver,healthy", "bone liver"),
        ("Condition?_text:missing=true", ""),
    ];
    finds(&resources, &rows).await;
    let wrong = [
        ("Condition?_text=(bone", 400, "value"),
        ("Condition?_text=bone)", 400, "value"),
        ("Condition?_text=bone or", 400, "value"),
        ("Condition?_text=()", 400, "value"),
        ("Condition?_text=?!", 400, "value"),
        ("Condition?_text:exact=bone", 400, "not-supported"),
    ];
    refuses(&[], &wrong).await;
}

/// <https://hl7.org/fhir/R4/search.html#content>
#[tokio::test]
async fn the_content_is_searched_by_its_words() {
    let resources = [
        (
            "Condition/coded",
            r#""subject":{"display":"Ann"},"code":{"coding":[{"system":"http://snomed.info/sct","code":"39065001","display":"Burn of ear"}]}"#,
        ),
        (
            "Condition/noted",
            r#""subject":{"reference":"Patient/x"},"note":[{"text":"a burning 100%_sure EAR; Größe 5.4"}]"#,
        ),
        (
            "Condition/told",
            r#""subject":{"reference":"Patient/x"},"text":{"status":"generated","div":"<div xmlns=\"http://www.w3.org/1999/xhtml\">the ear</div>"}"#,
        ),
        (
            "Procedure/of",
            r#""status":"completed","subject":{"display":"x"},"reasonReference":[{"reference":"Condition/noted"}]"#,
        ),
    ];
    let rows = [
        ("Condition?_content=ear", "coded noted told"),
        ("Condition?_content=burn ear", "coded noted"),
        ("Condition?_content=39065001", "coded"),
        ("Condition?_content=grosse or Ann", "coded"),
        ("Condition?_content=größe", "noted"),
        ("Condition?_content=5.4", "noted"),
        ("Condition?_content=ear and not burn", "told"),
        ("Condition?_content=snomed", ""),
        ("Condition?_content=xx_sure,ar", ""),
        ("Condition?_content=w3.org", ""),
        ("Condition?_content=ear&_text=the", "told"),
        ("Condition?_content=ear&_sort=_id&code=39065001", "coded"),
        ("Procedure?reason-reference:Condition._content=burning", "of"),
    ];
    finds(&resources, &rows).await;
    // What is asked is not cut where texts of the index are: each word counts.
    let many = format!("Condition?_content={} missing", "ear ".repeat(300));
    finds(&resources, &[(&many, ""), (&many.replace(" missing", ""), "coded noted told")]).await;
    refuses(&[], &[("Condition?_content:contains=x", 400, "not-supported")]).await;
}

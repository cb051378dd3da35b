//! No bytes from outside make a reader panic: real resources with bytes changed, cut and doubled.

use fhir::fuzz;
use proptest::prelude::*;

const EXAMPLES: [&[u8]; 5] = [
    include_bytes!("../../tests/data/examples/Patient-f201.json"),
    include_bytes!("../../tests/data/examples/Observation-blood-pressure-cancel.json"),
    include_bytes!("../../tests/data/examples/Bundle-bundle-transaction.json"),
    include_bytes!("../../tests/data/examples/Claim-100152.json"),
    include_bytes!("../../tests/data/examples/Provenance-example-cwl.json"),
];

/// XML of resources.
const XML: [&[u8]; 3] = [
    include_bytes!("data/examples/careteam-example.xml"),
    include_bytes!("data/examples/substance-example-amoxicillin-clavulanate.xml"),
    br#"<Patient xmlns="http://hl7.org/fhir"><text><status value="empty"/><div xmlns="http://www.w3.org/1999/xhtml">a<b>c</b></div></text><contained><Group><id value="g"/></Group></contained><name id="n"><given value="a"/><given id="g"><extension url="u"><valueDecimal value="1.00"/></extension></given></name><multipleBirthInteger value="2"/></Patient>"#,
];

/// A patch of each kind.
const PATCHES: [&[u8]; 3] = [
    br#"[{"op":"add","path":"/code/coding/-","value":{"code":"e"}},{"op":"test","path":"/valueQuantity/value","value":1},{"op":"move","from":"/code/coding/0","path":"/code/coding/1"},{"op":"copy","from":"/status","path":"/issued"},{"op":"remove","path":"/contained/0/name/0/given/0"},{"op":"replace","path":"/id","value":"b"}]"#,
    br#"{"resourceType":"Parameters","parameter":[{"name":"operation","part":[{"name":"type","valueCode":"replace"},{"name":"path","valueString":"Observation.code.coding.where(code = 'c').code"},{"name":"value","valueCode":"e"}]},{"name":"operation","part":[{"name":"type","valueCode":"move"},{"name":"path","valueString":"Observation.contained[0].name.given"},{"name":"source","valueInteger":1},{"name":"destination","valueInteger":0}]},{"name":"operation","part":[{"name":"type","valueCode":"add"},{"name":"path","valueString":"Observation"},{"name":"name","valueString":"component"},{"name":"value","part":[{"name":"code","valueCodeableConcept":{"text":"t"}}]}]}]}"#,
    br#"<diff xmlns:f="http://hl7.org/fhir"><replace sel="f:Observation/f:code/f:coding[f:code/@value='c']/f:code/@value">e</replace><add sel="f:Observation/f:code/f:coding[2]" pos="after"><f:coding><f:code value="f"/></f:coding></add><remove sel="/f:Observation/f:contained[1]"/></diff>"#,
];

/// Resources that searches are taught by, and units.
const SEARCHED: [&[u8]; 4] = [
    br#"{"resourceType":"SearchParameter","url":"u","code":"own","base":["Observation"],"type":"token","status":"active","target":["Patient"],"expression":"(Observation.value as Quantity) | Observation.code.where(coding.code='c').coding[0] | Observation.contained.name.given.first() + 'a'"}"#,
    br#"{"resourceType":"CodeSystem","url":"u","content":"complete","property":[{"code":"p","uri":"http://hl7.org/fhir/concept-properties#parent"}],"concept":[{"code":"a","concept":[{"code":"b","property":[{"code":"p","valueCode":"c"}]}]},{"code":"c","property":[{"code":"child","valueCode":"a"},{"code":"n","valueInteger":1}]},{"code":"d"}]}"#,
    br#"{"resourceType":"ValueSet","url":"u","compose":{"include":[{"system":"http://hl7.org/fhir/administrative-gender","filter":[{"property":"concept","op":"is-a","value":"male"}]},{"system":"s","concept":[{"code":"a"}],"valueSet":["http://hl7.org/fhir/ValueSet/observation-status|4.0.1"]}],"exclude":[{"valueSet":["v"]}]},"expansion":{"total":1,"contains":[{"code":"a","contains":[{"code":"b"}]}]}}"#,
    b"mm[Hg].(10*3/uL)2/{score}.kg-1/[degF]",
];

/// Pieces that change meaning when they land in JSON.
const PIECES: [&str; 26] = [
    "\"",
    "\\",
    "{",
    "}",
    "[",
    "]",
    ",",
    ":",
    "null",
    "0",
    "\u{0}",
    "é",
    "\\ud800",
    "\"resourceType\":\"Bundle\",",
    "{\"reference\":\"Patient/1\"}",
    "\"_given\":[null],",
    "<",
    "/>",
    "&",
    "&#0;",
    "<!DOCTYPE a>",
    "<![CDATA[",
    " xmlns:x=\"\"",
    "[0]",
    "/-",
    "-1",
];

fn all(bytes: &[u8]) {
    fuzz::json(bytes);
    fuzz::resource(bytes);
    fuzz::bundle(bytes);
    fuzz::xml_write(bytes);
    fuzz::subset(bytes);
}

fn patches(bytes: &[u8]) {
    fuzz::json_patch(bytes);
    fuzz::fhirpath_patch(bytes);
    fuzz::xml_patch(bytes);
}

fn searched(bytes: &[u8]) {
    fuzz::search_parameter(bytes);
    fuzz::code_system(bytes);
    fuzz::value_set(bytes);
    fuzz::unit(bytes);
}

#[test]
fn search_parameters_terminology_and_units_cut_anywhere_are_refused_or_read() {
    for example in SEARCHED {
        (0..=example.len()).for_each(|end| searched(&example[..end]));
    }
}

#[test]
fn xml_and_patches_cut_anywhere_are_refused_or_read() {
    for example in XML {
        (0..example.len()).for_each(|end| fuzz::xml(&example[..end]));
        fuzz::xml(example);
    }
    for example in PATCHES {
        (0..=example.len()).for_each(|end| patches(&example[..end]));
    }
}

#[test]
fn a_text_cut_anywhere_is_refused_or_read() {
    for example in EXAMPLES {
        for end in (0..example.len()).step_by(7) {
            all(&example[..end]);
        }
        all(example);
    }
}

proptest! {
    #[test]
    fn a_changed_resource_is_refused_or_read(
        example in 0..EXAMPLES.len(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), 0..20_usize, 0..PIECES.len()), 1..6),
    ) {
        let mut bytes = EXAMPLES[example].to_vec();
        for (place, length, piece) in changes {
            let at = place.index(bytes.len());
            let end = (at + length).min(bytes.len());
            bytes.splice(at..end, PIECES[piece].bytes());
        }
        all(&bytes);
    }

    #[test]
    fn changed_xml_and_changed_patches_are_refused_or_read(
        example in 0..XML.len() + PATCHES.len(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), 0..20_usize, 0..PIECES.len()), 1..6),
    ) {
        let mut bytes = XML.iter().chain(&PATCHES).nth(example).unwrap().to_vec();
        for (place, length, piece) in changes {
            let at = place.index(bytes.len());
            let end = (at + length).min(bytes.len());
            bytes.splice(at..end, PIECES[piece].bytes());
        }
        fuzz::xml(&bytes);
        patches(&bytes);
    }

    #[test]
    fn changed_search_parameters_terminology_and_units_are_refused_or_read(
        example in 0..SEARCHED.len(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), 0..20_usize, 0..PIECES.len()), 1..6),
    ) {
        let mut bytes = SEARCHED[example].to_vec();
        for (place, length, piece) in changes {
            let at = place.index(bytes.len().max(1)).min(bytes.len());
            let end = (at + length).min(bytes.len());
            bytes.splice(at..end, PIECES[piece].bytes());
        }
        searched(&bytes);
    }

    #[test]
    fn any_unit_is_refused_or_read(code in "[a-zA-Z0-9*./(){}'\\[\\]+-]{1,24}") {
        fuzz::unit(code.as_bytes());
    }

    #[test]
    fn any_bytes_are_refused_or_read(bytes: Vec<u8>) {
        all(&bytes);
        fuzz::xml(&bytes);
        patches(&bytes);
        fuzz::diff(&bytes);
        searched(&bytes);
    }
}

//! Facts about FHIRPath: rows per function, on one Patient and one Observation.

use super::*;
use crate::json::Doc;

const PATIENT: &str = r##"{"resourceType":"Patient","id":"p","active":true,"birthDate":"1974-12-25","_birthDate":{"extension":[
{"url":"http://t","valueDateTime":"1974-12-25T14:35:45-05:00"}]},"gender":"male","deceasedBoolean":false,"multipleBirthInteger":2,
"name":[{"use":"official","family":"Chalmers","given":["Peter","James"],"_given":[{"id":"g1"},null]},{"use":"usual","given":["Jim"]}],
"managingOrganization":{"reference":"#o"},"generalPractitioner":[{"reference":"Practitioner/1"},{"type":"Organization","display":"x"}],
"contained":[{"resourceType":"Organization","id":"o","name":"Hospital"}],
"contact":[{"name":{"family":"du Marché"},"gender":"female"}],
"extension":[{"url":"http://e","valueString":"x"},{"url":"http://e","valueDecimal":1.50}]}"##;

fn shown(items: &[Item<'_>]) -> String {
    let one = |item: &Item<'_>| match item.value() {
        Some(value) => value.to_text().into_owned(),
        None => format!("<{}>", item.element().map_or("?", Element::kind)),
    };
    items.iter().map(one).collect::<Vec<_>>().join(", ")
}

fn run(text: &str) -> String {
    let doc = Doc::parse(PATIENT.into()).unwrap();
    let expression = match Expression::parse(text) {
        Ok(expression) => expression,
        Err(error) => return error.to_string(),
    };
    let element = Element::resource(doc.root()).unwrap();
    let context = Context { now: Some("2026-01-02T03:04:05.678Z"), ..Context::of(element) };
    expression.evaluate(&context, element).map_or_else(|error| error.to_string(), |items| shown(&items))
}

fn check(rows: &[(&str, &str)]) {
    for (text, wanted) in rows {
        assert_eq!(run(text), *wanted, "{text}");
    }
}

#[test]
fn paths_find_elements() {
    check(&[
        ("name.given", "Peter, James, Jim"),
        ("Patient.name.given", "Peter, James, Jim"),
        ("Resource.id", "p"),
        ("Observation.id", ""),
        ("name[1].given", "Jim"),
        ("name[5]", ""),
        ("name.family.extension", ""),
        ("deceased", "false"),
        ("deceasedBoolean", ""),
        ("multipleBirth + 1", "3"),
        ("birthDate.extension.value", "1974-12-25T14:35:45-05:00"),
        ("name.given.id", "g1"),
        ("`name`.`use`", "official, usual"),
        ("contact", "<Patient.contact>"),
        ("nothing", ""),
        ("contained.name", "Hospital"),
        ("extension('http://e').value", "x, 1.50"),
        ("children().count() > 10", "true"),
        ("descendants().where($this is HumanName).count()", "3"),
        ("%resource.id | %context.id | %rootResource.id", "p"),
        ("%ucum", "http://unitsofmeasure.org"),
        ("%`vs-a`", "http://hl7.org/fhir/ValueSet/a"),
    ]);
}

#[test]
fn existence_filtering_and_subsetting() {
    check(&[
        ("name.empty() | name.exists()", "false, true"),
        ("name.exists(use = 'usual')", "true"),
        ("name.all(given.exists())", "true"),
        ("name.where(use = 'usual').given", "Jim"),
        ("name.select(given.first())", "Peter, Jim"),
        ("name.select($index)", "0, 1"),
        ("name.count()", "2"),
        ("(true | false).allTrue()", "false"),
        ("(true | false).anyTrue()", "true"),
        ("(true | false).allFalse()", "false"),
        ("(true | false).anyFalse()", "true"),
        ("(1 | 2).subsetOf(1 | 2 | 3)", "true"),
        ("(1 | 2).supersetOf(1 | 2 | 3)", "false"),
        ("1.combine(1).distinct()", "1"),
        ("1.combine(1).isDistinct()", "false"),
        ("true.not()", "false"),
        ("name.given.first()", "Peter"),
        ("name.given.last()", "Jim"),
        ("name.given.tail()", "James, Jim"),
        ("name.given.skip(1)", "James, Jim"),
        ("name.given.take(2)", "Peter, James"),
        ("name.use.single()", "FHIRPath: single needs one item, not several"),
        ("(1 | 2 | 3).intersect(2 | 3)", "2, 3"),
        ("(1 | 2 | 3).exclude(2)", "1, 3"),
        ("1.union(1 | 2)", "1, 2"),
        ("repeat(contact | name).count()", "4"),
        ("iif(active, 'a', 'b')", "a"),
        ("(1 | 2 | 3).aggregate($this + $total, 0)", "6"),
        ("extension.value.ofType(string)", "x"),
        ("extension.value is string", "FHIRPath: is needs one item, not several"),
        ("active is boolean", "true"),
        ("active is Boolean", "false"),
        ("true is System.Boolean", "true"),
        ("gender is string", "true"),
        ("gender is FHIR.code", "true"),
        ("contact is BackboneElement", "true"),
        ("$this is DomainResource", "true"),
        ("(extension[0].value as string)", "x"),
    ]);
}

#[test]
fn operators() {
    check(&[
        ("1 + 2 * 3", "7"),
        ("7 div 2 | 7 mod 2", "3, 1"),
        ("7 / 2", "3.5"),
        ("1 / 0", ""),
        ("-(1.5)", "-1.5"),
        ("1.1 + 2.2", "3.3"),
        ("0.1 * 3 = 0.3", "true"),
        ("2147483647 + 1", ""),
        ("'a' + 'b' & {}", "ab"),
        ("{} + 'b'", ""),
        ("1.0 = 1", "true"),
        ("'a' = 1", "false"),
        ("{} = 1", ""),
        ("'A  b' ~ 'a B'", "true"),
        ("1.11 ~ 1.1", "true"),
        ("{} ~ {}", "true"),
        ("1 != 2", "true"),
        ("'a' !~ 'b'", "true"),
        ("1 < 2 and 2 <= 2 and 3 > 2 and 3 >= 3", "true"),
        ("'a' < 1", "FHIRPath: < needs two values of one type"),
        ("gender in ('male' | 'female')", "true"),
        ("name.given contains 'Jim'", "true"),
        ("false and {}", "false"),
        ("true and {}", ""),
        ("true or {}", "true"),
        ("{} or false", ""),
        ("true xor false", "true"),
        ("false implies {}", "true"),
        ("{} implies true", "true"),
        ("true implies false", "false"),
        ("birthDate < @1980", "true"),
        ("@2012 = @2012-01", ""),
        ("@2012-01-01T10:00:00+02:00 = @2012-01-01T08:00:00Z", "true"),
        ("@2012-01-31 + 1 month", "2012-02-29"),
        ("@2012-02-29 + 1 year", "2013-02-28"),
        ("@2012-01-01T23:59:59Z + 2 seconds", "2012-01-02T00:00:01Z"),
        ("@T10:00 + 90 minutes", "11:30"),
        ("@2012-01-01 - 1 day", "2011-12-31"),
        ("4 'mg' = 0.004 'g'", "true"),
        ("7 days = 1 week", "true"),
        ("1 'mg' < 1 'm'", ""),
        ("1 'kg' + 2 'kg'", "3 'kg'"),
    ]);
}

#[test]
fn functions_of_texts_and_numbers() {
    check(&[
        ("'abc'.length()", "3"),
        ("'abcab'.indexOf('b') | 'abcab'.lastIndexOf('b') | 'a'.indexOf('x')", "1, 4, -1"),
        ("'äbc'.substring(1) | 'abc'.substring(1, 1)", "bc, b"),
        ("'abc'.substring(3)", ""),
        ("'abc'.startsWith('a') and 'abc'.endsWith('c') and 'abc'.contains('b')", "true"),
        ("'aB'.upper() | 'aB'.lower()", "AB, ab"),
        ("'aba'.replace('a', 'x')", "xbx"),
        ("'2020-01'.matches('^[0-9]{4}')", "true"),
        ("'a\\nb'.matches('a.b')", "true"),
        ("'abc'.matchesFull('b')", "false"),
        ("'11/30'.replaceMatches('([0-9]+)/([0-9]+)', '$2-$1')", "30-11"),
        ("'ab'.toChars()", "a, b"),
        ("'a,b'.split(',')", "a, b"),
        ("name.given.join('-')", "Peter-James-Jim"),
        ("' a '.trim()", "a"),
        ("(-5).abs() | (-1.5).ceiling() | (-1.5).floor() | 1.9.truncate()", "5, -1, -2, 1"),
        ("1.25.round(1) | 2.power(3) | 9.sqrt()", "1.3, 8, 3"),
        ("0.exp() | 1.ln() | 16.log(2)", "1, 0, 4"),
        ("(-1).sqrt()", ""),
        ("'x'.abs()", "FHIRPath: abs needs a number"),
        ("name.startsWith('x')", "FHIRPath: startsWith needs one item, not several"),
    ]);
}

#[test]
fn conversions() {
    check(&[
        ("'true'.toBoolean() | 0.toBoolean()", "true, false"),
        ("'12'.toInteger() | true.toInteger()", "12, 1"),
        ("'1.5'.toInteger()", ""),
        ("'1.50'.toDecimal()", "1.50"),
        ("'2020-01-01T10:00Z'.toDate() | '2020'.toDateTime() | '10:00'.toTime()", "2020-01-01, 2020, 10:00"),
        ("'2020-13'.convertsToDate()", "false"),
        ("'4 days'.toQuantity() | '1 \\'mg\\''.toQuantity()", "4 day, 1 'mg'"),
        ("1.toString() + 'a'", "1a"),
        ("'x'.convertsToInteger() or 'x'.convertsToBoolean() or 'x'.convertsToDecimal()", "false"),
        ("'x'.convertsToTime() or 'x'.convertsToQuantity() or 'x'.convertsToDateTime()", "false"),
        ("1.convertsToString()", "true"),
    ]);
}

#[test]
fn functions_of_fhir() {
    check(&[
        ("birthDate.hasValue() and name.hasValue().not()", "true"),
        ("active.getValue()", "true"),
        ("managingOrganization.resolve().name", "Hospital"),
        ("generalPractitioner.resolve() is Practitioner", "FHIRPath: is needs one item, not several"),
        ("generalPractitioner.resolve().select($this is Practitioner)", "true, false"),
        ("gender.memberOf('http://hl7.org/fhir/ValueSet/administrative-gender')", "true"),
        ("gender.memberOf('http://nowhere')", ""),
        ("'<div>x</div>'.htmlChecks() | '<p/>'.htmlChecks()", "true, false"),
        ("name.trace('x').count()", "2"),
        ("today() | now() | timeOfDay()", "2026-01-02, 2026-01-02T03:04:05.678Z, 03:04:05.678"),
    ]);
}

#[test]
fn what_is_not_there_is_refused_when_read() {
    check(&[
        ("conformsTo('x')", "FHIRPath: conformsTo is not supported"),
        ("name.foo()", "FHIRPath: foo is not supported"),
        ("%foo", "FHIRPath: %foo is not supported"),
        ("$this is Foo", "FHIRPath: Foo is not supported"),
        ("name.", "FHIRPath, near byte 5: a name is missing after the dot"),
        ("(1", "FHIRPath, near byte 2: ) is missing"),
        ("1 +", "FHIRPath, near byte 3: a value or a path is missing"),
        ("'a", "FHIRPath, near byte 1: a quotation does not end"),
        ("name name", "FHIRPath, near byte 5: the expression should end here"),
        ("@2020-13", "FHIRPath, near byte 8: the literal before is no date or time of the calendar"),
        ("name.first(1)", "FHIRPath, near byte 13: the function before takes another number of arguments"),
        ("'a'.matches('[')", "FHIRPath: matches needs a regular expression that can be read"),
        (&format!("{}1{}", "(".repeat(100), ")".repeat(100)), "FHIRPath: the expression nests more than 64 deep"),
        (&vec!["a"; 100].join("."), "FHIRPath: the expression nests more than 64 deep"),
        (&"a".repeat(TEXT_BYTES_MAX + 1), "FHIRPath: the expression is longer than 16384 bytes"),
    ]);
}

#[test]
fn hostile_expressions_end() {
    let many = "(1|2|3|4|5|6|7|8|9)";
    let nested =
        format!("{many}.select({many}.select({many}.select({many}.select({many}.select({many}.select({many}))))))");
    check(&[
        (&nested, "FHIRPath: the evaluation took too many steps, or more than 500000 items"),
        ("repeat($this).count()", "1"),
        ("'a'.matches('((a{0,99}){0,99}){0,99}')", "FHIRPath: matches needs a regular expression that can be read"),
        (
            "(1|2|3|4|5|6|7|8|9|10|11|12|13|14|15|16).aggregate($total & $total, 'a').matches('(a{0,99}){0,9}b')",
            "FHIRPath: the evaluation took too many steps, or more than 500000 items",
        ),
        (
            "descendants().aggregate($total.combine($total), 1)",
            "FHIRPath: the evaluation took too many steps, or more than 500000 items",
        ),
        ("'a'.repeat($this & 'a')", "FHIRPath: the evaluation took too many steps, or more than 500000 items"),
        ("(1|2|3|4|5|6|7|8).aggregate($total.combine($total).combine(1|2|3|4|5|6|7|8|9)).count() > 9", "true"),
    ]);
}

#[test]
fn an_element_says_where_it_stands() {
    let doc = Doc::parse(PATIENT.into()).unwrap();
    for (text, member, index) in [
        ("name[1].given[0]", "given", Some(0)),
        ("name.given[2]", "given", Some(0)),
        ("name.where(use = 'usual')", "name", Some(1)),
        ("deceased", "deceasedBoolean", None),
        ("birthDate", "birthDate", None),
        ("extension.value.ofType(decimal)", "valueDecimal", None),
        ("managingOrganization.resolve()", "contained", Some(0)),
    ] {
        let expression = Expression::parse(text).unwrap();
        let found = expression.of_resource(doc.root()).unwrap();
        let location = found[0].element().unwrap().location().unwrap();
        assert_eq!((location.member, location.index), (member, index), "{text}");
        let value = location.parent.get(member).unwrap();
        let value = index.map_or(value, |index| value.items().nth(index).unwrap());
        assert_eq!(Some(value.range()), found[0].element().unwrap().node().map(Node::range), "{text}");
    }
    assert!(
        Expression::parse("$this").unwrap().of_resource(doc.root()).unwrap()[0].element().unwrap().location().is_none()
    );
}

#[test]
fn a_rule_is_true_false_or_has_no_answer() {
    let doc = Doc::parse(PATIENT.into()).unwrap();
    let element = Element::resource(doc.root()).unwrap();
    for (text, wanted) in [
        ("active", Some(true)),
        ("active.not()", Some(false)),
        ("address.text = 'x'", Some(false)),
        ("@2020 <= @2020-01", None),
        ("name.first()", Some(true)),
    ] {
        let holds = Expression::parse(text).unwrap().holds(&Context::of(element), element).unwrap();
        assert_eq!(holds, wanted, "{text}");
    }
}

//! A resource as a client wants to see it: whole or in part, in one line or laid out. Called by `answer`, `interaction`
//! and `operation` for each resource of an answer; which elements those are is `fhir::summary`'s affair, and XML is
//! written where answers leave (`answer::deliver`).
//! Spec: <https://hl7.org/fhir/R4/search.html#elements>, <https://hl7.org/fhir/R4/search.html#summary>.

use crate::media::Format;
use crate::negotiate::Form;
use fhir::json::Doc;
use fhir::summary::{self, Subset};

/// How a client wants resources.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct View {
    pub(crate) form: Form,
    /// A Binary as its bytes.
    pub(crate) raw: bool,
    pub(crate) subset: Subset,
}

impl View {
    /// The resource in its final form.
    pub(crate) fn apply(&self, json: Vec<u8>) -> Vec<u8> {
        self.lay_out(self.part(json))
    }

    /// The wanted elements.
    pub(crate) fn part(&self, json: Vec<u8>) -> Vec<u8> {
        if self.subset == Subset::Whole {
            return json;
        }
        // A deleted version has no text.
        match Doc::parse(json) {
            Ok(doc) => summary::subset(&doc, &self.subset),
            Err(_) => Vec::new(),
        }
    }

    /// One line, or many; XML is laid out when it is written.
    pub(crate) fn lay_out(&self, json: Vec<u8>) -> Vec<u8> {
        if self.form.pretty && self.form.format == Format::Json { summary::pretty(&json) } else { json }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WHOLE: &str = r#"{"resourceType":"Patient","id":"1","birthDate":"1990","multipleBirthInteger":2}"#;

    #[test]
    fn a_view_cuts_and_lays_out() {
        check(Subset::Whole, false, WHOLE);
        let head = r#"{"resourceType":"Patient","id":"1","meta":{"tag":[{"system":"http://terminology.hl7.org/CodeSystem/v3-ObservationValue","code":"SUBSETTED"}]}"#;
        check(Subset::Summary, false, &format!(r#"{head},"birthDate":"1990"}}"#));
        check(summary::elements("multipleBirth"), false, &format!(r#"{head},"multipleBirthInteger":2}}"#));
        let pretty = "{\n  \"resourceType\": \"Patient\",\n  \"id\": \"1\",\n  \"birthDate\": \"1990\",\n  \"multipleBirthInteger\": 2\n}\n";
        check(Subset::Whole, true, pretty);
    }

    fn check(subset: Subset, pretty: bool, wanted: &str) {
        let view = View { form: Form { pretty, ..Form::default() }, subset, ..View::default() };
        assert_eq!(String::from_utf8(view.apply(WHOLE.as_bytes().to_vec())).unwrap(), wanted);
    }

    #[test]
    fn a_deleted_version_stays_empty() {
        assert!(View { subset: Subset::Summary, ..View::default() }.apply(Vec::new()).is_empty());
    }
}

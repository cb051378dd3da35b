//! What each kind of entry is called, for somebody who knows nothing of FHIR: one line per type, many and one. Called
//! by `words` and `pages`.
//!
//! Source of the types: <https://hl7.org/fhir/R4/resourcelist.html>

/// (type, several of them, one of them).
const TYPES: &[(&str, &str, &str)] = &[
    ("Account", "billing accounts", "a billing account"),
    ("AdverseEvent", "harmful events during care", "a harmful event during care"),
    ("AllergyIntolerance", "allergies and intolerances", "an allergy or intolerance"),
    ("Appointment", "appointments", "an appointment"),
    ("AppointmentResponse", "answers to appointments", "an answer to an appointment"),
    ("AuditEvent", "entries about who looked", "an entry about who looked"),
    ("Basic", "other entries", "another entry"),
    ("Binary", "attached files", "an attached file"),
    ("BodyStructure", "places on the body", "a place on the body"),
    ("Bundle", "collections of entries", "a collection of entries"),
    ("CarePlan", "care plans", "a care plan"),
    ("CareTeam", "care teams", "a care team"),
    ("ChargeItem", "charges", "a charge"),
    ("Claim", "bills to your insurance", "a bill to your insurance"),
    ("ClaimResponse", "your insurance's answers to bills", "your insurance's answer to a bill"),
    ("ClinicalImpression", "clinical assessments", "a clinical assessment"),
    ("Communication", "messages about your care", "a message about your care"),
    ("CommunicationRequest", "requests to send a message", "a request to send a message"),
    ("Composition", "reports and letters", "a report or letter"),
    ("Condition", "diagnoses and health problems", "a diagnosis or health problem"),
    ("Consent", "consents", "a consent"),
    ("Contract", "contracts", "a contract"),
    ("Coverage", "insurance coverage", "an insurance coverage"),
    ("DetectedIssue", "warnings, such as medicines that do not go together", "a warning about your care"),
    ("Device", "medical devices", "a medical device"),
    ("DeviceRequest", "orders for medical devices", "an order for a medical device"),
    ("DeviceUseStatement", "use of medical devices", "the use of a medical device"),
    ("DiagnosticReport", "laboratory and imaging reports", "a laboratory or imaging report"),
    ("DocumentManifest", "lists of documents", "a list of documents"),
    ("DocumentReference", "documents", "a document"),
    ("Encounter", "visits and hospital stays", "a visit or hospital stay"),
    ("EnrollmentRequest", "requests to join a plan", "a request to join a plan"),
    ("EpisodeOfCare", "periods of care", "a period of care"),
    ("ExplanationOfBenefit", "insurance statements", "an insurance statement"),
    ("FamilyMemberHistory", "family health history", "an entry in the family health history"),
    ("Flag", "alerts on your record", "an alert on your record"),
    ("Goal", "health goals", "a health goal"),
    ("Group", "groups", "a group"),
    ("GuidanceResponse", "advice from a computer", "advice from a computer"),
    ("HealthcareService", "services of a hospital", "a service of a hospital"),
    ("ImagingStudy", "X-rays and other imaging", "an X-ray or other imaging"),
    ("Immunization", "vaccinations", "a vaccination"),
    ("ImmunizationEvaluation", "checks of vaccinations", "a check of a vaccination"),
    ("ImmunizationRecommendation", "vaccination recommendations", "a vaccination recommendation"),
    ("Invoice", "invoices", "an invoice"),
    ("List", "lists, such as of current medicines", "a list"),
    ("Location", "places", "a place"),
    ("Media", "photos, videos and recordings", "a photo, video or recording"),
    ("Medication", "medicines", "a medicine"),
    ("MedicationAdministration", "medicines given to you", "a medicine given to you"),
    ("MedicationDispense", "medicines handed out to you", "a medicine handed out to you"),
    ("MedicationRequest", "prescriptions", "a prescription"),
    ("MedicationStatement", "medicines you take", "a medicine you take"),
    ("MolecularSequence", "genetic sequences", "a genetic sequence"),
    ("NutritionOrder", "diet orders", "a diet order"),
    ("Observation", "measurements and test results", "a measurement or test result"),
    ("Organization", "hospitals and practices", "a hospital or practice"),
    ("Patient", "your name and personal details", "your name and personal details"),
    ("Person", "personal details", "personal details"),
    ("Practitioner", "doctors, nurses and other professionals", "a doctor, nurse or other professional"),
    ("PractitionerRole", "roles of professionals", "a role of a professional"),
    ("Procedure", "operations and procedures", "an operation or procedure"),
    ("Provenance", "where entries came from", "where an entry came from"),
    ("Questionnaire", "questionnaires", "a questionnaire"),
    ("QuestionnaireResponse", "answered questionnaires", "an answered questionnaire"),
    ("RelatedPerson", "relatives and contacts", "a relative or contact"),
    ("RequestGroup", "groups of orders", "a group of orders"),
    ("ResearchSubject", "research you take part in", "research you take part in"),
    ("RiskAssessment", "risk assessments", "a risk assessment"),
    ("Schedule", "schedules", "a schedule"),
    ("ServiceRequest", "referrals and orders", "a referral or order"),
    ("Slot", "free times for appointments", "a free time for an appointment"),
    ("Specimen", "samples, such as blood", "a sample, such as blood"),
    ("SupplyDelivery", "supplies delivered", "a delivery of supplies"),
    ("SupplyRequest", "supplies ordered", "an order for supplies"),
    ("Task", "tasks", "a task"),
    ("VisionPrescription", "glasses and contact lenses", "a prescription for glasses or lenses"),
];

fn find(name: &str) -> Option<&'static (&'static str, &'static str, &'static str)> {
    TYPES.binary_search_by_key(&name, |(known, _, _)| known).ok().map(|at| &TYPES[at])
}

/// What several entries of a type are called; the type's own name if there is no word.
pub(crate) fn many(name: &str) -> String {
    find(name).map_or(name, |(_, many, _)| many).to_owned()
}

/// What one entry of a type is called; the type's own name if there is no word.
pub(crate) fn one(name: &str) -> String {
    find(name).map_or(name, |(_, _, one)| one).to_owned()
}

/// Puts words in the place of the type's name in a sentence of `node`'s: "wrote Observation" becomes "wrote a
/// measurement or test result".
pub(crate) fn translate(text: &str, name: &str) -> String {
    let Some((_, _, one)) = find(name) else { return text.to_owned() };
    let edge = |letter: Option<char>| letter.is_none_or(|letter| !letter.is_alphanumeric());
    let place = text
        .match_indices(name)
        .find(|(at, _)| edge(text[..*at].chars().next_back()) && edge(text[at + name.len()..].chars().next()));
    let Some((at, _)) = place else { return text.to_owned() };
    let before = &text[..at];
    let before = ["a ", "an "].iter().find_map(|article| before.strip_suffix(article)).unwrap_or(before);
    format!("{before}{one}{}", &text[at + name.len()..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_in_order() {
        assert!(TYPES.is_sorted_by(|a, b| a.0 < b.0));
    }

    #[test]
    fn a_type_has_words_or_its_own_name() {
        let check = |name: &str, several: &str, single: &str| {
            assert_eq!((many(name).as_str(), one(name).as_str()), (several, single));
        };
        check("Observation", "measurements and test results", "a measurement or test result");
        check("MedicationRequest", "prescriptions", "a prescription");
        check("Account", "billing accounts", "a billing account");
        check("VisionPrescription", "glasses and contact lenses", "a prescription for glasses or lenses");
        check("Nonsense", "Nonsense", "Nonsense");
        check("", "", "");
    }

    #[test]
    fn a_sentence_is_translated_where_it_names_the_type() {
        let check = |text: &str, name: &str, expected: &str| assert_eq!(translate(text, name), expected);
        check("wrote a Observation: Weight", "Observation", "wrote a measurement or test result: Weight");
        check("wrote Observation", "Observation", "wrote a measurement or test result");
        check("deleted an Immunization", "Immunization", "deleted a vaccination");
        check("wrote MedicationRequest", "Medication", "wrote MedicationRequest");
        check("wrote Nonsense", "Nonsense", "wrote Nonsense");
        check("", "Observation", "");
    }
}

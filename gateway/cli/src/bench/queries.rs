//! The queries of `bench search`: one or more of each kind, over what Synthea writes. Called by `search`.

/// What a query costs at best.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Class {
    /// Few resources match: a page must not grow with the database.
    Selective,
    /// Many match: a page of them is found early.
    Broad,
    /// A share of the database must be looked at.
    Share,
}

impl Class {
    pub(super) fn name(self) -> &'static str {
        match self {
            Class::Selective => "selective",
            Class::Broad => "a page of many",
            Class::Share => "a share of the database is visited",
        }
    }
}

/// One query; names in braces are filled in from one Patient after the other.
pub(super) struct Query {
    pub(super) text: &'static str,
    pub(super) class: Class,
    /// Which page is timed, from 1.
    pub(super) page: usize,
}

const fn query(class: Class, text: &'static str) -> Query {
    Query { text, class, page: 1 }
}

pub(super) static QUERIES: &[Query] = &[
    query(Class::Selective, "Patient?identifier={identifier}"),
    query(Class::Selective, "Patient?family={family}"),
    query(Class::Selective, "Patient?family:exact={family}&birthdate={birthdate}"),
    query(Class::Selective, "Patient?_id={patient}"),
    query(Class::Selective, "Observation?patient={patient}&_count=20"),
    query(Class::Selective, "Observation?encounter=Encounter/{encounter}"),
    query(Class::Selective, "Observation?patient={patient}&code=http://loinc.org|8302-2"),
    query(Class::Selective, "Observation?patient={patient}&code=8302-2,29463-7&date=ge2012"),
    query(Class::Selective, "Observation?patient={patient}&value-quantity=gt1.5|http://unitsofmeasure.org|m"),
    query(Class::Selective, "Observation?patient={patient}&code-value-quantity=8302-2$gt150"),
    query(Class::Selective, "Observation?patient={patient}&component-code-value-quantity=8480-6$gt120"),
    query(Class::Selective, "Observation?patient={patient}&_sort=-date&_count=20"),
    query(Class::Selective, "Observation?patient.identifier={identifier}&code=8302-2"),
    query(Class::Selective, "Condition?subject:Patient.family={family}"),
    query(Class::Selective, "Condition?patient={patient}&clinical-status:not=active"),
    query(Class::Selective, "Patient?family={family}&_has:Observation:patient:code=8302-2"),
    query(Class::Selective, "Encounter?patient={patient}&_revinclude=Observation:encounter&_count=5"),
    query(Class::Selective, "MedicationRequest?patient={patient}&_include=MedicationRequest:requester"),
    query(Class::Selective, "Patient/{patient}/Condition?_sort=onset-date"),
    query(Class::Selective, "Observation?_filter=patient eq Patient/{patient} and (code eq 8302-2 or code eq 29463-7)"),
    query(Class::Broad, "Observation"),
    query(Class::Broad, "Observation?code=http://loinc.org|8302-2"),
    Query { text: "Observation?code=http://loinc.org|8302-2", class: Class::Broad, page: 10 },
    query(Class::Broad, "Observation?code=8302-2,29463-7,39156-5"),
    query(Class::Broad, "Observation?category=vital-signs&_sort=-date"),
    Query { text: "Observation?_sort=date", class: Class::Broad, page: 10 },
    query(Class::Broad, "Observation?date=ge2015"),
    query(Class::Broad, "Observation?value-quantity=gt100"),
    query(Class::Broad, "Patient?gender=female&_sort=family"),
    query(Class::Broad, "Encounter?status=finished&_sort=-date"),
    query(Class::Broad, "Patient?_has:Observation:patient:code=8302-2"),
    query(Class::Broad, "Observation?patient.gender=female&code=8302-2"),
    query(Class::Share, "Observation?code=http://loinc.org|8302-2&_total=accurate"),
    query(Class::Share, "Observation?category=laboratory&_summary=count"),
    query(Class::Share, "Observation?code:not=8302-2&_summary=count"),
    query(Class::Share, "Condition?abatement-date:missing=true&_summary=count"),
    query(Class::Share, "Patient?name:contains=son&_summary=count"),
];

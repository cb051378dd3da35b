//! Which of this hospital's Patients somebody may be: candidates by identifier, name, birth date and telecom, scored by
//! fixed rules, so that the same question always has the same answer. Called by `server`.
//!
//! Spec: <https://hl7.org/fhir/R4/patient-operation-match.html>

use crate::caller::Caller;
use crate::error::NodeError;
use crate::node::Node;
use crate::read::Served;
use fhir::index::fold;
use fhir::json::{Doc, Node as Json};
use fhir::params::Lookup;
use fhir::{Code, ResourceType};
use record::scope::Interactions;
use std::collections::{BTreeMap, BTreeSet};
use store::db::Reader;
use store::search::Search;
use store::versions::StoredVersion;

/// Patients that one trait brings in: beyond this it tells too little to go by alone.
const CANDIDATES_MAX: usize = 200;
/// Identifiers, families, given names and telecoms that are compared, of each as many: further ones of one person tell
/// nothing more, and every pair of names is a statement.
const TRAITS_MAX: usize = 8;
/// Most Patients that are answered.
pub const MATCHES_MAX: usize = 100;

/// How sure it is (<https://hl7.org/fhir/R4/valueset-match-grade.html>).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Grade {
    /// Some traits agree.
    Possible,
    /// An identifier agrees but not all the rest, or name and birth date do.
    Probable,
    /// An identifier agrees, and nothing speaks against it.
    Certain,
}

impl Grade {
    /// The FHIR code.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::Possible => "possible",
            Self::Probable => "probable",
            Self::Certain => "certain",
        }
    }
}

/// One Patient it may be.
#[derive(Clone, Debug)]
pub struct Candidate {
    /// The Patient.
    pub served: Served,
    /// Thousandths, up to 1000; a better grade never has less.
    pub score: u16,
    /// How sure it is.
    pub grade: Grade,
}

/// What a Patient is compared by.
#[derive(Debug, Default, PartialEq, Eq)]
struct Traits {
    /// System and value.
    identifiers: Vec<(String, String)>,
    families: Vec<String>,
    givens: Vec<String>,
    birth: String,
    gender: String,
    telecoms: Vec<String>,
}

impl Traits {
    fn of(doc: &Doc) -> Self {
        let root = doc.root();
        let mut traits = Self::default();
        let text = |node: Json<'_>, name: &str| node.get(name).and_then(Json::text).unwrap_or_default().into_owned();
        let list = |name: &str| root.get(name).into_iter().flat_map(Json::items);
        for identifier in list("identifier") {
            let value = text(identifier, "value");
            if !value.is_empty() {
                traits.identifiers.push((text(identifier, "system"), value));
            }
        }
        for name in list("name") {
            traits.families.push(fold(&text(name, "family")));
            let givens = name.get("given").into_iter().flat_map(Json::items);
            traits.givens.extend(givens.filter_map(Json::text).map(|given| fold(&given)));
        }
        for telecom in list("telecom") {
            traits.telecoms.push(reachable(&text(telecom, "value")));
        }
        for names in [&mut traits.families, &mut traits.givens, &mut traits.telecoms] {
            names.retain(|name| !name.is_empty());
        }
        for names in [&mut traits.families, &mut traits.givens, &mut traits.telecoms] {
            names.truncate(TRAITS_MAX);
        }
        traits.identifiers.truncate(TRAITS_MAX);
        traits.birth = text(root, "birthDate");
        traits.gender = text(root, "gender");
        traits
    }

    fn is_empty(&self) -> bool {
        let lists = [&self.families, &self.givens, &self.telecoms];
        self.identifiers.is_empty() && lists.iter().all(|list| list.is_empty()) && self.birth.is_empty()
    }
}

/// A number without what only makes it readable; other addresses folded.
fn reachable(value: &str) -> String {
    let digits: String = value.chars().filter(char::is_ascii_digit).collect();
    if value.contains('@') || digits.len() < 5 { fold(value) } else { digits }
}

/// Whether two lists have something in common; none where one of them is empty.
fn share(one: &[String], other: &[String]) -> Option<bool> {
    (!one.is_empty() && !other.is_empty()).then(|| one.iter().any(|item| other.contains(item)))
}

/// Whether two texts agree as far as both go; none where one is missing. A date may be of a year only.
fn agree(one: &str, other: &str) -> Option<bool> {
    (!one.is_empty() && !other.is_empty()).then(|| one.starts_with(other) || other.starts_with(one))
}

/// Grade and score in thousandths; none for a Patient that has too little in common.
fn compare(asked: &Traits, found: &Traits) -> Option<(Grade, u16)> {
    let same = |one: &(String, String), other: &(String, String)| {
        one.1 == other.1 && (one.0 == other.0 || one.0.is_empty() || other.0.is_empty())
    };
    let identified = asked.identifiers.iter().any(|one| found.identifiers.iter().any(|other| same(one, other)));
    // Two numbers of one register are two people, unless another number is the same.
    let registered = |one: &(String, String)| {
        !one.0.is_empty() && found.identifiers.iter().any(|other| other.0 == one.0 && other.1 != one.1)
    };
    let distinct = !identified && asked.identifiers.iter().any(registered);
    let (family, given) = (share(&asked.families, &found.families), share(&asked.givens, &found.givens));
    let (birth, gender) = (agree(&asked.birth, &found.birth), agree(&asked.gender, &found.gender));
    let telecom = share(&asked.telecoms, &found.telecoms);
    let weigh = |part: Option<bool>, agrees: i32, differs: i32| match part {
        Some(true) => agrees,
        Some(false) => -differs,
        None => 0,
    };
    let sum = if identified { 600 } else { 0 } - if distinct { 200 } else { 0 }
        + weigh(family, 150, 100)
        + weigh(given, 100, 50)
        + weigh(birth, 200, 200)
        + weigh(gender, 50, 100)
        + weigh(telecom, 100, 0);
    let against = [family, birth, gender].contains(&Some(false));
    let named = family == Some(true) && birth == Some(true);
    let grade = match () {
        () if identified && !against => Grade::Certain,
        () if identified || (named && given != Some(false) && gender != Some(false) && !distinct) => Grade::Probable,
        () if sum >= 200 => Grade::Possible,
        () => return None,
    };
    let (low, high) = match grade {
        Grade::Certain => (900, 1000),
        Grade::Probable => (600, 899),
        Grade::Possible => (200, 599),
    };
    u16::try_from(sum.clamp(low, high)).ok().map(|score| (grade, score))
}

impl Node {
    /// The Patients of this hospital that a Patient may be, best first.
    ///
    /// With `only_certain` there is one, or none where several could be meant.
    ///
    /// # Errors
    /// [`NodeError::Forbidden`] by token; [`NodeError::Invalid`] for a resource that says nothing to go by.
    pub async fn match_patients(
        &self,
        caller: &Caller,
        asked: &Doc,
        only_certain: bool,
        count: usize,
    ) -> Result<Vec<Candidate>, NodeError> {
        let kind = ResourceType::parse("Patient").ok_or(NodeError::Internal("no type is named Patient"))?;
        caller.permit(kind, Interactions::SEARCH)?;
        caller.permit(kind, Interactions::READ)?;
        let traits = Traits::of(asked);
        if traits.is_empty() {
            let text = "a match needs an identifier, a name, a birth date or a telecom to go by";
            return Err(NodeError::invalid(Code::Required, text, "Parameters.parameter.where(name='resource')"));
        }
        let mut found = Vec::new();
        for (_, version) in self.candidates(caller, kind, &traits).await? {
            let Some(served) = self.serve(version).await? else { continue };
            let Ok(doc) = Doc::parse(served.json.clone()) else { continue };
            if let Some((grade, score)) = compare(&traits, &Traits::of(&doc)) {
                found.push(Candidate { served, score, grade });
            }
        }
        found.sort_by(|one, other| (other.score, &one.served.id).cmp(&(one.score, &other.served.id)));
        if only_certain {
            found.retain(|one| one.grade == Grade::Certain);
            if found.len() > 1 {
                found.clear();
            }
        }
        found.truncate(count.clamp(1, MATCHES_MAX));
        Ok(found)
    }

    /// Patients that share something, by position, each once.
    async fn candidates(
        &self,
        caller: &Caller,
        kind: ResourceType,
        traits: &Traits,
    ) -> Result<BTreeMap<i64, StoredVersion>, NodeError> {
        let mut asked: Vec<Vec<(&str, String)>> = Vec::new();
        for (system, value) in &traits.identifiers {
            let value = escaped(value);
            let token = if system.is_empty() { value } else { format!("{}|{value}", escaped(system)) };
            asked.push(vec![("identifier", token)]);
        }
        for telecom in &traits.telecoms {
            asked.push(vec![("telecom", escaped(telecom))]);
        }
        let birth = || ("birthdate", traits.birth.clone());
        for family in &traits.families {
            let family = || ("family", escaped(family));
            if !traits.birth.is_empty() {
                asked.push(vec![birth(), family()]);
            }
            for given in &traits.givens {
                asked.push(vec![family(), ("given", escaped(given))]);
            }
            asked.push(vec![family()]);
        }
        if !traits.birth.is_empty() {
            asked.push(vec![birth()]);
        }
        let mut found = BTreeMap::new();
        let mut reader = Reader::from(&self.store);
        for pairs in asked {
            let pairs = pairs.into_iter().map(|(name, value)| (name.to_owned(), value)).collect::<Vec<_>>();
            // A birth date that is none brings nobody in.
            let Ok(query) = fhir::query::parse(kind, &pairs, &Lookup::default()) else { continue };
            let filters = self.filters(caller, &query.conditions, BTreeSet::new()).await?;
            let search = Search::own(kind.number(), filters);
            let rows = reader.search(&search, CANDIDATES_MAX).await?.0;
            found.extend(rows.into_iter().map(|row| (row.position, row)));
        }
        Ok(found)
    }
}

/// A value as a search parameter writes it (<https://hl7.org/fhir/R4/search.html#escaping>).
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        if matches!(letter, '\\' | '|' | ',' | '$') {
            out.push('\\');
        }
        out.push(letter);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patients_are_graded_by_what_agrees_and_what_does_not() {
        let doe = r#"{"identifier":[{"system":"s","value":"1"}],"name":[{"family":"Doe","given":["Jane","Ann"]}],"birthDate":"1970-02-03","gender":"female","telecom":[{"value":"+1 (555) 010-99"}]}"#;
        check(doe, r#"{"identifier":[{"system":"s","value":"1"}]}"#, Some(Grade::Certain));
        check(doe, doe, Some(Grade::Certain));
        check(doe, r#"{"identifier":[{"value":"1"}],"birthDate":"1970"}"#, Some(Grade::Certain));
        check(doe, r#"{"identifier":[{"system":"s","value":"1"}],"birthDate":"1971-02-03"}"#, Some(Grade::Probable));
        check(doe, r#"{"identifier":[{"system":"s","value":"1"}],"name":[{"family":"Roe"}]}"#, Some(Grade::Probable));
        check(doe, r#"{"name":[{"family":"DÓE","given":["jane"]}],"birthDate":"1970-02-03"}"#, Some(Grade::Probable));
        check(doe, r#"{"name":[{"family":"Doe"}],"birthDate":"1970-02-03","gender":"male"}"#, Some(Grade::Possible));
        check(doe, r#"{"name":[{"family":"Doe","given":["Jane"]}]}"#, Some(Grade::Possible));
        check(doe, r#"{"telecom":[{"value":"155501099"}],"name":[{"given":["Ann"]}]}"#, Some(Grade::Possible));
        check(doe, r#"{"birthDate":"1970-02-03"}"#, Some(Grade::Possible));
        check(doe, r#"{"name":[{"family":"Doe"}]}"#, None);
        check(doe, r#"{"name":[{"family":"Doe"}],"birthDate":"1999"}"#, None);
        check(doe, r#"{"identifier":[{"system":"s","value":"2"}],"birthDate":"1970-02-03"}"#, None);
        check(doe, r#"{"gender":"female"}"#, None);
    }

    fn check(found: &str, asked: &str, wanted: Option<Grade>) {
        let traits = |text: &str| Traits::of(&Doc::parse(text.as_bytes().to_vec()).unwrap());
        assert_eq!(compare(&traits(asked), &traits(found)).map(|(grade, _)| grade), wanted, "{asked}");
    }
}

//! `GET /fhir/Patient/1/$everything`, and POST with Parameters: the Patient, its compartment and the directory resources
//! these name, in pages over a snapshot. In `start`, `end`, `_since`, `_type`, `_count`, out a searchset. Called through
//! `routes`. Spec: <https://hl7.org/fhir/R4/patient-operation-everything.html>.

use crate::answer::Answer;
use crate::dispatch::Call;
use crate::error::ApiError;
use crate::interaction::compartment::{Asked, answer, count, kinds};
use crate::parameters::Parameters;
use crate::{page, pairs};
use axum::http::Method;
use fhir::json::Node as Json;
use fhir::{Code, datetime};

/// What the operation takes, and the member that carries it in Parameters.
const TAKES: [(&str, &str); 5] = [
    ("start", "valueDate"),
    ("end", "valueDate"),
    ("_since", "valueInstant"),
    ("_type", "valueCode"),
    ("_count", "valueInteger"),
];

pub(crate) async fn run(mut call: Call) -> Result<Answer, ApiError> {
    let mut query = call.query().to_owned();
    if call.method == Method::POST {
        let names = TAKES.map(|(name, _)| name);
        let parameters = Parameters::read(&mut call, &names).await?;
        let mut form = form_of(&parameters)?;
        if !query.is_empty() && !form.is_empty() {
            query.push('&');
        }
        query.push_str(&std::mem::take(&mut form));
    }
    let asked = read(&query)?;
    let path = format!("Patient/{}/$everything", call.target.id);
    answer(call, path, asked).await
}

/// Parameters as the query that says the same: a `next` link is a GET.
fn form_of(parameters: &Parameters) -> Result<String, ApiError> {
    let mut form = Vec::new();
    for (name, member) in TAKES {
        let values = match name {
            "_type" => parameters.values(name, member)?,
            _ => parameters.value(name, member)?.into_iter().collect(),
        };
        let texts = values.into_iter().filter_map(|value: Json<'_>| {
            value.number().map(str::to_owned).or_else(|| value.text().map(|text| text.into_owned()))
        });
        form.extend(
            texts.map(|text| format!("{name}={}", text.replace('%', "%25").replace('+', "%2B").replace('&', "%26"))),
        );
    }
    Ok(form.join("&"))
}

fn read(query: &str) -> Result<Asked, ApiError> {
    let (mut asked, mut kept) = (Asked::default(), Vec::new());
    asked.wanted.directory = true;
    for pair in pairs::read(query)? {
        let place = format!("http.{}", pair.name);
        // A plus sign in a query reads as a blank.
        let range = || {
            let range = datetime::range(&pair.value.replace(' ', "+"));
            range.ok_or_else(|| ApiError::bad(Code::Value, format!("{} is a date", pair.name), &place))
        };
        match pair.name.as_str() {
            page::PARAMETER => {
                asked.token = Some(pair.value);
                continue;
            }
            "start" => asked.wanted.start = Some(range()?.low),
            "end" => asked.wanted.end = Some(range()?.high),
            "_since" => asked.wanted.since = Some(range()?.low),
            "_type" => asked.wanted.kinds.extend(kinds(&pair.value)?),
            "_count" => asked.wanted.count = Some(count(&pair.value)?),
            "_format" | "_pretty" | "_summary" | "_elements" => {}
            _ => {
                let text = "$everything takes start, end, _since, _type and _count";
                return Err(ApiError::bad(Code::NotSupported, text, &place));
            }
        }
        kept.push(pair.raw);
    }
    asked.query = kept.join("&");
    Ok(asked)
}

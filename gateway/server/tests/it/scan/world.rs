//! The hospital that is scanned: a patient whose resources carry a word that nobody else may ever read, and another patient's
//! app. Called by the scanner alone.

use super::surface::{Request, Surface};
use crate::hospital::{Answered, BASE, Hospital};
use serde_json::{Value, json};
use server::Limits;
use server::token::{self, Claims, Place};
use std::collections::BTreeMap;
use std::time::Duration;

/// What the hidden resources say, and no answer may.
pub const MARKER: &str = "ZEBRAFINCH";

/// An id that nothing has, as long as those that are given.
pub const ABSENT: &str = "00000000-0000-7000-8000-00000000dead";

pub struct World {
    pub hospital: Hospital,
    pub surface: Surface,
    /// The hidden resource of each type that has one.
    pub hidden: BTreeMap<String, String>,
    /// Its version, by id.
    pub versions: BTreeMap<String, String>,
    mine: String,
}

impl World {
    pub async fn new() -> Self {
        let mut limits = Limits::default();
        limits.client_rate.per_second = 0;
        let hospital = Hospital::with(limits).await;
        let surface = Surface::read(&hospital).await;
        let (mut hidden, mut mine) = (BTreeMap::new(), String::new());
        for word in ["mine", MARKER] {
            let patient = hospital.create(&patient(word).to_string()).await;
            for json in resources(&patient, word) {
                let id = hospital.create(&json.to_string()).await;
                if word == MARKER {
                    hidden.insert(json["resourceType"].as_str().unwrap().to_owned(), id);
                }
            }
            match word {
                MARKER => drop(hidden.insert("Patient".to_owned(), patient)),
                _ => mine = patient,
            }
        }
        let mut versions = BTreeMap::new();
        for (kind, id) in &hidden {
            let read = hospital.get(&format!("/fhir/{kind}/{id}")).await;
            let version = read.header("etag").trim_start_matches("W/").trim_matches('"').to_owned();
            versions.insert(id.clone(), version);
        }
        Self { hospital, surface, hidden, versions, mine }
    }

    /// A token of a client that may have these scopes.
    pub async fn token(&self, scope: &str) -> String {
        format!("Bearer {}", self.hospital.client(scope, scope).await)
    }

    /// The token of the other patient's app.
    pub async fn patient_token(&self) -> String {
        self.signed("patient/*.cruds", 3600, Some(self.mine.clone())).await
    }

    /// A token of everything whose time is over.
    pub async fn expired(&self) -> String {
        let token = self.signed("system/*.cruds", 1, None).await;
        tokio::time::sleep(Duration::from_millis(2100)).await;
        token
    }

    async fn signed(&self, scope: &str, seconds: u64, patient: Option<String>) -> String {
        let client = self.hospital.node.add_client("app", scope, None).await.unwrap();
        let claims = Claims {
            scope: scope.to_owned(),
            patient,
            ..token::claims(&Place::of_base(BASE), &client, "", Duration::from_secs(seconds))
        };
        format!("Bearer {}", token::sign(&self.hospital.node, &claims).await.unwrap())
    }

    /// Asks with the whole `Authorization` header; an empty one is none.
    pub async fn ask(&self, authorization: &str, request: &Request) -> Answered {
        let format =
            if request.path.ends_with("_search") { "application/x-www-form-urlencoded" } else { request.format };
        self.ask_as(authorization, request, format).await
    }

    /// Asks with the body in another format.
    pub async fn ask_as(&self, authorization: &str, request: &Request, format: &str) -> Answered {
        let headers = [("authorization", authorization), ("content-type", format)];
        self.hospital.send(request.method, &request.path, &headers, request.body.as_str()).await
    }
}

fn patient(word: &str) -> Value {
    json!({"resourceType":"Patient","name":[{"family":word,"given":[word]}],"birthDate":"1931-03-07","gender":"other",
        "identifier":[{"system":"urn:mrn","value":format!("only-{}", &word[..4])}],"telecom":[{"system":"email","value":word}],
        "address":[{"line":[word],"city":word,"postalCode":word}],"text":narrative(word)})
}

fn narrative(word: &str) -> Value {
    json!({"status":"generated","div":format!("<div xmlns=\"http://www.w3.org/1999/xhtml\">{word}</div>")})
}

/// One resource of each of the types that an app of a patient's reads most, and the word wherever there is room for it.
fn resources(patient: &str, word: &str) -> Vec<Value> {
    let of = json!({"reference":format!("Patient/{patient}"),"display":word});
    let code =
        json!({"text":word,"coding":[{"system":"urn:codes","code":format!("only-{}", &word[..4]),"display":word}]});
    let identifier = json!([{"system":"urn:mrn","value":format!("only-{}", &word[..4])}]);
    let note = json!([{"text":word}]);
    let data = data_encoding::BASE64.encode(word.as_bytes());
    let mut all = vec![
        json!({"resourceType":"Observation","status":"final","code":code,"subject":of,"valueString":word,"note":note}),
        json!({"resourceType":"Condition","code":code,"subject":of,"note":note}),
        json!({"resourceType":"Encounter","status":"finished","class":{"code":"AMB"},"subject":of,"reasonCode":[code]}),
        json!({"resourceType":"Procedure","status":"completed","code":code,"subject":of,"note":note}),
        json!({"resourceType":"MedicationRequest","status":"active","intent":"order","medicationCodeableConcept":code,"subject":of}),
        json!({"resourceType":"AllergyIntolerance","patient":of,"code":code,"note":note,"clinicalStatus":{"coding":[
            {"system":"http://terminology.hl7.org/CodeSystem/allergyintolerance-clinical","code":"active"}]}}),
        json!({"resourceType":"Immunization","status":"completed","vaccineCode":code,"patient":of,"occurrenceString":word}),
        json!({"resourceType":"DiagnosticReport","status":"final","code":code,"subject":of,"conclusion":word}),
        json!({"resourceType":"DocumentReference","status":"current","subject":of,"description":word,
            "content":[{"attachment":{"contentType":"text/plain","title":word,"data":data}}]}),
        json!({"resourceType":"ServiceRequest","status":"active","intent":"order","code":code,"subject":of}),
        json!({"resourceType":"Communication","status":"completed","subject":of,"payload":[{"contentString":word}]}),
        json!({"resourceType":"QuestionnaireResponse","status":"completed","subject":of,
            "item":[{"linkId":"1","text":word,"answer":[{"valueString":word}]}]}),
        json!({"resourceType":"Task","status":"requested","intent":"order","for":of,"description":word,"code":code}),
        json!({"resourceType":"Basic","code":code,"subject":of}),
        json!({"resourceType":"RelatedPerson","patient":of,"name":[{"family":word}]}),
    ];
    for json in &mut all {
        json["identifier"] = match json["resourceType"].as_str() {
            Some("QuestionnaireResponse") => identifier[0].clone(),
            _ => identifier.clone(),
        };
        json["text"] = narrative(word);
        json["meta"] = json!({"tag":[{"system":"urn:tags","code":format!("only-{}", &word[..4]),"display":word}]});
    }
    all.push(json!({"resourceType":"Binary","contentType":"text/plain","data":data,"securityContext":of}));
    all
}

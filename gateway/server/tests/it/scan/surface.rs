//! What there is to be tried, made of the CapabilityStatement alone. Called by the scanner alone.

use super::world::{ABSENT, World};
use crate::hospital::Hospital;
use serde_json::{Value, json};
use std::fmt;

const JSON: &str = "application/fhir+json";

/// One request.
#[derive(Clone, Debug)]
pub struct Request {
    pub method: &'static str,
    pub path: String,
    pub body: String,
    pub format: &'static str,
    /// The type it is of; empty for none.
    pub kind: String,
    /// The id in the path; empty for none.
    pub id: String,
}

impl fmt::Display for Request {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{} {}", self.method, self.path)
    }
}

impl Request {
    fn new(method: &'static str, kind: &str, path: String) -> Self {
        Self { method, path, body: String::new(), format: JSON, kind: kind.to_owned(), id: String::new() }
    }

    fn body(self, body: impl ToString) -> Self {
        Self { body: body.to_string(), ..self }
    }

    fn id(self, id: &str) -> Self {
        Self { id: id.to_owned(), ..self }
    }

    /// The same of another resource; none where it is of no single one.
    pub fn with_id(&self, id: &str) -> Option<Self> {
        let replace = |text: &str| text.replace(&self.id, id);
        (!self.id.is_empty()).then(|| Self {
            path: replace(&self.path),
            body: replace(&self.body),
            id: id.to_owned(),
            ..self.clone()
        })
    }

    pub fn is_search(&self) -> bool {
        self.path == format!("/fhir/{}", self.kind)
    }

    /// The operation's name, if it is one.
    pub fn operation(&self) -> Option<&str> {
        self.path.rsplit('/').next().filter(|name| name.starts_with('$'))
    }
}

pub struct Surface(Value);

impl Surface {
    pub async fn read(hospital: &Hospital) -> Self {
        let answered = hospital.send("GET", "/fhir/metadata", &[("authorization", "")], "").await;
        assert_eq!(answered.status, 200);
        Self(answered.json()["rest"][0].clone())
    }

    fn kinds(&self) -> impl Iterator<Item = (&str, &Value)> {
        list(&self.0["resource"]).map(|resource| (text(&resource["type"]), resource))
    }

    /// Every parameter of every type: type, name, and form of its values.
    pub fn parameters(&self) -> Vec<(String, String, String)> {
        let of = |(kind, resource): (&str, &Value)| {
            let kind = kind.to_owned();
            let one = |param: &Value| (kind.clone(), text(&param["name"]).to_owned(), text(&param["type"]).to_owned());
            list(&resource["searchParam"]).map(one).collect::<Vec<_>>()
        };
        self.kinds().flat_map(of).collect()
    }

    /// Every interaction and every operation, of each type and of the system.
    pub fn requests(&self, world: &World) -> Vec<Request> {
        let mut all = Vec::new();
        for code in codes(&self.0["interaction"]) {
            all.extend(of_system(code, world));
        }
        for operation in list(&self.0["operation"]) {
            let path = format!("/fhir/${}", text(&operation["name"]));
            all.extend(["GET", "POST"].map(|method| Request::new(method, "", path.clone()).body(parameters(method))));
        }
        for (kind, resource) in self.kinds() {
            let id = world.hidden.get(kind).map_or(ABSENT, String::as_str);
            for code in codes(&resource["interaction"]) {
                all.push(of_kind(code, kind, (id, world.versions.get(id).map_or("1", String::as_str))));
            }
            for operation in list(&resource["operation"]) {
                let name = text(&operation["name"]);
                for method in ["GET", "POST"] {
                    let at = |path| Request::new(method, kind, path).body(parameters(method));
                    all.push(at(format!("/fhir/{kind}/${name}")));
                    all.push(at(format!("/fhir/{kind}/{id}/${name}")).id(id));
                }
            }
        }
        all
    }

    /// Each type by each parameter with what only the hidden ones have.
    pub fn searches_for(&self, world: &World) -> Vec<Request> {
        let patient = &world.hidden["Patient"];
        let value = |kind: &str, name: &str, form: &str| match (name, form) {
            ("_id", _) => world.hidden.get(kind).cloned().unwrap_or_default(),
            ("_tag", _) => "urn:tags|only-ZEBR".to_owned(),
            ("code" | "reason-code" | "vaccine-code" | "identifier", "token") => "only-ZEBR".to_owned(),
            (_, "reference") => format!("Patient/{patient}"),
            (_, "string" | "special") => "ZEBRAF".to_owned(),
            ("birthdate", _) => "1931-03-07".to_owned(),
            _ => String::new(),
        };
        let all = self.parameters().into_iter().filter(|(kind, ..)| world.hidden.contains_key(kind));
        let all = all.map(|(kind, name, form)| (value(&kind, &name, &form), kind, name));
        // An own birthday is the other's too, and a parameter without a value asks nothing.
        all.filter(|(value, _, name)| !value.is_empty() && name != "birthdate")
            .flat_map(|(value, kind, name)| {
                let mut more = vec![search(&kind, &name, &value)];
                if value.starts_with("Patient/") {
                    more.push(search(&kind, &format!("{name}:Patient.identifier"), "urn:mrn|only-ZEBR"));
                    more.push(search("Patient", &format!("_has:{kind}:{name}:_tag"), "urn:tags|only-ZEBR"));
                }
                more
            })
            .collect()
    }

    /// Paths with hostile parts.
    pub fn hostile_paths(&self, values: &[String]) -> Vec<Request> {
        let value = |at: usize| escaped(&values[at % values.len()]);
        let kinds = self.kinds().map(|(kind, _)| kind).enumerate();
        let mut all = Vec::new();
        for (at, kind) in kinds {
            for path in [
                format!("/fhir/{kind}/{}", value(at)),
                format!("/fhir/{kind}/{ABSENT}/_history/{}", value(at + 1)),
                format!("/fhir/{kind}/{}/_history", value(at + 2)),
                format!("/fhir/{kind}/${}", value(at + 3)),
                format!("/fhir/{kind}/{ABSENT}/{}", value(at + 4)),
            ] {
                all.push(Request::new("GET", kind, path.clone()));
                all.push(Request::new("DELETE", kind, path.clone()));
                all.push(
                    Request::new("PUT", kind, path).body(json!({"resourceType":kind,"id":values[at % values.len()]})),
                );
            }
        }
        // A deletion of what is not there is none that failed, and a number may be long and still be an id.
        all.retain(|request| match request.method {
            "DELETE" => ["$", "_history"].iter().any(|part| request.path.contains(part)),
            "PUT" => !request.path.contains("9999"),
            _ => true,
        });
        all
    }

    /// Methods and places that the statement does not have.
    pub fn not_advertised(&self, world: &World) -> Vec<Request> {
        let mut all = Vec::new();
        for (kind, resource) in self.kinds() {
            let id = world.hidden.get(kind).map_or(ABSENT, String::as_str);
            let has = |code: &str| codes(&resource["interaction"]).any(|other| other == code);
            let operations = list(&resource["operation"]).map(|operation| text(&operation["name"])).collect::<Vec<_>>();
            let mut place = |method, path: String| all.push(Request::new(method, kind, path));
            for method in ["TRACE", "CONNECT", "LOCK", "PROPFIND", "OPTIONS"] {
                place(method, format!("/fhir/{kind}/{id}"));
            }
            place("POST", format!("/fhir/{kind}/{id}"));
            for method in ["POST", "PUT", "DELETE", "PATCH"] {
                place(method, format!("/fhir/{kind}/{id}/_history"));
                place(method, format!("/fhir/{kind}/_history"));
                place(method, format!("/fhir/{kind}/{id}/_history/1"));
            }
            for name in ["$expunge", "$graphql", "$lookup", "$expand", "$convert", "$process-message", "$nothing"] {
                if !operations.contains(&&name[1..]) {
                    place("GET", format!("/fhir/{kind}/{name}"));
                    place("POST", format!("/fhir/{kind}/{id}/{name}"));
                }
            }
            for (code, method, path) in [
                ("read", "GET", format!("/fhir/{kind}/{id}")),
                ("delete", "DELETE", format!("/fhir/{kind}/{ABSENT}")),
                ("patch", "PATCH", format!("/fhir/{kind}/{ABSENT}")),
            ] {
                if !has(code) {
                    place(method, path);
                }
            }
            for path in ["/1/2/3/4", "/%2e%2e/metadata", "/_nothing/x/y"] {
                place("GET", format!("/fhir/{kind}{path}"));
            }
        }
        for path in ["/fhir/Nothing", "/fhir/patient", "/fhir/$graphql", "/fhir/.git/config", "/fhir/Patient/1/../.."] {
            all.push(Request::new("GET", "", path.to_owned()));
        }
        all
    }
}

fn of_system(code: &str, world: &World) -> Vec<Request> {
    let get = |path: &str| Request::new("GET", "", path.to_owned());
    match code {
        "transaction" | "batch" => {
            let entry =
                |(kind, id): (&String, &String)| json!({"request":{"method":"GET","url":format!("{kind}/{id}")}});
            let entries = world.hidden.iter().map(entry).collect::<Vec<_>>();
            let bundle = json!({"resourceType":"Bundle","type":code,"entry":entries});
            vec![Request::new("POST", "", "/fhir".to_owned()).body(bundle)]
        }
        "history-system" => vec![get("/fhir/_history"), get("/fhir/_history?_count=100")],
        "search-system" => {
            let types = world.hidden.keys().cloned().collect::<Vec<_>>().join(",");
            let search = Request::new("POST", "", "/fhir/_search".to_owned());
            vec![get(&format!("/fhir?_type={types}")), search.body(format!("_type={types}"))]
        }
        other => panic!("the scanner does not know how to ask for {other}"),
    }
}

fn of_kind(code: &str, kind: &str, (id, version): (&str, &str)) -> Request {
    let instance = format!("/fhir/{kind}/{id}");
    let at = |method, path: String| Request::new(method, kind, path);
    match code {
        "read" => at("GET", instance).id(id),
        "vread" => at("GET", format!("{instance}/_history/{version}")).id(id),
        "history-instance" => at("GET", format!("{instance}/_history")).id(id),
        // Nobody here may do it, or it breaks the rules: nothing is changed by a scan.
        "update" => at("PUT", instance).id(id).body(json!({"resourceType":kind,"id":id,"nothing":true})),
        "patch" => at("PATCH", instance).id(id).body("[]"),
        "delete" => Request { method: "DELETE", ..at("DELETE", format!("/fhir/{kind}/{ABSENT}")) },
        "history-type" => at("GET", format!("/fhir/{kind}/_history")),
        "create" => at("POST", format!("/fhir/{kind}")).body(json!({"resourceType":kind,"nothing":true})),
        "search-type" => at("GET", format!("/fhir/{kind}")),
        other => panic!("the scanner does not know how to ask for {other}"),
    }
}

/// A search of one type by one parameter.
pub fn search(kind: &str, name: &str, value: &str) -> Request {
    Request::new("GET", kind, format!("/fhir/{kind}?{}={}", escaped_name(name), escaped(value)))
}

fn parameters(method: &str) -> String {
    if method == "GET" { String::new() } else { json!({"resourceType":"Parameters"}).to_string() }
}

fn list(json: &Value) -> impl Iterator<Item = &Value> {
    json.as_array().into_iter().flatten()
}

fn text(json: &Value) -> &str {
    json.as_str().unwrap_or_default()
}

fn codes(json: &Value) -> impl Iterator<Item = &str> {
    list(json).map(|interaction| text(&interaction["code"]))
}

fn escaped_name(name: &str) -> String {
    escaped(name).replace("%3A", ":")
}

/// A text within a query.
pub fn escaped(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    let one = |byte: u8| if plain(byte) { (byte as char).to_string() } else { format!("%{byte:02X}") };
    text.bytes().map(one).collect()
}

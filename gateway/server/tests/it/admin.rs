//! The admin API: who may, what it does, and what it never does.

use crate::hospital::{BASE, Database, Hospital, databases};
use node::clients::{ADMIN, Auth, NewClient, Status};
use serde_json::{Value, json};
use server::token::{self, Place};
use std::time::Duration;

/// A hospital with an administrator's token.
async fn administered(database: Database) -> (Hospital, String) {
    let hospital = Hospital::on(database).await;
    let new = NewClient { rights: vec![ADMIN.into()], ..NewClient::system("ops", ADMIN, r#"{"keys":[]}"#) };
    let (client, _) = hospital.node.register_client(&new).await.unwrap();
    let token = token::issue(&hospital.node, &client, Duration::from_secs(600)).await.unwrap();
    (hospital, token)
}

struct Admin<'h>(&'h Hospital, String);

impl Admin<'_> {
    async fn ask(&self, method: &str, path: &str, body: Value) -> (u16, Value) {
        let bearer = format!("Bearer {}", self.1);
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let headers = [("authorization", bearer.as_str()), ("content-type", "application/json")];
        let answered = self.0.send(method, path, &headers, body).await;
        assert_eq!(answered.header("cache-control"), "no-store");
        let json = if answered.body.is_empty() { Value::Null } else { answered.json() };
        (answered.status, json)
    }

    async fn get(&self, path: &str) -> Value {
        let (status, json) = self.ask("GET", path, Value::Null).await;
        assert_eq!(status, 200, "{path}: {json}");
        json
    }
}

#[tokio::test]
async fn an_operator_administers_clients_over_http() {
    for database in databases() {
        an_operator_administers_clients_over_http_on(database).await;
    }
}

async fn an_operator_administers_clients_over_http_on(database: Database) {
    let (hospital, token) = administered(database).await;
    let admin = Admin(&hospital, token);
    let new = json!({"name":"lab","scope":"system/Observation.cruds","jwks_uri":"https://lab.example/jwks"});
    let (status, made) = admin.ask("POST", "/admin/clients", new.clone()).await;
    assert_eq!((status, made["status"].as_str()), (201, Some("pending")), "{made}");
    let id = made["id"].as_str().unwrap().to_owned();
    // The machine lets it in; what it may do is made less, and keeps its id and its status.
    hospital.node.set_client_status(&id, Status::Approved).await.unwrap();
    let mut less = new.clone();
    less["scope"] = "system/Observation.rs".into();
    let (status, changed) = admin.ask("POST", "/admin/clients", less).await;
    let said = (changed["id"].as_str(), changed["scope"].as_str(), changed["status"].as_str());
    assert_eq!((status, said), (200, (Some(&*id), Some("system/Observation.rs"), Some("approved"))), "{changed}");
    let client = hospital.node.client(&id).await.unwrap().unwrap();
    let lab = token::issue(&hospital.node, &client, Duration::from_secs(60)).await.unwrap();
    let asks = async || {
        let bearer = format!("Bearer {lab}");
        hospital.send("GET", "/fhir/Observation", &[("authorization", &bearer)], "").await.status
    };
    assert_eq!(asks().await, 200);
    // A quota of its own, at once.
    let quota = json!({"per_second":1,"burst":1,"at_once":1});
    let (status, shown) = admin.ask("PUT", &format!("/admin/clients/{id}/quota"), quota.clone()).await;
    assert_eq!((status, &shown["quota"]), (200, &quota));
    let first = [asks().await, asks().await, asks().await];
    assert!(first.contains(&429), "{first:?}");
    assert_eq!(admin.ask("DELETE", &format!("/admin/clients/{id}/quota"), Value::Null).await.0, 200);
    assert_eq!(asks().await, 200);
    // Kept out and let in again, at once.
    for (word, expected) in [("disabled", 401), ("approved", 200)] {
        let (status, shown) = admin.ask("PUT", &format!("/admin/clients/{id}/status"), json!({"status":word})).await;
        assert_eq!((status, shown["status"].as_str()), (200, Some(word)));
        assert_eq!(asks().await, expected, "{word}");
    }
    let all = admin.get("/admin/clients").await;
    assert!(all["clients"].as_array().unwrap().iter().any(|client| client["id"] == id.as_str()));
    assert_eq!(admin.ask("DELETE", &format!("/admin/clients/{id}"), Value::Null).await.0, 204);
    assert_eq!(asks().await, 401);
    assert_eq!(admin.ask("GET", &format!("/admin/clients/{id}"), Value::Null).await.0, 404);
}

#[tokio::test]
async fn keys_rotate_and_tokens_end() {
    for database in databases() {
        keys_rotate_and_tokens_end_on(database).await;
    }
}

async fn keys_rotate_and_tokens_end_on(database: Database) {
    let (hospital, token) = administered(database).await;
    let admin = Admin(&hospital, token);
    let before = admin.get("/admin/keys").await;
    let (status, after) = admin.ask("POST", "/admin/keys/rotate", Value::Null).await;
    assert_eq!(status, 200);
    assert_ne!(before["keys"], after["keys"]);
    assert!(!after.to_string().contains("sealed") && !after.to_string().contains("\"d\""), "no secret: {after}");
    assert_eq!(hospital.get("/fhir/Patient").await.status, 200, "the keys before verify still");
    let client = hospital.node.client("ehr").await.unwrap().unwrap();
    let claims = token::claims(&Place::of_base(BASE), &client, "system/*.rs", Duration::from_secs(60));
    let text = token::sign(&hospital.node, &claims).await.unwrap();
    let bearer = format!("Bearer {text}");
    let asks = async || hospital.send("GET", "/fhir/Patient", &[("authorization", &bearer)], "").await.status;
    assert_eq!(asks().await, 200);
    assert_eq!(admin.ask("POST", "/admin/tokens/revoke", json!({"jti":claims.jti})).await.0, 204);
    assert_eq!(asks().await, 401);
    assert_eq!(admin.ask("POST", "/admin/tokens/revoke", json!({"jti":""})).await.0, 400);
    assert_eq!(admin.ask("DELETE", "/admin/grants/nothing", Value::Null).await.0, 404);
    assert_eq!(admin.get("/admin/grants?client=x&after=y").await["grants"], json!([]));
}

#[tokio::test]
async fn people_are_kept_out_and_their_sessions_end() {
    for database in databases() {
        let (hospital, token) = administered(database).await;
        let admin = Admin(&hospital, token);
        hospital.node.put_person("ada", "correct horse battery", "Ada", "Practitioner/7").await.unwrap();
        let ada = hospital.node.person("ada").await.unwrap().unwrap();
        let session = hospital.node.begin_session(&ada).await.unwrap();
        let other = hospital.node.begin_session(&ada).await.unwrap();
        let sessions = admin.get("/admin/sessions").await;
        assert_eq!(sessions["sessions"].as_array().unwrap().len(), 2);
        assert!(!sessions.to_string().contains(&session), "a name opens nothing");
        let name = sessions["sessions"][0]["name"].as_str().unwrap();
        assert_eq!(admin.ask("DELETE", &format!("/admin/sessions/{name}"), Value::Null).await.0, 204);
        let open = [hospital.node.session(&session).await.unwrap(), hospital.node.session(&other).await.unwrap()];
        assert_eq!(open.iter().flatten().count(), 1, "the one and not the other");
        for bad in ["", "%25", "x", "____________________"] {
            assert_eq!(admin.ask("DELETE", &format!("/admin/sessions/{bad}"), Value::Null).await.0, 404, "{bad}");
        }
        let status = format!("/admin/users/{}/status", ada.id);
        assert_eq!(admin.ask("PUT", &status, json!({"status":"active"})).await.0, 403, "that needs a password");
        let (code, shown) = admin.ask("PUT", &status, json!({"status":"disabled"})).await;
        assert_eq!((code, shown["status"].as_str()), (200, Some("disabled")));
        assert!(hospital.node.session(&session).await.unwrap().is_none());
        assert!(hospital.node.session(&other).await.unwrap().is_none());
        assert!(!admin.get("/admin/users").await.to_string().contains("argon2"), "no hash is shown");
    }
}

/// A token that was stolen must not make another administrator, nor keep the others out.
#[tokio::test]
async fn administrators_are_made_on_the_machine_alone() {
    let (hospital, token) = administered(Database::Sqlite).await;
    let admin = Admin(&hospital, token);
    let ops = hospital.node.client("ops").await.unwrap().unwrap();
    let key = json!({"keys":[]});
    let refused = [
        ("POST", "/admin/clients".to_owned(), json!({"name":"x","scope":"admin","jwks":key,"rights":["admin"]}), 403),
        ("POST", "/admin/clients".to_owned(), json!({"name":"x","scope":"admin","jwks":key}), 422),
        ("POST", "/admin/clients".to_owned(), json!({"name":"ops","scope":"system/*.rs","jwks":key}), 403),
        (
            "POST",
            "/admin/clients".to_owned(),
            json!({"name":"x","scope":"system/*.rs","jwks":key,"rights":["ehr"]}),
            403,
        ),
        ("POST", "/admin/clients".to_owned(), json!({"name":ops.id,"scope":"system/*.rs","jwks":key}), 400),
        ("PUT", format!("/admin/clients/{}/status", ops.id), json!({"status":"disabled"}), 403),
        ("PUT", format!("/admin/clients/{}/quota", ops.id), json!({"per_second":1,"burst":1,"at_once":1}), 403),
        ("DELETE", format!("/admin/clients/{}", ops.id), Value::Null, 403),
        ("POST", "/admin/clients".to_owned(), json!({"name":"x","scope":"system/*.rs"}), 400),
        ("POST", "/admin/clients".to_owned(), json!({"name":"x","scope":"system/*.rs","jwks":key,"secret":true}), 400),
        ("POST", "/admin/clients".to_owned(), json!({"name":"x","scope":"nonsense","jwks":key}), 422),
        (
            "POST",
            "/admin/clients".to_owned(),
            json!({"name":"x","scope":"system/*.rs","jwks_uri":"file:///etc/passwd"}),
            400,
        ),
        ("POST", "/admin/clients".to_owned(), json!([]), 400),
        ("PUT", format!("/admin/clients/{}/status", "ehr"), json!({"status":"disabled"}), 404),
        ("GET", "/admin/nothing".to_owned(), Value::Null, 404),
        ("GET", "/admin/clients/../../etc/passwd".to_owned(), Value::Null, 404),
        ("PATCH", "/admin/clients".to_owned(), Value::Null, 404),
        ("GET", "/admin/audit?before=x".to_owned(), Value::Null, 400),
    ];
    for (method, path, body, expected) in refused {
        let (status, said) = admin.ask(method, &path, body.clone()).await;
        assert_eq!(status, expected, "{method} {path} {body}: {said}");
    }
    assert_eq!(hospital.node.clients().await.unwrap().len(), 2, "nobody came or went");
    // By a secret that is not shown, a client is not changed over HTTP either.
    let secret = NewClient { auth: Auth::Secret, ..NewClient::system("kept", "system/*.rs", "") };
    hospital.node.register_client(&secret).await.unwrap();
    let change = json!({"name":"kept","scope":"system/*.rs","jwks":key});
    assert_eq!(admin.ask("POST", "/admin/clients", change).await.0, 403);
}

/// A token that was stolen must open nothing: not by a client of its thief's, and not by one that is there.
#[tokio::test]
async fn a_stolen_token_lets_nobody_do_more_than_before() {
    for database in databases() {
        let (hospital, token) = administered(database).await;
        let admin = Admin(&hospital, token);
        let ask = async |method: &str, path: &str, body: Value, expected: u16| {
            let (status, said) = admin.ask(method, path, body.clone()).await;
            assert_eq!(status, expected, "{method} {path} {body}: {said}");
            said
        };
        let theirs = json!({"keys":[{"kty":"EC","kid":"thief"}]});
        let made = ask("POST", "/admin/clients", json!({"name":"x","scope":"system/*.rs","jwks":theirs}), 201).await;
        let status = format!("/admin/clients/{}/status", made["id"].as_str().unwrap());
        for word in ["approved", "disabled", "approved"] {
            ask("PUT", &status, json!({"status":word}), 403).await;
        }
        ask("POST", "/admin/clients", json!({"name":"x","scope":"system/*.rs","jwks":theirs}), 200).await;
        let id = made["id"].as_str().unwrap();
        assert_eq!(hospital.node.client(id).await.unwrap().unwrap().status, Status::Pending);
        assert!(
            hospital.node.set_client_status(id, Status::Disabled).await.is_err(),
            "nor is it made one that was let in"
        );

        let app = NewClient {
            redirects: vec!["https://app.example/a".into(), "https://app.example/b".into()],
            launch: "https://app.example/launch".into(),
            grants: vec!["authorization_code".into()],
            rights: vec!["ehr".into()],
            ..NewClient::system("app", "openid patient/Observation.rs", r#"{ "keys": [] }"#)
        };
        let (before, _) = hospital.node.register_client(&app).await.unwrap();
        let with = |name: &str, value: Value| {
            let mut body = json!({"name":"app","scope":app.scope,"jwks":{"keys":[]},"redirects":app.redirects,
                "launch":app.launch,"grants":app.grants});
            body[name] = value;
            body
        };
        for (name, value) in [
            ("jwks", theirs.clone()),
            ("scope", "openid patient/*.rs".into()),
            ("scope", "openid patient/Observation.cruds".into()),
            ("scope", "openid user/Observation.rs".into()),
            ("scope", "openid offline_access patient/Observation.rs".into()),
            ("redirects", json!(["https://thief.example/"])),
            ("launch", "https://thief.example/".into()),
            ("grants", json!(["authorization_code", "refresh_token"])),
            ("rights", json!(["introspect"])),
        ] {
            ask("POST", "/admin/clients", with(name, value), 403).await;
        }
        // Neither does one that proves who it is stop to, nor by other keys.
        let plain = NewClient { name: "plain".into(), rights: Vec::new(), ..app.clone() };
        hospital.node.register_client(&plain).await.unwrap();
        let mut other = with("name", "plain".into());
        other.as_object_mut().unwrap().remove("jwks");
        other["public"] = true.into();
        ask("POST", "/admin/clients", other.clone(), 403).await;
        other["public"] = false.into();
        other["jwks_uri"] = "https://thief.example/jwks".into();
        ask("POST", "/admin/clients", other, 403).await;
        assert_eq!(hospital.node.client("app").await.unwrap().unwrap(), before, "nothing was changed");
        // The same is no more, and less is taken; rights stay.
        ask("POST", "/admin/clients", with("launch", app.launch.as_str().into()), 200).await;
        assert_eq!(hospital.node.client("app").await.unwrap().unwrap(), before);
        ask("POST", "/admin/clients", with("redirects", json!(["https://app.example/b"])), 200).await;
        let after = hospital.node.client("app").await.unwrap().unwrap();
        assert_eq!((after.redirects, after.rights), (vec!["https://app.example/b".to_owned()], before.rights));
    }
}

#[tokio::test]
async fn nobody_else_administers_anything() {
    let (hospital, token) = administered(Database::Sqlite).await;
    let ops = hospital.node.client("ops").await.unwrap().unwrap();
    // The right without the scope, the scope without the right, and whoever was kept out meanwhile.
    let narrow = token::claims(&Place::of_base(BASE), &ops, "system/*.cruds", Duration::from_secs(60));
    let narrow = token::sign(&hospital.node, &narrow).await.unwrap();
    let ehr = hospital.node.client("ehr").await.unwrap().unwrap();
    let claims = token::claims(&Place::of_base(BASE), &ehr, "admin system/*.cruds", Duration::from_secs(60));
    let claimed = token::sign(&hospital.node, &claims).await.unwrap();
    let check = async |token: &str, expected: u16| {
        for (method, path) in [("GET", "/admin/clients"), ("POST", "/admin/keys/rotate"), ("GET", "/admin/nothing")] {
            let bearer = format!("Bearer {token}");
            let header = if token.is_empty() { ("authorization", "") } else { ("authorization", bearer.as_str()) };
            let answered = hospital.send(method, path, &[header], "").await;
            assert_eq!(answered.status, expected, "{method} {path} {}", answered.text());
        }
    };
    check("", 401).await;
    check("forged", 401).await;
    check(&hospital.token, 403).await;
    check(&narrow, 403).await;
    check(&claimed, 403).await;
    // What administers sees no patients: the right opens nothing of FHIR.
    let bearer = format!("Bearer {token}");
    assert_eq!(hospital.send("GET", "/fhir/Patient", &[("authorization", &bearer)], "").await.status, 403);
    hospital.node.set_client_status(&ops.id, Status::Disabled).await.unwrap();
    check(&token, 401).await;
}

#[tokio::test]
async fn what_operators_do_and_try_is_in_the_audit_log() {
    let (hospital, token) = administered(Database::Sqlite).await;
    let admin = Admin(&hospital, token);
    admin.ask("POST", "/admin/keys/rotate", Value::Null).await;
    admin.ask("DELETE", "/admin/clients/nobody", Value::Null).await;
    let stranger = Admin(&hospital, hospital.token.clone());
    assert_eq!(stranger.ask("GET", "/admin/users", Value::Null).await.0, 403);
    let acts = admin.get("/admin/audit").await;
    let acts = acts["audit"].as_array().unwrap();
    let found = acts.iter().map(|act| (act["what"].as_str().unwrap(), act["outcome"].as_u64().unwrap()));
    let expected = [("GET /admin/users", 403), ("DELETE /admin/clients/nobody", 404), ("POST /admin/keys/rotate", 200)];
    assert_eq!(found.collect::<Vec<_>>(), expected);
    assert_eq!((acts[0]["who"].as_str(), acts[1]["who"].as_str()), (Some("ehr"), Some("ops")));
    let before = acts[1]["position"].as_i64().unwrap();
    assert_eq!(admin.get(&format!("/admin/audit?before={before}")).await["audit"].as_array().unwrap().len(), 1);
    // The same rows are AuditEvents for whoever reads those, and sealed into the chain.
    let events = hospital.get("/fhir/AuditEvent?_count=100").await.json();
    let admin = events["entry"].as_array().unwrap().iter().map(|entry| &entry["resource"]);
    let admin = admin.filter(|event| event["type"]["code"] == "110113").collect::<Vec<_>>();
    assert!(admin.len() >= 3 && admin.iter().all(|event| event["subtype"][0]["code"] == "110129"), "{events}");
    assert_eq!(hospital.node.verify().await.unwrap().faults, Vec::new());
}

#[tokio::test]
async fn the_audit_log_says_what_was_asked_for() {
    let (hospital, token) = administered(Database::Sqlite).await;
    let admin = Admin(&hospital, token);
    let key = json!({"keys":[{"kty":"oct","k":"hushhush"}]});
    let new = json!({"name":"lab\nx","scope":"system/*.rs","jwks":key,"rights":["ehr"]});
    assert_eq!(admin.ask("POST", "/admin/clients", new).await.0, 403);
    let new = json!({"name":"lab","scope":"system/*.rs","jwks":key});
    let id = admin.ask("POST", "/admin/clients", new).await.1["id"].as_str().unwrap().to_owned();
    let long = json!({"name":"n".repeat(5000),"scope":"s".repeat(5000),"jwks":key});
    assert_eq!(admin.ask("POST", "/admin/clients", long).await.0, 422);
    admin.ask("PUT", &format!("/admin/clients/{id}/status"), json!({"status":"approved"})).await;
    let quota = json!({"per_second":7,"burst":8,"at_once":9});
    admin.ask("PUT", &format!("/admin/clients/{id}/quota"), quota).await;
    admin.ask("POST", "/admin/tokens/revoke", json!({"jti":"the-token"})).await;
    let acts = hospital.node.acts(None).await.unwrap();
    let (mut whats, outcomes): (Vec<_>, Vec<_>) = acts.iter().rev().map(|act| (act.what.clone(), act.outcome)).unzip();
    assert_eq!(outcomes, [403, 201, 422, 403, 200, 204]);
    let parts = [
        vec!["POST /admin/clients name=", r"lab\nx", r#"rights="ehr""#, r#"scope="system/*.rs""#],
        vec![r#"name="lab""#, "auth=key", "redirects=0", r#"rights="""#, id.as_str()],
        vec!["nnnn", "ssss"],
        vec!["/status status=", "approved", r#"name="lab""#],
        vec!["/quota per_second=7 burst=8 at_once=9", r#"name="lab""#],
        vec![r#"/revoke jti="the-token""#],
    ];
    for (what, parts) in whats.iter().zip(parts) {
        assert!(parts.iter().all(|part| what.contains(part)), "{what}");
        assert!(what.chars().count() <= 1000 && !what.contains("hush"), "{what}");
    }
    // The same keys are told by the same hash.
    let hash = |what: &str| what.split(" keys=").nth(1).and_then(|rest| rest.split(' ').next()).map(str::to_owned);
    whats.truncate(2);
    assert!(hash(&whats[0]).is_some_and(|one| one.len() == 20 && hash(&whats[1]) == Some(one)), "{whats:?}");
}

#[tokio::test]
async fn who_asks_more_than_its_quota_is_noted_though_not_each_time() {
    let (hospital, token) = administered(Database::Sqlite).await;
    let admin = Admin(&hospital, token);
    let ops = hospital.node.client("ops").await.unwrap().unwrap();
    let quota = node::clients::Quota { per_second: 1, burst: 1, at_once: 1 };
    hospital.node.set_client_quota(&ops.id, Some(quota)).await.unwrap();
    let mut refused = 0;
    for _ in 0..200 {
        refused += usize::from(admin.ask("GET", "/admin/keys", Value::Null).await.0 == 429);
    }
    let acts = hospital.node.acts(None).await.unwrap();
    let noted =
        acts.iter().filter(|act| act.outcome == 429 && act.what == "GET /admin/keys" && act.who == "ops").count();
    assert!((1..refused).contains(&noted), "{noted} of {refused}");
}

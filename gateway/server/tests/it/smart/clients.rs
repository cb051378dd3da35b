//! Clients that prove who they are by a secret, what is told of tokens, and how they are given back.
//! RFC 6749 section 2.3, RFC 7662, RFC 7009.

use super::{FORM, ask, claims, rsa};
use crate::hospital::{Answered, Hospital, databases};
use data_encoding::BASE64;
use node::clients::{Auth, Client, NewClient, Status};

/// A client with a secret.
async fn with_secret(hospital: &Hospital, name: &str, scope: &str, rights: &[&str]) -> (Client, String) {
    let rights = rights.iter().map(|right| (*right).to_owned()).collect();
    let new = NewClient { auth: Auth::Secret, rights, ..NewClient::system(name, scope, "") };
    let (client, secret) = hospital.node.register_client(&new).await.unwrap();
    (client, secret.unwrap())
}

fn basic(id: &str, secret: &str) -> String {
    format!("Basic {}", BASE64.encode(format!("{id}:{secret}").as_bytes()))
}

async fn post(hospital: &Hospital, path: &str, authorization: &str, form: &str) -> Answered {
    let headers = [FORM[0], ("authorization", authorization)];
    hospital.send("POST", path, &headers, form).await
}

async fn token(hospital: &Hospital, client: &Client, secret: &str) -> String {
    let form = "grant_type=client_credentials&scope=system/Patient.rs";
    let answered = post(hospital, "/auth/token", &basic(&client.id, secret), form).await;
    assert_eq!(answered.status, 200, "{}", answered.text());
    answered.json()["access_token"].as_str().unwrap().to_owned()
}

async fn read(hospital: &Hospital, token: &str) -> u16 {
    hospital.send("GET", "/fhir/Patient", &[("authorization", &format!("Bearer {token}"))], "").await.status
}

#[tokio::test]
async fn a_secret_gets_a_token_as_it_was_registered_to() {
    let hospital = Hospital::open().await;
    let (client, secret) = with_secret(&hospital, "lab", "system/Patient.rs", &[]).await;
    let (id, s) = (client.id.as_str(), secret.as_str());
    let keyed = hospital.node.add_client("keyed", "system/Patient.rs", Some(rsa().public())).await.unwrap();
    let grant = "grant_type=client_credentials&scope=system/Patient.rs";
    let in_form = format!("{grant}&client_id={id}&client_secret={s}");
    let assertion = rsa().assertion(&claims(&keyed.id, "j", 60));
    let both = format!("{in_form}&client_assertion={assertion}");
    let by_key_of_secret = rsa().assertion(&claims(id, "j", 60));
    let asserted = format!(
        "{grant}&client_assertion_type=urn%3Aietf%3Aparams%3Aoauth%3Aclient-assertion-type%3Ajwt-bearer\
         &client_assertion={by_key_of_secret}"
    );
    for (what, authorization, form, status, error) in [
        ("in the header", basic(id, s), grant.to_owned(), 200, ""),
        ("in the header, encoded", basic(id, &s.replace('a', "%61")), grant.to_owned(), 200, ""),
        ("in the form", String::new(), in_form.clone(), 200, ""),
        ("header and the same id", basic(id, s), format!("{grant}&client_id={id}"), 200, ""),
        ("header and another id", basic(id, s), format!("{grant}&client_id={}", keyed.id), 401, "invalid_client"),
        ("in both", basic(id, s), in_form.clone(), 400, "invalid_request"),
        ("a secret and an assertion", String::new(), both, 400, "invalid_request"),
        ("another secret", basic(id, "x"), grant.to_owned(), 401, "invalid_client"),
        ("no secret", basic(id, ""), grant.to_owned(), 401, "invalid_client"),
        ("a prefix", basic(id, &s[..s.len() - 1]), grant.to_owned(), 401, "invalid_client"),
        ("its name for its id", basic("lab", s), grant.to_owned(), 401, "invalid_client"),
        ("nobody's", basic("nobody", s), grant.to_owned(), 401, "invalid_client"),
        ("of one with a key", basic(&keyed.id, ""), grant.to_owned(), 401, "invalid_client"),
        ("its id alone", String::new(), format!("{grant}&client_id={id}"), 401, "invalid_client"),
        ("a keyed one's id alone", String::new(), format!("{grant}&client_id={}", keyed.id), 401, "invalid_client"),
        ("a key it does not have", String::new(), asserted, 401, "invalid_client"),
        ("two ids", String::new(), format!("{in_form}&client_id=x"), 400, "invalid_request"),
        ("a bearer token", format!("Bearer {s}"), grant.to_owned(), 401, "invalid_client"),
        ("no base64", "Basic ???".to_owned(), grant.to_owned(), 401, "invalid_client"),
        ("no colon", format!("Basic {}", BASE64.encode(b"x")), grant.to_owned(), 401, "invalid_client"),
        (
            "a code, for which it is not",
            basic(id, s),
            "grant_type=authorization_code".to_owned(),
            400,
            "unauthorized_client",
        ),
        ("a long one", basic(id, &"a".repeat(5000)), grant.to_owned(), 401, "invalid_client"),
    ] {
        let answered = post(&hospital, "/auth/token", &authorization, &form).await;
        let found = answered.json()["error"].as_str().unwrap_or_default().to_owned();
        assert_eq!((answered.status, found.as_str()), (status, error), "{what}: {}", answered.text());
        assert_eq!(answered.header("cache-control"), "no-store", "{what}");
        let challenged = status == 401 && !authorization.is_empty() && what != "header and another id";
        assert_eq!(answered.header("www-authenticate").starts_with("Basic"), challenged, "{what}");
        assert!(!answered.text().contains(s), "{what} tells the secret");
    }
    // Registering it again draws a fresh one.
    let (_, fresh) = with_secret(&hospital, "lab", "system/Patient.rs", &[]).await;
    assert_eq!(post(&hospital, "/auth/token", &basic(id, s), grant).await.status, 401);
    assert_eq!(post(&hospital, "/auth/token", &basic(id, &fresh), grant).await.status, 200);
}

#[tokio::test]
async fn a_client_that_is_kept_out_gets_nothing_and_its_tokens_end() {
    for database in databases() {
        let hospital = Hospital::on(database).await;
        let (client, secret) = with_secret(&hospital, "lab", "system/Patient.rs", &[]).await;
        let keyed = hospital.node.add_client("keyed", "system/Patient.rs", Some(rsa().public())).await.unwrap();
        for status in [Status::Disabled, Status::Pending] {
            hospital.node.set_client_status(&client.id, Status::Approved).await.unwrap();
            let token = token(&hospital, &client, &secret).await;
            assert_eq!(read(&hospital, &token).await, 200);
            for id in [&client.id, &keyed.id] {
                hospital.node.set_client_status(id, status).await.unwrap();
            }
            let form = "grant_type=client_credentials&scope=system/Patient.rs";
            let answered = post(&hospital, "/auth/token", &basic(&client.id, &secret), form).await;
            assert_eq!(answered.status, 401, "{}", answered.text());
            let assertion = rsa().assertion(&claims(&keyed.id, status.text(), 60));
            assert_eq!(ask(&hospital, &assertion, "system/Patient.r").await.status, 401);
            tokio::time::sleep(std::time::Duration::from_millis(600)).await;
            assert_eq!(read(&hospital, &token).await, 401, "a token of a client that is {}", status.text());
        }
        // Registering it again does not let it in.
        let (again, _) = with_secret(&hospital, "lab", "system/Patient.rs", &[]).await;
        assert_eq!((again.id, again.status), (client.id, Status::Pending));
    }
}

#[tokio::test]
async fn a_client_learns_of_its_own_tokens_and_of_others_by_right() {
    let hospital = Hospital::open().await;
    let (own, own_secret) = with_secret(&hospital, "own", "system/Patient.rs", &[]).await;
    let (other, other_secret) = with_secret(&hospital, "other", "system/Patient.rs", &[]).await;
    let (guard, guard_secret) = with_secret(&hospital, "guard", "system/Patient.rs", &["introspect"]).await;
    let text = token(&hospital, &own, &own_secret).await;
    for (what, client, secret, token, active) in [
        ("its own", &own, &own_secret, text.as_str(), true),
        ("another's", &other, &other_secret, text.as_str(), false),
        ("another's by right", &guard, &guard_secret, text.as_str(), true),
        ("none", &guard, &guard_secret, "x.y.z", false),
        ("changed", &guard, &guard_secret, &text[..text.len() - 2], false),
    ] {
        let form = format!("token={token}&token_type_hint=refresh_token");
        let answered = post(&hospital, "/auth/introspect", &basic(&client.id, secret), &form).await;
        assert_eq!((answered.status, answered.header("cache-control")), (200, "no-store"), "{what}");
        let json = answered.json();
        assert_eq!(json["active"], active, "{what}: {json}");
        if active {
            assert_eq!((&json["client_id"], &json["scope"]), (&own.id.clone().into(), &"system/Patient.rs".into()));
            assert!(["iss", "aud", "exp", "iat", "sub", "jti"].iter().all(|name| !json[*name].is_null()), "{json}");
        } else {
            assert_eq!(json.as_object().unwrap().len(), 1, "{what} tells more: {json}");
        }
    }
    for (what, authorization, form, status) in [
        ("nobody", String::new(), format!("token={text}"), 400),
        ("a name alone", String::new(), format!("token={text}&client_id={}", own.id), 401),
        ("a wrong secret", basic(&guard.id, "x"), format!("token={text}"), 401),
        ("no token", basic(&guard.id, &guard_secret), "x=y".to_owned(), 400),
    ] {
        assert_eq!(post(&hospital, "/auth/introspect", &authorization, &form).await.status, status, "{what}");
    }
}

#[tokio::test]
async fn a_token_that_was_given_back_opens_nothing_more() {
    for database in databases() {
        let hospital = Hospital::on(database).await;
        let (client, secret) = with_secret(&hospital, "own", "system/Patient.rs", &[]).await;
        let (other, other_secret) = with_secret(&hospital, "other", "system/Patient.rs", &["introspect"]).await;
        let [one, two] = [token(&hospital, &client, &secret).await, token(&hospital, &client, &secret).await];
        assert_eq!((read(&hospital, &one).await, read(&hospital, &two).await), (200, 200));
        // Another's token is not one's to give back, and nothing tells so.
        let form = format!("token={one}");
        let answered = post(&hospital, "/auth/revoke", &basic(&other.id, &other_secret), &form).await;
        assert_eq!((answered.status, read(&hospital, &one).await), (200, 200));
        for form in [form.clone(), form, "token=x".to_owned()] {
            assert_eq!(post(&hospital, "/auth/revoke", &basic(&client.id, &secret), &form).await.status, 200, "{form}");
        }
        // At once, although this process had just checked it; the other token goes on.
        assert_eq!((read(&hospital, &one).await, read(&hospital, &two).await), (401, 200), "{database:?}");
        let asked = format!("token={one}");
        let told = post(&hospital, "/auth/introspect", &basic(&client.id, &secret), &asked).await;
        assert_eq!(told.json()["active"], false);
        // Another process of the hospital hears of it.
        let elsewhere = hospital.beside();
        assert_eq!((read(&elsewhere, &one).await, read(&elsewhere, &two).await), (401, 200));
        assert_eq!(post(&hospital, "/auth/revoke", "", "token=x").await.status, 400);
        assert_eq!(post(&hospital, "/auth/revoke", &basic(&client.id, "x"), "token=x").await.status, 401);
    }
}

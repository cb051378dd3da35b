//! A small ACME directory (RFC 8555) with a root of its own: it checks each signature and nonce, looks at the challenge as a
//! validator does (RFC 8737), and can be as hostile as a test wants.

use super::state::{Order, State, Whim};
use super::validator::{dns, look};
use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED, UnparsedPublicKey};
use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{Method, Request, Response};
use data_encoding::BASE64URL_NOPAD as BASE64;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, PublicKeyData, SignatureAlgorithm};
use serde_json::{Value, json};
use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{SystemTime, UNIX_EPOCH};
use tokio::net::TcpListener;
use x509_parser::prelude::{FromDer, ParsedExtension, X509CertificationRequest};

#[derive(Clone)]
pub(super) struct Authority {
    pub(super) url: String,
    pub(super) root: String,
    issuer: Arc<Issuer<'static, KeyPair>>,
    state: Arc<Mutex<State>>,
}

type Answer = Result<(u16, Value), (u16, &'static str)>;

impl Authority {
    /// Starts one over plain HTTP.
    pub(super) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let authority = Self::new(url);
        tokio::spawn(axum::serve(listener, authority.router()).into_future());
        authority
    }

    pub(super) fn new(url: String) -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let root = params.self_signed(&key).unwrap().pem();
        Self { url, root, issuer: Arc::new(Issuer::new(params, key)), state: Arc::default() }
    }

    pub(super) fn router(&self) -> Router {
        let authority = self.clone();
        Router::new().fallback(move |request: Request<Body>| {
            let authority = authority.clone();
            async move { authority.answer(request).await }
        })
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    /// A certificate for these names and a key.
    pub(super) fn issue(&self, names: &[String], key: &impl PublicKeyData) -> String {
        let [before, after] = self.state().validity;
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        let mut params = CertificateParams::new(names).unwrap();
        params.not_before = rcgen::date_time_ymd(1970, 1, 1) + (now - before);
        params.not_after = rcgen::date_time_ymd(1970, 1, 1) + (now + after);
        params.signed_by(key, &self.issuer).unwrap().pem() + &self.root
    }

    async fn answer(self, request: Request<Body>) -> Response<Body> {
        let (head, body) = request.into_parts();
        let path = head.uri.path().to_owned();
        self.state().asked.push(path.clone());
        let whim = self.state().whim;
        let nonce = uuid::Uuid::new_v4().to_string();
        self.state().nonces.insert(nonce.clone());
        let mut response = Response::builder().header("replay-nonce", nonce);
        if whim == Whim::Later {
            response = response.header("retry-after", u64::MAX.to_string());
        }
        let answered = match (head.method, path.as_str(), whim) {
            (_, _, Whim::Broken) => return response.status(503).body(Body::from("<html>")).unwrap(),
            (Method::GET, "/moved", _) => return response.body(Body::from(self.directory(whim).to_string())).unwrap(),
            (Method::GET, "/directory", Whim::Directory(text)) => return response.body(Body::from(text)).unwrap(),
            (Method::GET, "/directory", Whim::Endless) => {
                return response.body(Body::from(vec![b' '; 64 * 1024 * 1024])).unwrap();
            }
            (Method::GET, "/directory", Whim::Redirect) => {
                return response.status(302).header("location", "/moved").body(Body::empty()).unwrap();
            }
            (Method::GET, "/directory", _) => Ok((200, self.directory(whim))),
            (Method::HEAD, "/nonce", _) => Ok((200, Value::Null)),
            (Method::POST, _, _) => {
                let body = to_bytes(body, 1024 * 1024).await.unwrap();
                self.post(&path, &serde_json::from_slice(&body).unwrap()).await
            }
            _ => Err((404, "malformed")),
        };
        let (status, value) = answered.unwrap_or_else(|(status, kind)| {
            let detail = format!("no\n{}", "x".repeat(if whim == Whim::NoOrders { 100_000 } else { 10 }));
            (status, json!({"type": format!("urn:ietf:params:acme:error:{kind}"), "detail": detail, "status": status}))
        });
        let place = match path.as_str() {
            "/account" => format!("/account/{}", self.state().accounts.len()),
            "/order" => format!("/order/{}", self.state().orders.len().max(1) - 1),
            _ => path,
        };
        let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        response.status(status).header("location", self.url.clone() + &place).body(Body::from(text)).unwrap()
    }

    fn directory(&self, whim: Whim) -> Value {
        let url = &self.url;
        let nonce = match whim {
            Whim::OtherHost => "https://10.0.0.1/nonce".to_owned(),
            Whim::NoUrl => "not a URL".to_owned(),
            _ => format!("{url}/nonce"),
        };
        json!({"newNonce": nonce, "newAccount": format!("{url}/account"), "newOrder": format!("{url}/order")})
    }

    async fn post(&self, path: &str, jws: &Value) -> Answer {
        let decoded = |name: &str| BASE64.decode(jws[name].as_str().unwrap().as_bytes()).unwrap();
        let header = serde_json::from_slice::<Value>(&decoded("protected")).unwrap();
        let key = self.signer(path, &header)?;
        let nonce = header["nonce"].as_str().unwrap();
        if !self.state().nonces.remove(nonce) || (self.state().whim == Whim::BadNonce && self.forgives()) {
            return Err((400, "badNonce"));
        }
        if header["alg"] != "ES256" || header["url"] != format!("{}{path}", self.url) {
            return Err((400, "malformed"));
        }
        let signed = format!("{}.{}", jws["protected"].as_str().unwrap(), jws["payload"].as_str().unwrap());
        let public = UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, &key);
        if public.verify(signed.as_bytes(), &decoded("signature")).is_err() {
            return Err((400, "badSignature"));
        }
        let payload = serde_json::from_slice(&decoded("payload")).unwrap_or(Value::Null);
        let parts = path.split('/').skip(1).collect::<Vec<_>>();
        let number = |at: usize| parts.get(at).and_then(|part| part.parse::<usize>().ok()).unwrap_or_default();
        match parts[0] {
            "account" => Ok(self.account(key, payload)),
            "order" if parts.len() == 1 => self.new_order(&payload),
            "order" => Ok((200, self.order(number(1)))),
            "authz" => Ok((200, self.authorization(number(1), number(2)))),
            "challenge" => Ok((200, self.challenge(number(1), number(2), &key).await)),
            "finalize" => self.finalize(number(1), &payload),
            "certificate" => Ok((200, self.state().orders[number(1)].chain.clone().into())),
            _ => Err((404, "malformed")),
        }
    }

    /// Every other nonce is taken for a bad one.
    fn forgives(&self) -> bool {
        self.state().asked.len().is_multiple_of(2)
    }

    /// The public key: in the request for a new account, known from it afterwards.
    fn signer(&self, path: &str, header: &Value) -> Result<Vec<u8>, (u16, &'static str)> {
        if path == "/account" {
            let part = |name: &str| BASE64.decode(header["jwk"][name].as_str().unwrap().as_bytes()).unwrap();
            return Ok([vec![4], part("x"), part("y")].concat());
        }
        let number = header["kid"].as_str().and_then(|kid| kid.rsplit('/').next()?.parse::<usize>().ok());
        let known = number.and_then(|number| self.state().accounts.get(number.checked_sub(1)?).cloned());
        known.map(|(key, _)| key).ok_or((400, "accountDoesNotExist"))
    }

    fn account(&self, key: Vec<u8>, said: Value) -> (u16, Value) {
        // An account's own URL has a number; what is said there replaces what was.
        let mut state = self.state();
        match state.accounts.iter_mut().find(|(known, _)| *known == key) {
            Some((_, known)) => *known = said,
            None => state.accounts.push((key, said)),
        }
        (201, json!({"status": "valid"}))
    }

    fn new_order(&self, payload: &Value) -> Answer {
        if self.state().whim == Whim::NoOrders {
            return Err((429, "rateLimited"));
        }
        let names = payload["identifiers"].as_array().unwrap().iter();
        let names = names.map(|name| name["value"].as_str().unwrap().to_owned()).collect::<Vec<_>>();
        let number = self.state().orders.len();
        self.state().orders.push(Order { names, proven: HashSet::new(), chain: None });
        Ok((201, self.order(number)))
    }

    fn order(&self, number: usize) -> Value {
        let (state, url) = (self.state(), &self.url);
        let order = &state.orders[number];
        let status = match (state.whim, &order.chain, order.proven.len() == order.names.len()) {
            (_, Some(_), _) => "valid",
            (Whim::NoProof, ..) => "invalid",
            (Whim::Hold, ..) | (_, _, false) => "pending",
            _ => "ready",
        };
        let count = if state.whim == Whim::ManyNames { 100 } else { order.names.len() };
        let each = (0..count).map(|at| format!("{url}/authz/{number}/{at}")).collect::<Vec<_>>();
        let (finalize, certificate) = (format!("{url}/finalize/{number}"), format!("{url}/certificate/{number}"));
        let certificate = order.chain.as_ref().map(|_| certificate);
        json!({"status": status, "authorizations": each, "finalize": finalize, "certificate": certificate})
    }

    fn authorization(&self, number: usize, at: usize) -> Value {
        let state = self.state();
        let order = &state.orders[number];
        let name = match state.whim {
            Whim::OtherName => "bank.example",
            _ => &order.names[at],
        };
        let kind = if state.whim == Whim::NoChallenge { "http-01" } else { "tls-alpn-01" };
        let (url, token) = (format!("{}/challenge/{number}/{at}", self.url), format!("token-{number}-{at}"));
        let failed = json!({"type": "urn:ietf:params:acme:error:unauthorized", "detail": "it has another face"});
        let failed = (state.whim == Whim::NoProof).then_some(failed);
        let status = if order.proven.contains(name) { "valid" } else { "pending" };
        json!({
            "identifier": {"type": "dns", "value": name}, "status": status,
            "challenges": [{"type": kind, "url": url, "token": token, "status": "pending", "error": failed}],
        })
    }

    async fn challenge(&self, number: usize, at: usize, key: &[u8]) -> Value {
        let (x, y) = key[1..].split_at(32);
        let key = format!(r#"{{"crv":"P-256","kty":"EC","x":"{}","y":"{}"}}"#, BASE64.encode(x), BASE64.encode(y));
        let print = BASE64.encode(digest(&SHA256, key.as_bytes()).as_ref());
        let expected = digest(&SHA256, format!("token-{number}-{at}.{print}").as_bytes());
        let (gateway, name) = {
            let state = self.state();
            (state.gateway.unwrap(), state.orders[number].names[at].clone())
        };
        let seen = look(gateway, &name).await.unwrap_or_else(|error| panic!("{name} is not answered for: {error}"));
        assert_eq!(seen, expected.as_ref(), "what the account's key alone can say");
        let mut state = self.state();
        state.proven.push(name.clone());
        state.orders[number].proven.insert(name);
        json!({"type": "tls-alpn-01", "url": "", "token": format!("token-{number}-{at}"), "status": "processing"})
    }

    fn finalize(&self, number: usize, payload: &Value) -> Answer {
        let csr = BASE64.decode(payload["csr"].as_str().unwrap().as_bytes()).unwrap();
        let (_, csr) = X509CertificationRequest::from_der(&csr).unwrap();
        let info = &csr.certification_request_info;
        let mut asked = Vec::new();
        for extension in csr.requested_extensions().unwrap() {
            if let ParsedExtension::SubjectAlternativeName(names) = extension {
                asked.extend(names.general_names.iter().map(dns));
            }
        }
        let whim = self.state().whim;
        let names = self.state().orders[number].names.clone();
        assert_eq!(asked, names, "the request is for what was ordered");
        let names = if whim == Whim::OtherCertificate { vec!["bank.example".to_owned()] } else { names };
        let own = Key(info.subject_pki.subject_public_key.data.to_vec());
        let chain = match whim {
            Whim::OtherKey => self.issue(&names, &KeyPair::generate().unwrap()),
            Whim::Text => "no certificate".to_owned(),
            _ => self.issue(&names, &own),
        };
        self.state().orders[number].chain = Some(chain);
        Ok((200, self.order(number)))
    }
}

struct Key(Vec<u8>);

impl PublicKeyData for Key {
    fn der_bytes(&self) -> &[u8] {
        &self.0
    }

    fn algorithm(&self) -> &'static SignatureAlgorithm {
        &rcgen::PKCS_ECDSA_P256_SHA256
    }
}

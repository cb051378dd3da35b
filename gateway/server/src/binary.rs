//! Binary as itself: bytes of any type in and out, without the resource around them. Called by `dispatch` for bodies and
//! by `answer` for reads. Spec: <https://hl7.org/fhir/R4/binary.html#rest>, <https://hl7.org/fhir/R4/http.html#binary>.

use crate::answer::AsItIs;
use crate::body;
use crate::dispatch::Call;
use crate::error::ApiError;
use crate::media::{self, Format};
use axum::body::Body;
use axum::http::header::{CONTENT_DISPOSITION, CONTENT_SECURITY_POLICY, CONTENT_TYPE};
use axum::http::{HeaderName, HeaderValue};
use axum::response::Response;
use data_encoding::BASE64;
use fhir::json::{Doc, Node, write_string};

/// Which resource's rules of access go for the bytes: `Binary.securityContext`.
const SECURITY_CONTEXT: HeaderName = HeaderName::from_static("x-security-context");

/// The JSON of the Binary in a body: one that came as a resource, or one around the bytes that came.
///
/// What came as FHIR's own type is the content too, unless it is a Binary; what is broken there is refused, since it may
/// be one.
///
/// # Errors
/// Those of a body, and 400 for broken FHIR.
pub(crate) async fn incoming(call: &mut Call) -> Result<Vec<u8>, ApiError> {
    let Some(media) = media::content(&call.headers) else { return call.json().await };
    let Some(format) = Format::named(&media.essence) else {
        let bytes = call.bytes().await?;
        return Ok(around(call, &bytes));
    };
    let bytes = call.bytes().await?;
    let json = body::json(format, bytes.clone()).await.and_then(|json| Ok(Doc::parse(json)?));
    match json {
        Ok(doc) if doc.root().get("resourceType").and_then(Node::text).as_deref() == Some("Binary") => {
            media::of_body(&call.headers)?;
            Ok(doc.into_bytes())
        }
        // `application/xml` may be any document.
        Err(error) if media.essence == format.row().name || names_fhir(&bytes) => Err(error),
        _ => Ok(around(call, &bytes)),
    }
}

fn names_fhir(bytes: &[u8]) -> bool {
    let mark: &[u8] = b"\"http://hl7.org/fhir\"";
    bytes.windows(mark.len()).any(|window| window == mark)
}

/// A Binary around the body's bytes.
fn around(call: &Call, bytes: &[u8]) -> Vec<u8> {
    let header = |name: &HeaderName| {
        let text = call.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
        // A code has no blanks at its ends and single ones between its words.
        text.split_ascii_whitespace().collect::<Vec<_>>().join(" ")
    };
    let mut json = String::with_capacity(bytes.len() / 3 * 4 + 256);
    json.push_str(r#"{"resourceType":"Binary""#);
    let mut member = |before: &str, text: &str, after: &str| {
        json.push_str(before);
        write_string(&mut json, text);
        json.push_str(after);
    };
    if !call.target.id.is_empty() {
        member(r#","id":"#, &call.target.id, "");
    }
    member(r#","contentType":"#, &header(&CONTENT_TYPE), "");
    let context = header(&SECURITY_CONTEXT);
    if !context.is_empty() {
        member(r#","securityContext":{"reference":"#, &context, "}");
    }
    if !bytes.is_empty() {
        member(r#","data":"#, &BASE64.encode(bytes), "");
    }
    json.push('}');
    json.into_bytes()
}

/// The content of a Binary under its own type. A browser saves it and runs nothing of it, wherever it came from.
pub(crate) fn response(json: Vec<u8>) -> Response {
    let doc = Doc::parse(json).ok();
    let root = doc.as_ref().map(Doc::root);
    let text = |name: &str| root.and_then(|root| root.get(name)).and_then(Node::text).unwrap_or_default();
    let data: Vec<u8> = text("data").bytes().filter(|byte| !byte.is_ascii_whitespace()).collect();
    let mut response = Response::new(Body::from(BASE64.decode(&data).unwrap_or_default()));
    let kind = HeaderValue::from_str(&text("contentType")).ok().filter(|kind| !kind.is_empty());
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, kind.unwrap_or(HeaderValue::from_static("application/octet-stream")));
    headers.insert(CONTENT_DISPOSITION, HeaderValue::from_static("attachment"));
    headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static("default-src 'none'; sandbox"));
    let context = root.and_then(|root| root.get("securityContext")?.get("reference")).and_then(Node::text);
    if let Some(context) = context.and_then(|context| HeaderValue::from_str(&context).ok()) {
        headers.insert(SECURITY_CONTEXT, context);
    }
    response.extensions_mut().insert(AsItIs);
    response
}

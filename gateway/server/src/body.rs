//! A request's body: within its limit, inflated, JSON whatever it came as, held against the rules. Called by `dispatch`,
//! `binary` and `parameters`.

use crate::error::ApiError;
use crate::media::Format;
use crate::settings::Limits;
use axum::body::{Body, HttpBody};
use axum::http::header::{CONTENT_ENCODING, CONTENT_LENGTH};
use axum::http::{HeaderMap, StatusCode};
use fhir::validate::Mode;
use fhir::{Code, Issue, Valid, parse, validate, xml};
use flate2::read::MultiGzDecoder;
use std::future::poll_fn;
use std::io::Read;
use std::pin::Pin;

/// How much of a body over the limit is read and dropped, so that its sender reads the answer and not a broken line.
const DRAIN_BYTES_MAX: usize = 64 * 1024 * 1024;

/// What is reserved before the first byte came, whatever `Content-Length` says.
const RESERVE_BYTES_MAX: usize = 1024 * 1024;

/// From here on a body is worked on by a thread that may take its time: reading it would keep others waiting.
const HEAVY_BYTES: usize = 256 * 1024;

/// Reads a body.
///
/// # Errors
/// 413 over the limit, inflated or not; 408 if it does not arrive in time; 415 for another encoding than gzip; 400 if
/// it breaks off.
pub(crate) async fn read(limits: &Limits, headers: &HeaderMap, body: Body) -> Result<Vec<u8>, ApiError> {
    let gzip = match headers.get(CONTENT_ENCODING).map(|value| value.to_str().unwrap_or("?").trim()) {
        None | Some("" | "identity") => false,
        Some(name) if name.eq_ignore_ascii_case("gzip") || name.eq_ignore_ascii_case("x-gzip") => true,
        Some(_) => {
            let text = "bodies may be sent as they are or with Content-Encoding: gzip";
            return Err(ApiError::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, Code::NotSupported, text));
        }
    };
    let announced = headers.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<usize>().ok());
    let most = limits.body_bytes_max;
    let arriving = collect(body, most, announced.unwrap_or_default());
    let Ok(bytes) = tokio::time::timeout(limits.body_time_max, arriving).await else {
        let text = format!("the body did not arrive within {} s", limits.body_time_max.as_secs());
        return Err(ApiError::new(StatusCode::REQUEST_TIMEOUT, Code::Timeout, text));
    };
    let bytes = bytes?;
    if gzip { aside(true, move || inflate(&bytes, most)).await? } else { Ok(bytes) }
}

/// The JSON text of a resource that came in `format`.
///
/// # Errors
/// 400 for XML that is none of FHIR's, each fault with its line and its FHIRPath.
pub(crate) async fn json(format: Format, bytes: Vec<u8>) -> Result<Vec<u8>, ApiError> {
    match format {
        Format::Json => Ok(bytes),
        Format::Xml => Ok(aside(is_heavy(bytes.len()), move || xml::read(&bytes)).await??),
    }
}

/// A resource that keeps the base rules, or as far as `mode` asks for them, and what is to be told of it: with `all`
/// its warnings too.
///
/// # Errors
/// 400 with every broken rule.
pub(crate) async fn admit(bytes: Vec<u8>, mode: Mode, all: bool) -> Result<(Valid, Vec<Issue>), ApiError> {
    let heavy = is_heavy(bytes.len());
    let work = move || {
        let parsed = parse::resource(bytes)?;
        // Rules that only warn cost time and are looked at for those who want to hear of them.
        if mode == Mode::Enforce && !all {
            return Ok((validate::check(parsed)?, Vec::new()));
        }
        Ok(validate::admit(parsed, mode)?)
    };
    aside(heavy, work).await?
}

/// Does heavy work on a thread of its own, light work here.
pub(crate) async fn aside<T: Send + 'static>(
    heavy: bool,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, ApiError> {
    if !heavy {
        return Ok(work());
    }
    tokio::task::spawn_blocking(work).await.map_err(|_| {
        ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, Code::Exception, "an internal error while reading the body")
    })
}

/// Whether so many bytes are heavy work.
pub(crate) fn is_heavy(bytes: usize) -> bool {
    bytes > HEAVY_BYTES
}

async fn collect(mut body: Body, most: usize, announced: usize) -> Result<Vec<u8>, ApiError> {
    let mut bytes = Vec::with_capacity(announced.min(RESERVE_BYTES_MAX));
    let mut dropped = 0;
    while let Some(frame) = poll_fn(|context| Pin::new(&mut body).poll_frame(context)).await {
        let Ok(frame) = frame else {
            return Err(ApiError::new(StatusCode::BAD_REQUEST, Code::Incomplete, "the body broke off"));
        };
        let Ok(data) = frame.into_data() else { continue };
        if dropped == 0 && bytes.len() + data.len() <= most {
            bytes.extend_from_slice(&data);
            continue;
        }
        bytes = Vec::new();
        dropped += data.len();
        if dropped > DRAIN_BYTES_MAX {
            break;
        }
    }
    if dropped > 0 { Err(over(most)) } else { Ok(bytes) }
}

fn inflate(bytes: &[u8], most: usize) -> Result<Vec<u8>, ApiError> {
    let mut inflated = Vec::with_capacity((bytes.len() * 4).min(RESERVE_BYTES_MAX));
    let mut reader = MultiGzDecoder::new(bytes).take(most as u64 + 1);
    if reader.read_to_end(&mut inflated).is_err() {
        return Err(ApiError::new(StatusCode::BAD_REQUEST, Code::Structure, "the body is not gzip"));
    }
    if inflated.len() > most { Err(over(most)) } else { Ok(inflated) }
}

fn over(most: usize) -> ApiError {
    ApiError::too_large(format!("the body has more than {} MiB, which is the limit", most / 1024 / 1024))
}

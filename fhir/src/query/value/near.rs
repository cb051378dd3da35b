//! `near`: a place and how far from it. Called by [`super::one`].
//! Spec: <https://hl7.org/fhir/R4/location.html#positional>.

use super::{Wanted, split, unescape};
use crate::index::place::{Place, chord};
use crate::unit;

/// How far is near where nobody says it; the page leaves that to the server. A day's way to a hospital.
const METRES_DEFAULT: f64 = 50_000.0;

/// `latitude|longitude`, `latitude|longitude|distance`, `latitude|longitude|distance|unit`; kilometres without a unit.
pub(super) fn read(text: &str) -> Result<Wanted, String> {
    let parts = split(text, '|').iter().map(|part| unescape(part)).collect::<Vec<_>>();
    let (latitude, longitude, distance, unit) = match &parts.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [latitude, longitude] => (*latitude, *longitude, "", ""),
        [latitude, longitude, distance] => (*latitude, *longitude, *distance, ""),
        [latitude, longitude, distance, unit] => (*latitude, *longitude, *distance, *unit),
        _ => return Err("a value must be latitude|longitude, latitude|longitude|distance or with |unit".to_owned()),
    };
    let degrees = |text: &str| text.parse::<f64>().map_err(|_| "a latitude or longitude is no number".to_owned());
    let place = Place::of(degrees(latitude)?, degrees(longitude)?)
        .ok_or("a latitude is beyond 90 degrees or a longitude beyond 180")?;
    Ok(Wanted::Near { place, chord: chord(metres(distance, unit)?) })
}

fn metres(distance: &str, unit: &str) -> Result<f64, String> {
    if distance.is_empty() {
        return Ok(METRES_DEFAULT);
    }
    let value = distance.parse::<f64>().ok().filter(|value| value.is_finite() && *value >= 0.0);
    let value = value.ok_or("a distance is no number from 0 on")?;
    let unit = if unit.is_empty() { "km" } else { unit };
    match unit::canonical(value, unit) {
        Some((metres, base)) if base == "m" => Ok(metres),
        _ => Err("a unit of distance is no length of UCUM, such as km, m or [mi_us]".to_owned()),
    }
}

//! Places on the earth, so that `near` finds Locations: as points of the unit sphere, where a distance is a chord, poles
//! and date line are no exceptions, and a database needs no trigonometry. Used by `index` and by `query`.
//! Spec: <https://hl7.org/fhir/R4/location.html#positional>.

use super::{Entry, Value};
use crate::json::Node;
use crate::params;
use crate::types::ResourceType;

/// Mean radius of the earth in metres (IUGG); the ellipsoid differs from the sphere by half a percent.
const RADIUS_M: f64 = 6_371_008.8;

/// A point of the unit sphere.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Place {
    /// Towards latitude 0, longitude 0.
    pub x: f64,
    /// Towards latitude 0, longitude 90 east.
    pub y: f64,
    /// Towards the north pole.
    pub z: f64,
}

impl Place {
    /// From degrees; none outside of 90 south to 90 north and 180 west to 180 east.
    #[must_use]
    pub fn of(latitude: f64, longitude: f64) -> Option<Self> {
        if !(-90.0..=90.0).contains(&latitude) || !(-180.0..=180.0).contains(&longitude) {
            return None;
        }
        let (latitude, longitude) = (latitude.to_radians(), longitude.to_radians());
        let around = latitude.cos();
        Some(Self { x: around * longitude.cos(), y: around * longitude.sin(), z: latitude.sin() })
    }

    /// The square of the chord between both.
    #[must_use]
    pub fn chord_squared(&self, other: &Self) -> f64 {
        (self.x - other.x).powi(2) + (self.y - other.y).powi(2) + (self.z - other.z).powi(2)
    }
}

/// The chord that belongs to a way of so many metres on the earth's surface; 2, the diameter, for half around and more.
#[must_use]
pub fn chord(metres: f64) -> f64 {
    2.0 * (metres / RADIUS_M / 2.0).min(std::f64::consts::FRAC_PI_2).sin()
}

/// Where a Location is.
pub(super) fn entry(root: Node<'_>, kind: ResourceType) -> Option<Entry> {
    if kind.name() != "Location" {
        return None;
    }
    let position = root.get("position")?;
    let degrees = |name: &str| position.get(name)?.number()?.parse::<f64>().ok();
    let value = Value::Place(Place::of(degrees("latitude")?, degrees("longitude")?)?);
    Some(Entry { param: params::find(kind, "near")?.id, group: 0, value })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Kilometres between places, from the haversine formula with the same radius.
    #[test]
    fn a_chord_is_a_distance_everywhere() {
        for (from, to, km) in [
            ((52.52, 13.405), (48.137, 11.575), 504.4),
            ((0.0, 179.9), (0.0, -179.9), 22.24),
            ((89.9, 0.0), (89.9, 180.0), 22.24),
            ((-33.868, 151.209), (51.507, -0.128), 16_993.0),
            ((10.0, 20.0), (10.0, 20.0001), 0.01095),
        ] {
            let place = |(latitude, longitude)| Place::of(latitude, longitude).unwrap();
            let between = place(from).chord_squared(&place(to));
            assert!(between <= chord(km * 1001.0).powi(2), "{from:?} {to:?}");
            assert!(between >= chord(km * 999.0).powi(2), "{from:?} {to:?}");
        }
        assert!(chord(1e9) == 2.0 && chord(0.0) == 0.0);
        for (latitude, longitude) in [(90.1, 0.0), (0.0, -180.1), (f64::NAN, 0.0), (0.0, f64::INFINITY)] {
            assert_eq!(Place::of(latitude, longitude), None);
        }
    }
}

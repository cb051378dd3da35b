//! A QR code as SVG, drawn with this room's own builder. Called by `pages::overview`.

use crate::html::{Html, el};
use qrcode::{Color, EcLevel, QrCode};
use std::fmt::Write as _;

/// Empty cells around a code; scanners need four.
const QUIET: usize = 4;

/// Draws `text`; none if it is longer than a QR code holds (about 2,900 bytes).
pub(crate) fn svg(text: &str, label: &str) -> Option<Html> {
    let code = QrCode::with_error_correction_level(text, EcLevel::L).ok()?;
    let width = code.width();
    let mut path = String::new();
    for (at, _) in code.to_colors().iter().enumerate().filter(|(_, color)| **color == Color::Dark) {
        let _ = write!(path, "M{} {}h1v1h-1z", at % width + QUIET, at / width + QUIET);
    }
    let size = width + 2 * QUIET;
    let drawing = el("svg").class("qr").attr("viewBox", format!("0 0 {size} {size}")).attr("role", "img");
    let drawing = drawing.attr("aria-label", label).attr("shape-rendering", "crispEdges");
    Some(drawing.with(el("path").attr("d", path)).html())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_drawn_or_is_too_long() {
        let check = |length: usize, expected: bool| {
            assert_eq!(svg(&"a".repeat(length), "code").is_some(), expected, "{length}");
        };
        check(1, true);
        check(2000, true);
        check(3000, false);
    }
}

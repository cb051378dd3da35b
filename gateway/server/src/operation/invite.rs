//! `POST /fhir/Patient/1/$invite`: a short-lived code with which the patient's own node takes over the record. Gives
//! Parameters `code`, `qr`, `qrText` and `task`. Called through `routes`.

use crate::answer::{Answer, Facts, fhir_response};
use crate::dispatch::Call;
use crate::error::ApiError;
use crate::parameters::{Answering, Parameters};
use axum::http::StatusCode;
use data_encoding::BASE64;
use fhir::Code;
use qrcode::render::unicode::Dense1x2;
use qrcode::{Color, EcLevel, QrCode};

/// Pixels per module: a phone reads it from a screen at arm's length.
const SCALE: usize = 6;

/// Modules of white around it, as the standard asks (ISO/IEC 18004).
const QUIET: usize = 4;

pub(crate) async fn run(mut call: Call) -> Result<Answer, ApiError> {
    Parameters::read(&mut call, &[]).await?;
    let id = call.target.id.clone();
    let invite = call.app.node.invite(&call.caller, &id).await?;
    let code = QrCode::with_error_correction_level(&invite.code, EcLevel::M).map_err(|_| unpainted())?;
    let png = png(&code).ok_or_else(unpainted)?;
    let attachment = format!(r#"{{"contentType":"image/png","data":"{}"}}"#, BASE64.encode(&png));
    let json = Answering::new()
        .string("code", &invite.code)
        .value("qr", "valueAttachment", &attachment)
        .string("qrText", &code.render::<Dense1x2>().build())
        .value("task", "valueReference", &format!(r#"{{"reference":"Task/{}"}}"#, invite.task))
        .finish();
    let response = fhir_response(StatusCode::OK, call.view.apply(json));
    Ok(Answer { response, facts: Facts { patients: vec![id], ..Facts::default() } })
}

fn unpainted() -> ApiError {
    ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, Code::Exception, "the code could not be painted; ask for another")
}

/// One byte of grey per pixel.
fn png(code: &QrCode) -> Option<Vec<u8>> {
    let (colors, width) = (code.to_colors(), code.width());
    let side = (width + 2 * QUIET) * SCALE;
    let mut pixels = vec![255; side * side];
    for (place, _) in colors.iter().enumerate().filter(|(_, color)| **color == Color::Dark) {
        let (left, top) = ((place % width + QUIET) * SCALE, (place / width + QUIET) * SCALE);
        for row in top..top + SCALE {
            pixels[row * side + left..][..SCALE].fill(0);
        }
    }
    let mut bytes = Vec::new();
    let size = u32::try_from(side).ok()?;
    let mut encoder = png::Encoder::new(&mut bytes, size, size);
    encoder.set_color(png::ColorType::Grayscale);
    encoder.set_depth(png::BitDepth::Eight);
    let mut writer = encoder.write_header().ok()?;
    writer.write_image_data(&pixels).ok()?;
    writer.finish().ok()?;
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_painted_as_png() {
        let code = QrCode::with_error_correction_level("chartwell", EcLevel::M).unwrap();
        let bytes = png(&code).unwrap();
        let mut reader = png::Decoder::new(std::io::Cursor::new(&bytes)).read_info().unwrap();
        let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
        let frame = reader.next_frame(&mut pixels).unwrap();
        let side = (code.width() + 2 * QUIET) * SCALE;
        assert_eq!((frame.width as usize, frame.height as usize), (side, side));
        // White around, and the finder's dark corner inside.
        assert_eq!((pixels[0], pixels[(QUIET * side + QUIET) * SCALE]), (255, 0));
    }
}

//! What the steps of one write say of patients and subjects that the database does not know yet. Called by `sign`.

use super::moves::identifiers;
use super::{Decision, Step};
use crate::home::Together;
use fhir::home::Main;
use fhir::reference::Parts;
use record::frame::Method;
use std::collections::HashMap;

/// What the steps say of patients and subjects that the database does not know yet.
pub(super) fn together(steps: &[Step], decisions: &[Decision]) -> Together {
    let mut together = Together::default();
    let mut direct = HashMap::<String, Vec<String>>::new();
    for (step, _) in steps.iter().zip(decisions).filter(|(_, decision)| matches!(decision, Decision::Write(_))) {
        let resource = &step.prepared;
        if resource.foreign.is_some() {
            continue;
        }
        if resource.kind.name() == "Patient" && resource.method != Method::Delete {
            together.patients.push(resource.id.clone());
            for target in identifiers(resource) {
                together.identifiers.entry(target).or_default().insert(resource.id.clone());
            }
        }
        if fhir::home::follows(resource.kind) {
            continue;
        }
        let subjects = match &resource.main {
            Main::Patients(texts) => texts.iter().filter_map(|text| patient_in(text)).collect(),
            _ => Vec::new(),
        };
        if resource.kind.name() != "Patient" {
            direct.insert(format!("{}/{}", resource.kind.name(), resource.id), subjects);
        }
    }
    together.subjects = direct;
    together
}

fn patient_in(text: &str) -> Option<String> {
    match fhir::reference::parse(text) {
        Parts::Relative { kind, id, .. } if kind.name() == "Patient" => Some(id.to_owned()),
        _ => None,
    }
}

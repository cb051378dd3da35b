//! What tests show pages of: one patient, two hospitals. With `CHARTWELL_PAGES=DIR` every page a test makes is
//! written there, to be looked at in a browser.

use crate::layout::{Frame, Page};
use crate::pages::{moments, overview};
use node::conflicts::{Conflict, Side};
use node::devices::{DeviceState, DeviceView, JoinState, JoinView, OfferState, OfferView};
use node::grants::{GrantState, GrantView, RecordView, RequestState, RequestView, scope_lines};
use node::pairing::{GrantLine, PairingState, PairingView};
use node::peers::PeerView;
use node::phrase::PhraseView;
use node::quarantine::HeldBack;
use node::timeline::{Moment, MomentKind};
use record::RecordId;

/// 2026-11-21 00:33:28 UTC.
pub(crate) const NOW: u64 = 1_795_221_208_000;
const MINUTE: u64 = 60_000;
const DAY: u64 = 24 * 60 * MINUTE;
const HOSTILE: &str = "\"><script>alert('x')</script><img src=x onerror=alert(1)> & {{7*7}}";

fn text(value: &str) -> String {
    value.to_owned()
}

/// A whole page as its text.
pub(crate) fn shown(name: &str, make: impl FnOnce(&Frame) -> Page) -> String {
    let frame = Frame { now_ms: NOW, csrf: text("csrf-of-this-session"), waiting: 1, stopped: false };
    let page = make(&frame);
    let html = frame.page(page).document();
    if let Some(folder) = std::env::var_os("CHARTWELL_PAGES") {
        std::fs::write(std::path::Path::new(&folder).join(format!("{name}.html")), &html).expect("the folder exists");
    }
    html
}

pub(crate) fn record() -> RecordView {
    let at = "/ip4/192.168.1.20/tcp/4101/p2p/12D3KooWGRUfbWtTrEBkNGNfoUKyMmYGXMKAzaWYkJrDfcyGuZcH,/ip4/192.168.1.20/udp/4101/quic-v1/p2p/12D3KooWGRUfbWtTrEBkNGNfoUKyMmYGXMKAzaWYkJrDfcyGuZcH";
    let address = format!("chartwell:{}?at={at}", record::id::base32(&[7; 68]));
    RecordView {
        record: RecordId([7; 32]),
        title: text("Aurora Quigley"),
        custodian: text("Hospital A"),
        address,
        resources: 1362,
    }
}

pub(crate) fn pairing(state: PairingState) -> PairingView {
    let line = |scope: &str, classes: &[&str]| GrantLine {
        name: text("Hospital A"),
        scope: text(scope),
        classes: classes.iter().map(|class| text(class)).collect(),
        purpose: text("TREAT"),
        words: text("write"),
    };
    let (hospital, digits, message) = match state {
        PairingState::Connecting => ("", "", "connecting to the hospital"),
        PairingState::Ended => ("Hospital A", "", "nothing happened for ten minutes; ask for a new invite"),
        _ => ("Hospital A", "042917", "compare the six digits with those the hospital sees"),
    };
    PairingView {
        id: text("pair1"),
        state,
        hospital: text(hospital),
        patient_name: text("Aurora Quigley"),
        digits: text(digits),
        grants: vec![line("patient/*.cud", &["normal", "directory"]), line("patient/*.rs", &["normal", "directory"])],
        message: text(message),
        started_ms: NOW - 2 * MINUTE,
    }
}

pub(crate) fn requests() -> Vec<RequestView> {
    let request = |id: &str, scope: &str, state, days: u64| RequestView {
        id: text(id),
        record: RecordId([7; 32]),
        name: text("Hospital B"),
        origin: text("mfzwizltoq4dqmzu"),
        lines: scope_lines(scope),
        scope: text(scope),
        purpose: text("TREAT"),
        reason: text("You are coming to us for an operation on your knee and we would like to know your blood values."),
        start_ms: NOW,
        end_ms: NOW + 30 * DAY,
        asked_ms: NOW - days * DAY - 5 * MINUTE,
        state,
    };
    vec![
        request("r1", "patient/Observation.rs patient/Condition.rs", RequestState::Open, 0),
        request("r2", "patient/Observation.cu", RequestState::Approved, 3),
        request("r3", "patient/*.rs", RequestState::Refused, 9),
    ]
}

pub(crate) fn grants() -> Vec<GrantView> {
    let grant = |id: &str, name: &str, scope: &str, state, delivered, end_ms| GrantView {
        id: text(id),
        record: RecordId([7; 32]),
        name: text(name),
        origin: text("mfzwizltoq4dqmzu"),
        lines: scope_lines(scope),
        scope: text(scope),
        classes: vec![text("normal"), text("directory")],
        purpose: text("TREAT"),
        start_ms: NOW - DAY,
        end_ms,
        given_ms: NOW - DAY,
        state,
        delivered,
        emergency: None,
        through: String::new(),
        shared: false,
    };
    vec![
        grant("g1.0", "Hospital B", "patient/Observation.rs", GrantState::Open, false, NOW + 30 * DAY),
        grant("g2.0", "Hospital A", "patient/*.cud", GrantState::Open, true, 0),
        grant("g3.0", "Hospital B", "patient/Condition.rs", GrantState::Revoked, false, NOW + 30 * DAY),
        grant("g4.0", "Hospital B", "patient/Observation.cu", GrantState::Revoked, true, NOW + 30 * DAY),
        grant("g5.0", "Hospital B", "patient/Observation.r", GrantState::Ended, true, NOW - MINUTE),
    ]
}

pub(crate) fn conflict() -> Conflict {
    let side = |version: &str, name: &str, json: Option<&str>| Side {
        version: text(version),
        name: text(name),
        origin: text("mfzwizltoq4dqmzu"),
        at_ms: NOW - MINUTE,
        text: json.map(text),
        deleted: json.is_none(),
    };
    Conflict {
        resource_type: text("CarePlan"),
        id: text("mfzwizltoq4dqmzu.p1"),
        version: text("a.1-2"),
        sides: vec![side("b.1", "Hospital B", Some("{\n  \"title\": \"walk\"\n}")), side("a.1", "Hospital A", None)],
    }
}

pub(crate) fn held_back() -> HeldBack {
    HeldBack {
        record: RecordId([7; 32]),
        name: text("Hospital B"),
        origin: text("mfzwizltoq4dqmzu"),
        reason: record::state::Quarantine::BeyondTheLine,
        ops: vec![record::OpId([1; 32]), record::OpId([2; 32])],
        from_ms: NOW - DAY,
        to_ms: NOW - MINUTE,
        counts: vec![(text("Observation"), 2), (text("Condition"), 1)],
    }
}

fn moment(minutes: u64, who: &str, what: &str, why: &str, kind: MomentKind) -> Moment {
    Moment {
        at_ms: NOW - minutes * MINUTE,
        who: text(who),
        mine: false,
        what: text(what),
        why: text(why),
        reason: String::new(),
        kind,
        position: 100 - minutes as i64 / 30,
        resource: None,
        counts: Vec::new(),
    }
}

pub(crate) fn moments() -> moments::View {
    let mut one = moment(2, "Hospital A (Dr. Grün)", "wrote Observation: Body Weight", "TREAT", MomentKind::Written);
    one.resource = Some((text("Observation"), text("o.1")));
    let mut many = moment(600, "Hospital A (lab-system)", "wrote 124 entries", "TREAT", MomentKind::Written);
    many.counts = vec![(text("Condition"), 3), (text("Encounter"), 1), (text("Observation"), 120)];
    let mut gone =
        moment(700, "Hospital A (Dr. Grün)", "deleted AllergyIntolerance: Peanut", "TREAT", MomentKind::Deleted);
    gone.resource = Some((text("AllergyIntolerance"), text("a1")));
    moments::View {
        records: vec![record()],
        record: Some(RecordId([7; 32])),
        moments: vec![
            one,
            moment(10, "You", "let Hospital B in: patient/Observation.rs", "TREAT", MomentKind::Grant),
            moment(
                20,
                "Hospital B",
                "asked for access: patient/Observation.rs patient/Condition.rs",
                "TREAT",
                MomentKind::Request,
            ),
            moment(30, "You", "took back what Hospital B was allowed", "", MomentKind::Revoke),
            moment(
                30,
                "You",
                "changed the locks, so that only those let in can read what is written from here on",
                "",
                MomentKind::Keys,
            ),
            many,
            gone,
            moment(3000, "Hospital A", "handed this record over to You", "", MomentKind::Claim),
            moment(90_000, "Hospital A", "opened this record", "", MomentKind::Opened),
        ],
        later: false,
        next: Some(17),
    }
}

pub(crate) fn looks() -> moments::View {
    let looks = vec![
        moment(
            3,
            "Hospital B (Dr. Weiss)",
            "searched and was shown 12 Observation; read 1 Practitioner",
            "TREAT",
            MomentKind::Read,
        ),
        moment(90, "Hospital A (lab-system)", "read 1 Patient", "HPAYMT", MomentKind::Read),
    ];
    moments::View { moments: looks, next: None, ..moments() }
}

pub(crate) fn peers() -> Vec<PeerView> {
    let peer = |name: &str, origin: &str, connected, behind| PeerView {
        name: text(name),
        origin: text(origin),
        connected,
        addresses: vec![text("/ip4/127.0.0.1/tcp/4001/p2p/12D3KooWGRUfbWtTrEBkNGNfoUKyMmYGXMKAzaWYkJrDfcyGuZcH")],
        behind,
        seen_ms: connected.then_some(NOW - 12 * MINUTE),
    };
    vec![peer("Hospital A", "aaaaizltoq4dqmzu", true, 0), peer("Hospital B", "bbbbizltoq4dqmzu", false, 3)]
}

/// Words that are none, so that no page with a real phrase is ever looked at.
pub(crate) fn phrase() -> PhraseView {
    PhraseView::Here((1..=24).map(|at| zeroize::Zeroizing::new(format!("word{at}"))).collect())
}

pub(crate) fn offer(state: OfferState) -> OfferView {
    let taken = !matches!(state, OfferState::Waiting);
    OfferView {
        id: text("offer1"),
        state,
        code: if taken {
            String::new()
        } else {
            text("chartwell-device:mfzwizltoq4dqmzu?at=/ip4/192.168.1.20/tcp/4101")
        },
        device: if taken { text("Aurora's phone") } else { String::new() },
        digits: if taken { text("042917") } else { String::new() },
        message: text("nothing happened for ten minutes; make a new code"),
        started_ms: NOW - 2 * MINUTE,
    }
}

pub(crate) fn join(state: JoinState) -> JoinView {
    JoinView {
        id: text("join1"),
        state,
        other: text("Aurora's computer"),
        digits: text("042917"),
        message: text("nothing happened for ten minutes; make a new code"),
        started_ms: NOW - 2 * MINUTE,
    }
}

pub(crate) fn devices() -> super::devices::View {
    let device = |id: &str, name: &str, this, state| DeviceView {
        id: text(id),
        name: text(name),
        origin: text("mfzwizltoq4dqmzu"),
        this,
        since_ms: NOW - 30 * DAY,
        state,
    };
    super::devices::View {
        devices: vec![
            device("d1", "Aurora's computer", true, DeviceState::In),
            device("d2", "Phone", false, DeviceState::In),
            device("d3", "Old phone", false, DeviceState::Suspended),
            device("d4", "Tablet", false, DeviceState::Removed),
        ],
        offers: vec![offer(OfferState::Done)],
        joins: vec![join(JoinState::Ended)],
        words: true,
    }
}

pub(crate) fn overview() -> overview::View {
    let mut emergency = moment(30, "Hospital B (Dr. Rot)", "read 1 Patient", "ETREAT", MomentKind::Read);
    emergency.reason = text("found unconscious");
    overview::View {
        emergencies: vec![emergency],
        words: true,
        conflicts: 2,
        records: vec![(record(), moments().moments.into_iter().take(5).collect())],
        requests: requests(),
        pairings: vec![pairing(PairingState::Digits), pairing(PairingState::Done)],
        grants: grants(),
    }
}

/// Every page with hostile text wherever somebody else chooses it.
fn hostile_pages() -> Vec<String> {
    let bad = || text(HOSTILE);
    let spoil_lines = |lines: &mut Vec<node::grants::ScopeLine>| {
        for line in lines {
            (line.scope, line.words, line.resource_type) = (bad(), bad(), Some(bad()));
        }
    };
    let mut requests = requests();
    for request in &mut requests {
        (request.id, request.name, request.origin, request.scope) = (bad(), bad(), bad(), bad());
        (request.purpose, request.reason) = (bad(), bad());
        spoil_lines(&mut request.lines);
    }
    let mut grants = grants();
    for grant in &mut grants {
        (grant.id, grant.name, grant.origin, grant.scope, grant.purpose) = (bad(), bad(), bad(), bad(), bad());
        grant.classes = vec![bad()];
        spoil_lines(&mut grant.lines);
    }
    let states = [
        PairingState::Connecting,
        PairingState::Digits,
        PairingState::WaitingForHospital,
        PairingState::Done,
        PairingState::Ended,
    ];
    let pairings = states.map(|state| {
        let line = || GrantLine { name: bad(), scope: bad(), classes: vec![bad()], purpose: bad(), words: bad() };
        let view = PairingView {
            id: bad(),
            hospital: bad(),
            patient_name: bad(),
            digits: bad(),
            message: bad(),
            ..pairing(state)
        };
        PairingView { grants: vec![line()], ..view }
    });
    let record = || RecordView { title: bad(), custodian: bad(), address: bad(), ..record() };
    let spoil = |mut view: moments::View| {
        view.records = vec![record(), record()];
        for moment in &mut view.moments {
            (moment.who, moment.what, moment.why, moment.reason) = (bad(), format!("wrote {HOSTILE}"), bad(), bad());
            (moment.resource, moment.counts) = (Some((bad(), bad())), vec![(bad(), 2)]);
        }
        view
    };
    let held = || HeldBack { name: bad(), origin: bad(), counts: vec![(bad(), 2)], ..held_back() };
    let mut peers = peers();
    for peer in &mut peers {
        (peer.name, peer.origin, peer.addresses) = (bad(), bad(), vec![bad()]);
    }
    let overview = overview::View {
        emergencies: spoil(moments()).moments,
        words: true,
        conflicts: 2,
        records: vec![(record(), spoil(moments()).moments)],
        requests: requests.clone(),
        pairings: pairings.to_vec(),
        grants: grants.clone(),
    };
    let mut devices = devices();
    for device in &mut devices.devices {
        (device.id, device.name, device.origin) = (bad(), bad(), bad());
    }
    let offer =
        |state| OfferView { id: bad(), code: bad(), device: bad(), digits: bad(), message: bad(), ..offer(state) };
    let join = |state| JoinView { id: bad(), other: bad(), digits: bad(), message: bad(), ..join(state) };
    devices.offers = vec![offer(OfferState::Digits)];
    devices.joins = vec![join(JoinState::Digits)];
    let mut pages = vec![
        shown("hostile-devices", |frame| super::devices::page(frame, &devices)),
        shown("hostile-suspend", |frame| super::devices::confirmation(frame, &devices.devices[1])),
        shown("hostile-offer", |frame| super::offer::page(frame, &offer(OfferState::Digits))),
        shown("hostile-offer-code", |frame| super::offer::page(frame, &offer(OfferState::Waiting))),
        shown("hostile-offer-ended", |frame| super::offer::page(frame, &offer(OfferState::Ended))),
        shown("hostile-join", |frame| super::join::page(frame, &join(JoinState::Digits))),
        shown("hostile-join-ended", |frame| super::join::page(frame, &join(JoinState::Ended))),
        shown("hostile-overview", |frame| overview::page(frame, &overview)),
        shown("hostile-requests", |frame| super::requests::page(frame, &requests)),
        shown("hostile-access", |frame| super::access::page(frame, &grants, &super::access::Notes::default())),
        shown("hostile-conflicts", |frame| {
            let side = |side: Side| Side { version: bad(), name: bad(), origin: bad(), text: Some(bad()), ..side };
            let sides = conflict().sides.into_iter().map(side).collect();
            let conflict = Conflict { resource_type: bad(), id: bad(), version: bad(), sides };
            super::conflicts::page(frame, &[conflict])
        }),
        shown("hostile-held-back", |frame| super::held_back::page(frame, &[held()], 1)),
        shown("hostile-timeline", |frame| super::timeline::page(frame, &spoil(moments()))),
        shown("hostile-audit", |frame| super::audit::page(frame, &spoil(looks()))),
        shown("hostile-network", |frame| super::network::page(frame, &peers)),
        shown("hostile-invite", |frame| super::invite::page(frame, &pairings)),
        shown("hostile-entry", |frame| super::entry::page(frame, HOSTILE, HOSTILE)),
    ];
    pages.extend(pairings.iter().map(|pairing| shown("hostile-pairing", |frame| super::pairing::page(frame, pairing))));
    pages
}

#[test]
fn hostile_text_stays_text_on_every_page() {
    for page in hostile_pages() {
        assert_eq!(page.matches("<script").count(), 1, "the page's own script alone: {page}");
        assert!(!page.contains("<img") && !page.contains("alert('"), "{page}");
        assert!(page.contains("&lt;script&gt;alert(&#39;x&#39;)") || page.contains("id=\"pairing\""), "{page}");
        let tags = page.split('<').skip(1).filter_map(|tag| tag.split_once('>')).map(|(tag, _)| tag);
        for tag in tags {
            assert!(!tag.contains(" onerror=") || tag.contains("&lt;img src=x onerror="), "{tag}");
            assert!(!tag.contains("style=") && !tag.contains("onclick"), "{tag}");
        }
    }
}

#[test]
fn no_page_loads_anything_from_elsewhere() {
    for page in hostile_pages() {
        for attribute in [" href=\"", " src=\"", " action=\""] {
            for place in page.split(attribute).skip(1) {
                assert!(place.starts_with('/') && !place.starts_with("//") || place.starts_with('#'), "{place}");
            }
        }
    }
}

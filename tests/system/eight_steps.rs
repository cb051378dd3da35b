//! What a user can do, step by step over real processes: an EHR writes at A, the patient takes her record over and lets B
//! in, B reads and writes, the patient takes it back. Once without JavaScript on SQLite, once in a browser on Postgres.

use anyhow::ensure;
use serde_json::{Value, json};
use std::path::PathBuf;
use tests::database::{Database, POSTGRES};
use tests::house::{self, House, SYNTHEA, observation};
use tests::http::Fhir;
use tests::page::{Page, browser};
use tests::wait::until;

/// Where pictures of the browser's pages go; a folder that is thrown away without it.
const SCREENSHOTS: &str = "CHARTWELL_TEST_SCREENSHOTS";

/// All of it, with what the steps hand on to each other.
struct Walk {
    house: House,
    page: Page,
    pictures: PathBuf,
    at_a: String,
    at_b: String,
}

#[tokio::test(flavor = "multi_thread")]
async fn the_eight_steps_without_javascript_on_sqlite() -> anyhow::Result<()> {
    walk(Database::Sqlite, Page::plain()?).await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_eight_steps_in_a_browser_on_postgres() -> anyhow::Result<()> {
    // Only by hand: `tests/run` always sets both, and refuses to run where it finds neither.
    if std::env::var_os(POSTGRES).is_none() || std::env::var_os(browser::DRIVER).is_none() {
        return Ok(());
    }
    walk(Database::Postgres, Page::browser().await?).await
}

async fn walk(database: Database, mut page: Page) -> anyhow::Result<()> {
    let house = House::start(database).await?;
    page.open(&house.patient.text("login")).await?;
    let pictures = std::env::var_os(SCREENSHOTS).map_or_else(|| house.folder.path().to_owned(), PathBuf::from);
    std::fs::create_dir_all(&pictures)?;
    let mut walk = Walk { house, page, pictures, at_a: String::new(), at_b: String::new() };
    walk.a_knows_its_patients().await?;
    walk.an_invite_with_wrong_digits_ends().await?;
    walk.the_record_becomes_the_patients().await?;
    walk.b_asks_and_the_patient_narrows().await?;
    walk.b_finds_what_a_wrote().await?;
    walk.b_writes().await?;
    walk.the_patient_takes_it_back().await?;
    walk.everything_is_told().await?;
    walk.who_was_away_catches_up().await?;
    for process in [&mut walk.house.a, &mut walk.house.b, &mut walk.house.patient] {
        house::verify_and_reindex(process).await?;
    }
    Ok(())
}

/// The words of all resources of a searchset.
fn texts(bundle: &Value) -> Vec<String> {
    let entries = bundle["entry"].as_array().into_iter().flatten();
    entries.filter_map(|entry| entry["resource"]["code"]["text"].as_str().map(str::to_owned)).collect()
}

fn types(bundle: &Value) -> Vec<&str> {
    let entries = bundle["entry"].as_array().into_iter().flatten();
    entries.filter_map(|entry| entry["resource"]["resourceType"].as_str()).collect()
}

async fn found(fhir: &Fhir, path: &str) -> anyhow::Result<Value> {
    let (status, bundle) = fhir.get(path).await?;
    ensure!(status == 200, "{path}: {status} {bundle}");
    Ok(bundle)
}

/// Waits until a search finds `words`.
async fn appears(fhir: &Fhir, patient: &str, words: &str) {
    until(&format!("{words} is found"), || async {
        let (_, bundle) = fhir.get(&format!("Observation?patient={patient}&_count=500")).await.ok()?;
        texts(&bundle).iter().any(|text| text == words).then_some(())
    })
    .await;
}

impl Walk {
    async fn picture(&self, name: &str) -> anyhow::Result<()> {
        self.page.screenshot(&self.pictures.join(format!("{name}.png"))).await
    }

    /// Opens a page of the patient until it has these words.
    async fn told(&mut self, path: &str, words: &[&str]) {
        let page = tokio::sync::Mutex::new(&mut self.page);
        until(&format!("{path} says {words:?}"), || async {
            let text = page.lock().await.words(path).await.ok()?;
            words.iter().all(|word| text.contains(word)).then_some(())
        })
        .await;
    }

    /// Step 1.
    async fn a_knows_its_patients(&mut self) -> anyhow::Result<()> {
        self.at_a = house::load(&self.house.at_a, SYNTHEA[0]).await?;
        house::load(&self.house.at_a, SYNTHEA[1]).await?;
        let doctor = json!({ "resourceType": "Practitioner", "name": [{ "family": "Weiss" }] });
        let doctor = house::create(&self.house.at_a, doctor).await?;
        let mut seen = observation(&self.at_a, "Seen by Dr. Weiss");
        seen["performer"] = json!([{ "reference": format!("Practitioner/{doctor}") }]);
        house::create(&self.house.at_a, seen).await?;
        let bundle: Value = serde_json::from_str(SYNTHEA[0])?;
        let name = &bundle["entry"][0]["resource"]["name"];
        let own = json!({ "resourceType": "Patient", "name": name, "birthDate": "1970-01-01" });
        self.at_b = house::create(&self.house.at_b, own).await?;
        let family = name[0]["family"].as_str().unwrap_or_default();
        let fhir = &self.house.at_a;
        ensure!(fhir.total(&format!("Patient?family={family}")).await? == 1, "A does not find {family}");
        ensure!(fhir.total(&format!("Observation?patient={}&code=8302-2", self.at_a)).await? > 0, "no body heights");
        Ok(())
    }

    /// Step 2, where it goes wrong: both sides say so, and a used code is no use.
    async fn an_invite_with_wrong_digits_ends(&mut self) -> anyhow::Result<()> {
        let fhir = &self.house.at_a;
        let (code, task) = house::invite(fhir, &self.at_a).await?;
        self.page.accept_invite(&code).await?;
        let digits = self.page.digits().await?;
        let wrong = if digits == "000000" { "000001" } else { "000000" };
        let (status, outcome) = house::confirm(fhir, &task, wrong).await?;
        ensure!((400..500).contains(&status), "wrong digits: {status}");
        ensure!(outcome.to_string().contains("the digits were not the same"), "in words: {outcome}");
        let ended = house::task(fhir, &task, "failed").await;
        ensure!(ended.to_string().contains("the digits were not the same"), "the Task in words: {ended}");
        let said = self.page.pairing("ended").await?.words();
        ensure!(said.contains("igits were not the same"), "the page in words: {said}");
        self.picture("1-wrong-digits").await?;
        // Right digits come too late now, and so does the code.
        ensure!(house::confirm(fhir, &task, &digits).await?.0 >= 400, "an ended invite cannot be confirmed");
        self.page.accept_invite(&code).await?;
        let said = self.page.pairing("ended").await?.words();
        ensure!(said.contains("igits were not the same"), "an ended code says why: {said}");
        Ok(())
    }

    /// Step 2.
    async fn the_record_becomes_the_patients(&mut self) -> anyhow::Result<()> {
        let fhir = &self.house.at_a;
        let (code, task) = house::invite(fhir, &self.at_a).await?;
        self.page.accept_invite(&code).await?;
        let digits = self.page.digits().await?;
        ensure!(digits.len() == 6 && digits.bytes().all(|digit| digit.is_ascii_digit()), "six digits: {digits}");
        self.picture("2-digits").await?;
        let shown = house::task(fhir, &task, "in-progress").await;
        ensure!(shown.to_string().contains(&digits), "the Task does not show {digits}: {shown}");
        self.page.confirm().await?;
        let (status, answer) = house::confirm(fhir, &task, &digits).await?;
        ensure!(status == 200 && answer["resourceType"] == "Task", "{status} {answer}");
        self.page.pairing("done").await?;
        house::task(fhir, &task, "completed").await;
        // A second use of a good code.
        self.page.accept_invite(&code).await?;
        let said = self.page.pairing("ended").await?.words();
        ensure!(said.contains("used already"), "a second use in words: {said}");
        let (status, outcome) = house::confirm(fhir, &task, &digits).await?;
        ensure!(status >= 400 && outcome.to_string().contains("used already"), "at A: {status} {outcome}");
        // All that A wrote arrives.
        self.told("/", &["begun by Hospital A", "measurements and test results"]).await;
        self.page.go("/").await?;
        self.picture("3-overview").await
    }

    /// Step 3.
    async fn b_asks_and_the_patient_narrows(&mut self) -> anyhow::Result<()> {
        let address = self.page.address().await?;
        ensure!(address.starts_with("chartwell:") && address.contains("?at="), "an address: {address}");
        let scope = "patient/Observation.rs patient/Condition.rs";
        // One that is refused first.
        let refused = house::request(&self.house.at_b, &self.at_b, &address, "patient/Immunization.rs").await?;
        self.page.refuse("Hospital B").await?;
        house::task(&self.house.at_b, &refused, "rejected").await;
        let task = house::request(&self.house.at_b, &self.at_b, &address, scope).await?;
        let said = self.page.request("Hospital B").await?;
        ensure!(said.contains("Follow-up visit") && said.contains("treating you"), "who asks and why: {said}");
        self.picture("4-request").await?;
        let path = format!("Observation?patient={}", self.at_b);
        ensure!(self.house.at_b.total(&path).await? == 0, "nothing is seen before the patient allows it");
        self.page.approve("Hospital B", &["patient/Condition.rs"]).await?;
        house::task(&self.house.at_b, &task, "completed").await;
        ensure!(self.page.grants("Hospital B").await? == ["open"], "B has access");
        self.picture("5-access").await
    }

    /// Step 4.
    async fn b_finds_what_a_wrote(&self) -> anyhow::Result<()> {
        let (a, b) = (&self.house.at_a, &self.house.at_b);
        let wanted = a.total(&format!("Observation?patient={}", self.at_a)).await?;
        until("B has all of A's observations", || async {
            let total = b.total(&format!("Observation?patient={}", self.at_b)).await.ok()?;
            (total == wanted).then_some(())
        })
        .await;
        let path = format!("Observation?patient={}&_include=Observation:performer", self.at_b);
        let bundle = found(b, &path).await?;
        ensure!(types(&bundle).contains(&"Observation"), "A's observations come");
        for kind in types(&bundle) {
            ensure!(matches!(kind, "Observation" | "Practitioner" | "Organization"), "{kind} was not asked for");
        }
        ensure!(types(&bundle).contains(&"Practitioner"), "A's Practitioner comes along: {:?}", types(&bundle));
        ensure!(a.total(&format!("Condition?patient={}", self.at_a)).await? > 0, "A has conditions");
        ensure!(b.total(&format!("Condition?patient={}", self.at_b)).await? == 0, "B sees none");
        let consents = found(b, &format!("Consent?patient={}", self.at_b)).await?;
        ensure!(consents["entry"][0]["resource"]["status"] == "active", "a Consent is active: {consents}");
        Ok(())
    }

    /// Step 5.
    async fn b_writes(&mut self) -> anyhow::Result<()> {
        let (a, b) = (&self.house.at_a, &self.house.at_b);
        house::create(b, observation(&self.at_b, "Only at B")).await?;
        appears(b, &self.at_b, "Only at B").await;
        let address = self.page.address().await?;
        let task = house::request(b, &self.at_b, &address, "patient/Observation.cu").await?;
        self.page.approve("Hospital B", &[]).await?;
        house::task(b, &task, "completed").await;
        house::create(b, observation(&self.at_b, "Into the record")).await?;
        appears(a, &self.at_a, "Into the record").await;
        let bundle = found(a, &format!("Observation?patient={}&_count=500", self.at_a)).await?;
        ensure!(!texts(&bundle).contains(&"Only at B".to_owned()), "what B keeps does not come to A");
        self.told("/timeline", &["Hospital B (test)", "Into the record"]).await;
        ensure!(!self.page.words("/timeline").await?.contains("Only at B"), "what B keeps is not on the page");
        self.picture("6-timeline").await
    }

    /// Step 6.
    async fn the_patient_takes_it_back(&mut self) -> anyhow::Result<()> {
        // Two grants: what B may see, and what B may add.
        for left in [1, 0] {
            self.page.revoke("Hospital B").await?;
            let page = tokio::sync::Mutex::new(&mut self.page);
            until("the page says that B has received it", || async {
                let states = page.lock().await.grants("Hospital B").await.ok()?;
                let open = states.iter().filter(|state| *state == "open").count();
                (open == left && states.iter().all(|state| state == "open" || state == "received")).then_some(())
            })
            .await;
        }
        self.picture("7-taken-back").await?;
        let b = &self.house.at_b;
        let bundle = found(b, &format!("Observation?patient={}&_count=500", self.at_b)).await?;
        let mut own = texts(&bundle);
        own.sort();
        ensure!(own == ["Into the record", "Only at B"], "B finds what B wrote alone: {own:?}");
        house::create(b, observation(&self.at_b, "After the end")).await?;
        appears(b, &self.at_b, "After the end").await;
        let consents = found(b, &format!("Consent?patient={}", self.at_b)).await?;
        let consents = consents["entry"].as_array().into_iter().flatten();
        for consent in consents {
            ensure!(consent["resource"]["status"] == "inactive", "no Consent is active: {consent}");
        }
        let bundle = found(&self.house.at_a, &format!("Observation?patient={}&_count=500", self.at_a)).await?;
        ensure!(!texts(&bundle).contains(&"After the end".to_owned()), "what B writes now stays there");
        Ok(())
    }

    /// Step 7.
    async fn everything_is_told(&mut self) -> anyhow::Result<()> {
        for (fhir, patient) in [(&self.house.at_a, &self.at_a), (&self.house.at_b, &self.at_b)] {
            let bundle = found(fhir, &format!("AuditEvent?patient={patient}&_count=200")).await?;
            let events = bundle["entry"].as_array().cloned().unwrap_or_default();
            let has = |action: &str| events.iter().any(|event| event["resource"]["action"] == action);
            ensure!(has("C") && has("E"), "creates and searches are AuditEvents at {}", fhir.base);
            let who = |event: &Value| event["resource"]["agent"][0]["who"].is_object();
            let why = |event: &Value| event["resource"]["purposeOfEvent"][0]["coding"][0]["code"] == "TREAT";
            ensure!(events.iter().all(|event| who(event) && why(event)), "each says who and why: {bundle}");
        }
        self.told("/audit", &["Hospital B", "Why: treating you"]).await;
        self.picture("8-audit").await?;
        self.told("/timeline", &["Hospital A", "Hospital B", "asked for access"]).await;
        self.picture("9-timeline").await?;
        self.page.go("/network").await?;
        self.picture("10-network").await
    }

    /// Step 8.
    async fn who_was_away_catches_up(&mut self) -> anyhow::Result<()> {
        let old = self.house.patient.ready.clone();
        self.house.patient.stop().await?;
        ensure!(!self.house.patient.data.join("ready.json").exists(), "ready.json goes with the process");
        house::create(&self.house.at_a, observation(&self.at_a, "While the patient is away")).await?;
        self.house.patient.again_on(&old).await?;
        self.page.open(&self.house.patient.text("login")).await?;
        self.told("/timeline", &["While the patient is away"]).await;
        self.house.b.stop().await?;
        self.house.patient.stop().await?;
        let fhir = &self.house.at_a;
        house::create(fhir, observation(&self.at_a, "While everybody is away")).await?;
        appears(fhir, &self.at_a, "While everybody is away").await;
        found(fhir, &format!("Patient/{}", self.at_a)).await.map(drop)
    }
}

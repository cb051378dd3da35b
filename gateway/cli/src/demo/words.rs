//! What the demo prints: where everything is, and the eight steps as lines to paste. Called by `demo`.

use super::children::Child;
use super::sample::Patients;
use crate::common::say;
use std::path::Path;

/// Prints it all.
pub(super) fn print(
    data: &Path,
    a: &Child,
    b: &Child,
    patient: &Child,
    tokens: &[String; 2],
    patients: &Patients,
) -> anyhow::Result<()> {
    let (at_a, at_b) = (&patients.ids[0], &patients.ids[2]);
    let (base_a, base_b) = (a.fhir(), b.fhir());
    let family = &patients.family;
    let text = format!(
        r#"
Chartwell is running. Its data is in {data}

  hospital A      {base_a}
  hospital B      {base_b}
  patient's page  {login}
                  (this link opens the page once; a fresh one is always in {ready})

Tokens for the lines below (paste both):
  A='{token_a}'
  B='{token_b}'

1. Hospital A knows its patients:
  curl -s -H "Authorization: Bearer $A" '{base_a}/Patient?family={family}'
  curl -s -H "Authorization: Bearer $A" '{base_a}/Observation?patient={at_a}&code=8302-2'

2. A hands the record to the patient. Paste the code of the answer into the patient's page:
  curl -s -H "Authorization: Bearer $A" -X POST '{base_a}/Patient/{at_a}/$invite'
   The page and the Task of the answer show six digits. Compare, press confirm on the page, then:
  curl -s -H "Authorization: Bearer $A" -H 'Content-Type: application/fhir+json' -X POST '{base_a}/Task/TASK/$confirm' -d '{{"resourceType":"Parameters","parameter":[{{"name":"digits","valueString":"DIGITS"}}]}}'

3. Hospital B asks for access to the record of its own patient {at_b}. ADDRESS stands on the patient's page:
  curl -s -H "Authorization: Bearer $B" -H 'Content-Type: application/fhir+json' -X POST '{base_b}/Patient/{at_b}/$request-access' -d '{{"resourceType":"Parameters","parameter":[{{"name":"address","valueString":"ADDRESS"}},{{"name":"scope","valueString":"patient/Observation.rs patient/Condition.rs"}},{{"name":"purpose","valueCode":"TREAT"}},{{"name":"reason","valueString":"Follow-up visit"}}]}}'
   Approve it on the page, for Observation alone.

4. B finds what A wrote, as far as the patient lets it:
  curl -s -H "Authorization: Bearer $B" '{base_b}/Observation?patient={at_b}&_include=Observation:performer'
  curl -s -H "Authorization: Bearer $B" '{base_b}/Condition?patient={at_b}'
  curl -s -H "Authorization: Bearer $B" '{base_b}/Consent?patient={at_b}'

5. B writes; it is always taken, and stays at B until the patient lets B write into the record:
  curl -s -H "Authorization: Bearer $B" -H 'Content-Type: application/fhir+json' -X POST '{base_b}/Observation' -d '{{"resourceType":"Observation","status":"final","code":{{"text":"Seen at hospital B"}},"subject":{{"reference":"Patient/{at_b}"}}}}'

6. Take access back on the page, and search again at B.

7. Who did what stands on the page; at the hospitals:
  curl -s -H "Authorization: Bearer $A" '{base_a}/AuditEvent?_count=10'

8. Stop and start each of the three (a stopped one catches up by itself):
  kill {pid_a}
  {line_a}
  kill {pid_b}
  {line_b}
  kill {pid_p}
  {line_p}

Ctrl-C ends everything.
"#,
        data = data.display(),
        ready = data.join("ready.json").display(),
        login = patient.login(),
        token_a = tokens[0],
        token_b = tokens[1],
        pid_a = a.pid(),
        pid_b = b.pid(),
        pid_p = patient.pid(),
        line_a = a.line(),
        line_b = b.line(),
        line_p = patient.line(),
    );
    say(&text)
}

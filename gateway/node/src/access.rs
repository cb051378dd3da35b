//! Audit: an `AuditEvent` row per interaction, and signed `access` ops in the touched records: the first within
//! seconds, then coalesced. Both leave the request's way and are written in groups. Called by `server`.

pub(crate) mod chain;
pub(crate) mod events;
mod patients;

use crate::author::current_key;
use crate::caller::Caller;
use crate::error::NodeError;
use crate::node::{Inner, Node, Role};
use crate::read::Served;
use fhir::ResourceType;
use patients::Patients;
use record::body::Body;
use record::body::access::{Access, Agent, LINES_MAX, Line};
use record::draft::DraftFrame;
use record::state::Standing;
use record::{Authority, Kind, RecordId};
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Weak};
use std::time::Duration;
use store::audit::AuditRow;
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

/// Events that may wait to be written; a further request waits for room, so that none goes unrecorded.
const EVENTS_WAITING_MAX: usize = 16_384;
/// Most events taken at once, and most rows of one transaction.
const ROWS_MAX: usize = 2_000;
/// How long rows gather.
const GATHER: Duration = Duration::from_millis(250);
/// How long the first read of a record waits to be signed.
const FIRST: Duration = Duration::from_secs(1);
/// How long further reads of the same record, client and purpose gather.
const COALESCE: Duration = Duration::from_secs(30);

/// Most devices of a patient's that one access op is sealed to; the root's word names no more (rule 4.11).
const DEVICES_MAX: usize = 64;

/// One interaction, as the HTTP side saw it.
pub struct Event<'a> {
    /// Who; none where no token was good.
    pub caller: Option<&'a Caller>,
    /// `read`, `vread`, `search`, `history`, `create`, `update`, `delete`, `transaction`, `batch`, `operation`.
    pub interaction: &'static str,
    /// The type asked for.
    pub kind: Option<ResourceType>,
    /// The id asked for; empty for none.
    pub id: &'a str,
    /// The query that ran; empty for none.
    pub query: &'a str,
    /// HTTP status.
    pub status: u16,
    /// The request's id.
    pub request: &'a str,
    /// The Patient it was about, where a write knows it; empty for none.
    pub patient: &'a str,
    /// What was shown.
    pub read: &'a [&'a Served],
}

/// What one event shows of one record: the record and, by type, how many resources.
type Touched = Vec<(RecordId, Vec<(String, u64)>)>;

pub(crate) enum Told {
    Event(Box<AuditRow>, Agent, Touched),
    Flush(oneshot::Sender<()>),
}

/// Where events wait.
pub(crate) struct Auditor(mpsc::Sender<Told>);

impl Auditor {
    pub(crate) fn new() -> (Self, mpsc::Receiver<Told>) {
        let (sender, events) = mpsc::channel(EVENTS_WAITING_MAX);
        (Self(sender), events)
    }

    /// Waits until everything told so far is written.
    pub(crate) async fn flush(&self) {
        let (done, written) = oneshot::channel();
        if self.0.send(Told::Flush(done)).await.is_ok() {
            drop(written.await);
        }
    }
}

impl Node {
    /// Waits until every interaction that was recorded so far is written, and every read signed.
    pub async fn audit_written(&self) {
        self.auditor.flush().await;
    }

    /// Records an interaction.
    pub async fn audit(&self, event: Event<'_>) {
        let agent = event.caller.map(Caller::agent).unwrap_or(Agent {
            who: String::new(),
            client: String::new(),
            purpose: String::new(),
        });
        let patient = match (event.kind, event.read) {
            (Some(kind), _) if kind.name() == "Patient" && !event.id.is_empty() => event.id,
            _ => event.patient,
        };
        let row = AuditRow {
            position: 0,
            recorded: crate::clock::now_us(),
            who: agent.who.clone(),
            client: agent.client.clone(),
            purpose: agent.purpose.clone(),
            interaction: event.interaction.to_owned(),
            resource_type: event.kind.map_or("", ResourceType::name).to_owned(),
            resource_id: event.id.chars().take(64).collect(),
            patient: patient.to_owned(),
            query: event.query.chars().take(4096).collect(),
            outcome: event.status,
            request: event.request.to_owned(),
            seal: Vec::new(),
        };
        let mut touched = HashMap::<RecordId, BTreeMap<&str, u64>>::new();
        for served in event.read {
            *touched.entry(served.record).or_default().entry(served.kind.name()).or_default() += 1;
        }
        let touched = touched
            .into_iter()
            .map(|(record, kinds)| (record, kinds.into_iter().map(|(kind, count)| (kind.to_owned(), count)).collect()));
        drop(self.auditor.0.send(Told::Event(Box::new(row), agent, touched.collect())).await);
    }
}

#[derive(Default)]
struct Gathered {
    lines: BTreeMap<(String, String), u64>,
    from_ms: u64,
    to_ms: u64,
    due: Option<Instant>,
    signed: Option<Instant>,
}

/// Writes events until the node is gone.
pub(crate) async fn run(node: Weak<Inner>, mut events: mpsc::Receiver<Told>) {
    let mut reads = HashMap::<(RecordId, Agent), Gathered>::new();
    let (mut told, mut rows, mut patients) = (Vec::new(), Vec::new(), Patients::default());
    loop {
        let Some(node) = gather_events(&node, &mut events, &mut told).await else { return };
        let mut flushes = Vec::new();
        for one in told.drain(..) {
            match one {
                Told::Event(row, agent, touched) => {
                    let of_each = patients.rows(&node, *row, &touched).await;
                    if let Some(row) = of_each.first() {
                        gather(&node, &mut reads, row, &agent, touched);
                    }
                    rows.extend(of_each);
                }
                Told::Flush(done) => flushes.push(done),
            }
        }
        if !rows.is_empty() {
            write_rows(&node, &mut rows).await;
        }
        sign_due(&node, &mut reads, !flushes.is_empty()).await;
        for done in flushes {
            // Whoever waited may be gone.
            done.send(()).ok();
        }
    }
}

/// Waits for events and lets more come for a moment, so that many share a transaction; at the latest after [`GATHER`] it
/// returns, also without any, since signed reads may be due. `None` ends the worker.
async fn gather_events(node: &Weak<Inner>, events: &mut mpsc::Receiver<Told>, told: &mut Vec<Told>) -> Option<Node> {
    let until = Instant::now() + GATHER;
    let is_flush = |one: &Told| matches!(one, Told::Flush(_));
    while told.len() < ROWS_MAX && !told.last().is_some_and(is_flush) {
        let before = told.len();
        match tokio::time::timeout_at(until, events.recv_many(told, ROWS_MAX - before)).await {
            Ok(0) => return None,
            Ok(_) if told[before..].iter().any(is_flush) => break,
            Ok(_) => {}
            Err(_) => break,
        }
    }
    node.upgrade().map(Node)
}

fn gather(
    node: &Node,
    reads: &mut HashMap<(RecordId, Agent), Gathered>,
    row: &AuditRow,
    agent: &Agent,
    touched: Touched,
) {
    // Operations and Bundles show what reads and searches do; a change is signed by itself.
    let changes = matches!(row.interaction.as_str(), "create" | "update" | "patch" | "delete");
    if node.role != Role::Gateway || changes {
        return;
    }
    let (now, house) = (row.recorded as u64 / 1000, node.house().ok());
    for (record, kinds) in touched {
        if Some(record) == house || record.0 == [0; 32] {
            continue;
        }
        let gathered = reads.entry((record, agent.clone())).or_default();
        if gathered.due.is_none() {
            let recently = gathered.signed.is_some_and(|at| at.elapsed() < COALESCE);
            let wait = match crate::purpose::with_reason(&agent.purpose).0 {
                // The patient is told at once.
                code if crate::purpose::is_emergency(code) => Duration::ZERO,
                _ if recently => COALESCE,
                _ => FIRST,
            };
            gathered.due = Some(Instant::now() + wait);
            gathered.from_ms = now;
        }
        gathered.to_ms = now;
        for (kind, count) in kinds {
            *gathered.lines.entry((row.interaction.clone(), kind)).or_default() += count;
        }
    }
}

/// Writes rows; those that cannot be written now stay for the next round, up to what may wait.
async fn write_rows(node: &Node, rows: &mut Vec<AuditRow>) {
    // One look at a page may be of a thousand Patients: its rows share several transactions.
    while !rows.is_empty() {
        let later = rows.split_off(rows.len().min(ROWS_MAX));
        let written = write_some(node, rows).await;
        rows.extend(later);
        if !written {
            let over = rows.len().saturating_sub(EVENTS_WAITING_MAX);
            rows.drain(..over);
            if over > 0 {
                tracing::error!(lost = over, "audit rows were lost: too many wait to be written");
            }
            return;
        }
    }
}

/// Writes rows in one transaction, or keeps them.
async fn write_some(node: &Node, rows: &mut Vec<AuditRow>) -> bool {
    let now = Arc::new(std::mem::take(rows));
    let shared = now.clone();
    let result = node
        .commit(move |batch| {
            let rows = shared.clone();
            Box::pin(async move {
                batch.add_audit(rows)?;
                Ok(())
            })
        })
        .await;
    match result {
        Ok(()) => true,
        Err(error) => {
            *rows = Arc::unwrap_or_clone(now);
            tracing::error!(%error, waiting = rows.len(), "audit rows could not be written yet");
            false
        }
    }
}

async fn sign_due(node: &Node, reads: &mut HashMap<(RecordId, Agent), Gathered>, all: bool) {
    let now = Instant::now();
    let due = reads.iter().filter(|(_, gathered)| gathered.due.is_some_and(|due| all || due <= now));
    let due = due.map(|(key, _)| key.clone()).collect::<Vec<_>>();
    for key in due {
        let Some(gathered) = reads.get_mut(&key) else { continue };
        let lines = gathered.lines.iter().take(LINES_MAX);
        let lines = lines.map(|((interaction, resource_type), count)| Line {
            interaction: interaction.clone(),
            resource_type: resource_type.clone(),
            count: *count,
        });
        let access =
            Access { agent: key.1.clone(), from_ms: gathered.from_ms, to_ms: gathered.to_ms, lines: lines.collect() };
        match node.sign_access(key.0, access).await {
            Ok(()) => {
                gathered.lines.clear();
                (gathered.due, gathered.signed) = (None, Some(now));
            }
            Err(error) => {
                gathered.due = Some(now + FIRST);
                tracing::warn!(record = %key.0, %error, "reads could not be signed into the record yet");
            }
        }
    }
    reads.retain(|_, gathered| gathered.due.is_some() || gathered.signed.is_some_and(|at| at.elapsed() < COALESCE));
}

impl Node {
    /// Signs reads into a record: sealed for the patient's devices, or whoever keeps the record, and for this identity alone.
    async fn sign_access(&self, record: RecordId, access: Access) -> Result<(), NodeError> {
        self.commit(move |batch| {
            let access = access.clone();
            Box::pin(async move {
                let Some(context) = batch.context(&record).await? else { return Ok(()) };
                let me = batch.node.identity.card().clone();
                let Some(authority_card) = context.state.authority().cloned() else { return Ok(()) };
                let authority = if authority_card.id() == me.id() {
                    Authority::Genesis
                } else {
                    // The latest grant, also one that has just ended: the read happened while it was open.
                    let given = context.state.grants().filter(|given| given.grant.to.id() == me.id());
                    let live = given.max_by_key(|given| (given.revoked_by.is_none(), given.given_ms));
                    let Some(given) = live else { return Ok(()) };
                    Authority::Grant(given.id)
                };
                let body = Body::Access(access);
                let mut frames = Vec::new();
                if authority_card.id() == me.id() {
                    let level = record::keys::Level::Control;
                    let Some((key_name, key)) = current_key(&context, &level) else { return Ok(()) };
                    frames.push(DraftFrame::Body { body, key_name, key: Some(key) });
                } else {
                    let devices = context.state.devices().into_iter().filter(|device| device.standing == Standing::In);
                    let mut readers = devices.map(|device| device.card.clone()).take(DEVICES_MAX).collect::<Vec<_>>();
                    if readers.is_empty() {
                        readers.push(authority_card);
                    }
                    readers.push(me);
                    let seal = |to| DraftFrame::SealedBody { body: body.clone(), to };
                    frames.extend(readers.into_iter().map(seal));
                }
                batch.author(&context, Kind::Access, authority, frames).await?;
                Ok(())
            })
        })
        .await
    }
}

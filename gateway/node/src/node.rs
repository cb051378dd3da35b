//! A node: its identity, its database, its caches and its workers. Opened once per process. Called by `cli`.

use crate::access::Auditor;
use crate::batch::Left;
use crate::commit::Committer;
use crate::context::Contexts;
use crate::identity_file::{IdentityFileError, Kept, Owner, Passphrase, load_or_create};
use crate::lookup::Lookups;
use crate::parameters::Parameters;
use fhir::validate::Mode;
use record::header::FORMAT_REVISION;
use record::{Card, Identity, OpId, RecordId};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};
use std::time::Duration;
use store::db::Reader;
use store::{Store, StoreError, Tx};
use tokio::sync::watch;

/// What a node is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// A hospital's gateway: has a house record, opens custodial records.
    Gateway,
    /// A patient's node: holds its own records, answers requests.
    Patient,
}

/// Where a node's identity comes from.
#[derive(Clone, Debug)]
pub enum IdentitySource {
    /// Its file, made where there is none; several processes of one hospital share one.
    File(PathBuf),
    /// Memory alone, and nothing of it is written anywhere: the root that somebody's phrase stands for.
    Given(Arc<Identity>),
}

impl From<PathBuf> for IdentitySource {
    fn from(path: PathBuf) -> Self {
        Self::File(path)
    }
}

/// How a node is opened.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where it keeps its files.
    pub data: PathBuf,
    /// `postgres://...` or `sqlite://FILE`.
    pub database_url: String,
    /// Who it is.
    pub identity: IdentitySource,
    /// What opens the identity's file where it is sealed, and seals a new one.
    pub passphrase: Option<Passphrase>,
    /// What it calls itself towards others.
    pub name: String,
    /// What it is for.
    pub role: Role,
    /// What happens to resources that break rules.
    pub validation: Mode,
}

/// Why a node does not open.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The identity's file.
    #[error(transparent)]
    Identity(#[from] IdentityFileError),
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The database is another's.
    #[error("this database belongs to identity {found}, not to {expected}: give the identity file it was made with")]
    Owner {
        /// Whose it is.
        found: String,
        /// Who asked.
        expected: String,
    },
    /// The database's ops do not read.
    #[error(
        "this database holds records in a form from before the format was settled, which this build does not read: nothing was \
         changed; run the build that wrote it, or begin with an empty database"
    )]
    Format,
    /// The first op could not be written.
    #[error("the house record could not be opened: {0}")]
    House(crate::NodeError),
    /// The index could not be filled in the form of this build.
    #[error("the index could not be rebuilt: {0}")]
    Index(crate::NodeError),
    /// The records could not be told of the identity's new key.
    #[error("the records could not be told of the identity's new key: {0}")]
    Key(crate::NodeError),
    /// The records of a patient could not be looked through.
    #[error("the patient's records could not be looked through: {0}")]
    Roots(crate::NodeError),
    /// The data folder.
    #[error("the data folder cannot be made: {0}")]
    Folder(std::io::Error),
}

/// A node; cloning shares it.
#[derive(Clone)]
pub struct Node(pub(crate) Arc<Inner>);

/// What the clones of a node share.
pub struct Inner {
    pub(crate) identity: Arc<Identity>,
    /// The root that the identity's statement announces, where a phrase was drawn with it.
    pub(crate) root: Option<Card>,
    /// The identity's file and what opens it; none where the identity is in memory alone.
    pub(crate) identity_file: Option<(PathBuf, Option<Passphrase>)>,
    /// The words of the phrase are still in that file.
    pub(crate) has_words: AtomicBool,
    pub(crate) name: String,
    pub(crate) role: Role,
    /// How writes are held against the rules of FHIR.
    pub(crate) validation: Mode,
    /// One conditional deletion may take several resources.
    pub(crate) multiple_deletes: AtomicBool,
    /// Something of this node's own is covered by another's edit.
    pub(crate) covered: AtomicBool,
    pub(crate) data: PathBuf,
    pub(crate) store: Store,
    pub(crate) storage_key: [u8; 32],
    /// This process's lanes: drawn afresh at each start, and whenever the database has fallen behind, so that neither a
    /// restored backup nor a failover forks.
    pub(crate) instance: AtomicU64,
    pub(crate) house: OnceLock<RecordId>,
    pub(crate) contexts: Contexts,
    pub(crate) committer: Committer,
    /// Where this process's last transaction ended, and what it knew.
    pub(crate) left: Mutex<Option<Left>>,
    /// The last op this process signed and saw committed.
    pub(crate) signed: Mutex<Option<OpId>>,
    /// For whom this node opened records as a witness.
    pub(crate) opened: crate::witness::Opened,
    pub(crate) auditor: Auditor,
    pub(crate) lookups: Lookups,
    pub(crate) marks: crate::clients::Marks,
    /// Stored search parameters as this process knows them.
    pub(crate) parameters: Parameters,
    /// The plan that a test wants its searches to have.
    pub(crate) plan: Mutex<Option<store::search::Plan>>,
    pub(crate) net: OnceLock<net::Handle>,
    /// Where others have told what they know since this process began.
    pub(crate) heard: crate::handover::Heard,
    /// Records in which this process could not cite all that was new.
    pub(crate) cut: crate::author::Cut,
    pub(crate) changed: watch::Sender<u64>,
    /// What this hospital's own absolute URLs begin with, such as `https://fhir.example.org/fhir`.
    base: OnceLock<String>,
    /// What is sensitive by its codes; nothing where the operator named nothing.
    pub(crate) sensitive: OnceLock<fhir::sensitive::Sensitive>,
    /// The same as the process before had it, for commands that serve nothing.
    base_before: OnceLock<String>,
}

impl std::ops::Deref for Node {
    type Target = Inner;
    fn deref(&self) -> &Inner {
        &self.0
    }
}

impl Node {
    /// Opens a node: loads or makes its identity, opens and migrates its database, starts its workers.
    ///
    /// # Errors
    /// [`OpenError`]; nothing is left half made.
    pub async fn open(config: Config) -> Result<Self, OpenError> {
        std::fs::create_dir_all(&config.data).map_err(OpenError::Folder)?;
        let owner = if config.role == Role::Patient { Owner::Patient } else { Owner::Hospital };
        let (identity, root, has_words, identity_file) = match config.identity {
            IdentitySource::File(path) => {
                let Kept { identity, root, has_words } = load_or_create(&path, config.passphrase.as_ref(), owner)?;
                (Arc::new(identity), root, has_words, Some((path, config.passphrase)))
            }
            IdentitySource::Given(identity) => (identity, None, false, None),
        };
        let store = Store::open(&config.database_url).await?;
        check_owner(&store, &identity).await?;
        check_format(&store).await?;
        let (committer, jobs) = Committer::new();
        let (auditor, events) = Auditor::new();
        let (lookups, asked) = Lookups::new();
        let node = Self(Arc::new(Inner {
            storage_key: identity.storage_key("keys"),
            identity,
            root,
            identity_file,
            has_words: AtomicBool::new(has_words),
            name: config.name,
            role: config.role,
            validation: config.validation,
            multiple_deletes: AtomicBool::new(false),
            covered: AtomicBool::new(true),
            data: config.data,
            instance: AtomicU64::new(fresh_instance()),
            house: OnceLock::new(),
            contexts: Contexts::default(),
            committer,
            left: Mutex::default(),
            signed: Mutex::default(),
            opened: crate::witness::Opened::default(),
            auditor,
            lookups,
            marks: crate::clients::Marks::default(),
            parameters: Parameters::default(),
            plan: Mutex::default(),
            net: OnceLock::new(),
            heard: crate::handover::Heard::default(),
            cut: crate::author::Cut::default(),
            changed: watch::channel(0).0,
            base: OnceLock::new(),
            sensitive: OnceLock::new(),
            base_before: OnceLock::new(),
            store,
        }));
        tokio::spawn(crate::commit::run(Arc::downgrade(&node.0), jobs));
        tokio::spawn(crate::access::run(Arc::downgrade(&node.0), events));
        crate::lookup::start(&Arc::downgrade(&node.0), asked);
        tokio::spawn(keep_statistics(Arc::downgrade(&node.0)));
        tokio::spawn(crate::sweep::run(Arc::downgrade(&node.0)));
        tokio::spawn(crate::covered::run(Arc::downgrade(&node.0)));
        node.load_registry().await.map_err(OpenError::Index)?;
        node.note_index().await.map_err(OpenError::Index)?;
        if node.role == Role::Gateway {
            node.open_house().await.map_err(OpenError::House)?;
        }
        if let Some(base) = node.store.meta(BASE).await? {
            node.base_before.set(String::from_utf8_lossy(&base).into_owned()).ok();
        }
        node.renew_index().await.map_err(OpenError::Index)?;
        tokio::spawn(crate::parameters::run(Arc::downgrade(&node.0)));
        tokio::spawn(crate::grants::take_back::run(Arc::downgrade(&node.0)));
        node.announce_key().await.map_err(OpenError::Key)?;
        node.announce_roots().await.map_err(OpenError::Roots)?;
        Ok(node)
    }

    /// This node's identity.
    pub fn identity(&self) -> &Identity {
        &self.0.identity
    }

    /// What it calls itself.
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// `postgres` or `sqlite`.
    pub fn database_kind(&self) -> &'static str {
        self.0.store.kind()
    }

    /// What happens to resources that break rules.
    pub fn validation(&self) -> Mode {
        self.0.validation
    }

    /// Gives the database's planner its statistics now, as its own maintenance does within minutes of a load.
    ///
    /// # Errors
    /// [`crate::NodeError::Store`].
    pub async fn refresh_statistics(&self) -> Result<(), crate::NodeError> {
        Ok(self.0.store.refresh_statistics().await?)
    }

    /// How many resources are current here, of all types.
    ///
    /// # Errors
    /// [`crate::NodeError::Store`].
    pub async fn versions_current(&self) -> Result<i64, crate::NodeError> {
        Ok(self.0.store.current_count().await?)
    }

    /// Whether the database answers.
    ///
    /// # Errors
    /// [`crate::NodeError::Store`].
    pub async fn ping(&self) -> Result<(), crate::NodeError> {
        Ok(self.0.store.ping().await?)
    }

    /// Says what this hospital's own absolute URLs begin with, `/fhir` included: references that begin so are references
    /// to what is here. Once, before anything is served.
    pub fn set_base(&self, base: &str) {
        self.base.set(base.to_owned()).ok();
    }

    /// Says which codes make a resource sensitive, once, before anything is written. What was written before keeps its class
    /// until it is written again.
    pub fn set_sensitive(&self, sensitive: fhir::sensitive::Sensitive) {
        self.sensitive.set(sensitive).ok();
    }

    /// Keeps what [`Node::set_base`] said, for `reindex` and `verify`.
    ///
    /// # Errors
    /// [`crate::NodeError::Store`].
    pub async fn keep_base(&self) -> Result<(), crate::NodeError> {
        let Some(base) = self.base.get() else { return Ok(()) };
        let mut tx = self.store.begin().await?;
        tx.put_meta(BASE, base.as_bytes()).await?;
        Ok(tx.commit().await?)
    }

    /// What this hospital's own absolute URLs begin with; empty where nobody said.
    pub(crate) fn base(&self) -> &str {
        self.base.get().or_else(|| self.base_before.get()).map_or("", String::as_str)
    }

    /// Changes whenever something was written or received here.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.0.changed.subscribe()
    }

    /// Writes what is waiting and closes the database.
    pub async fn close(&self) {
        self.0.auditor.flush().await;
        if let Some(net) = self.0.net.get() {
            net.clone().shutdown().await;
        }
        self.0.store.close().await;
    }

    /// The number of this process's audit and change lanes.
    pub(crate) fn instance(&self) -> u64 {
        self.0.instance.load(Ordering::Relaxed)
    }

    /// Opens new lanes and forgets what was remembered of records: the database may lack what this process signed.
    pub(crate) fn begin_anew(&self) {
        self.0.instance.store(fresh_instance(), Ordering::Relaxed);
        self.0.contexts.clear();
        self.0.heard.begin();
    }

    /// Looks whether the database still has what this process signed last; where it has not, after a failover, the process
    /// goes on in new lanes and takes its ops back from peers.
    ///
    /// A database falls back to a beginning of its log: losing any op of this process loses the last one.
    pub(crate) async fn look_behind(&self, tx: &mut Tx) -> Result<(), StoreError> {
        let signed = *self.0.signed.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(op) = signed else { return Ok(()) };
        if !Reader::from(tx).lamports(&[op]).await?.is_empty() {
            return Ok(());
        }
        tracing::warn!(%op, "the database is behind what this process signed: it goes on in new lanes");
        self.begin_anew();
        *self.0.signed.lock().unwrap_or_else(PoisonError::into_inner) = None;
        Ok(())
    }

    pub(crate) fn house(&self) -> Result<RecordId, crate::NodeError> {
        self.0.house.get().copied().ok_or(crate::NodeError::Internal("a patient's node has no house record"))
    }
}

fn fresh_instance() -> u64 {
    u64::from_le_bytes(crate::clock::random()) >> 1
}

async fn check_owner(store: &Store, identity: &Identity) -> Result<(), OpenError> {
    let mut tx = store.begin().await?;
    let owner = tx.set_meta("identity", identity.id().bytes()).await?;
    if owner != identity.id().bytes() {
        let found = record::IdentityId::from_slice(&owner).map_or_else(String::new, |id| id.to_string());
        return Err(OpenError::Owner { found, expected: identity.id().to_string() });
    }
    tx.commit().await?;
    Ok(())
}

/// Refuses a database whose ops were signed in a form that this build does not read.
async fn check_format(store: &Store) -> Result<(), OpenError> {
    const FORMAT: &str = "record-format";
    let this = FORMAT_REVISION.to_le_bytes();
    let found = match store.position().await? {
        0 => {
            let mut tx = store.begin().await?;
            let found = tx.set_meta(FORMAT, &this).await?;
            tx.commit().await?;
            Some(found)
        }
        _ => store.meta(FORMAT).await?,
    };
    if found.as_deref() == Some(&this[..]) { Ok(()) } else { Err(OpenError::Format) }
}

/// The fact under which the base of own URLs is kept.
const BASE: &str = "base-url";

/// How often SQLite's planner learns how much there is; Postgres does so by itself.
const STATISTICS_EVERY: Duration = Duration::from_secs(600);

async fn keep_statistics(node: Weak<Inner>) {
    loop {
        tokio::time::sleep(STATISTICS_EVERY).await;
        let Some(node) = node.upgrade() else { return };
        if node.store.kind() == "sqlite"
            && let Err(error) = node.store.refresh_statistics().await
        {
            tracing::warn!(%error, "statistics could not be refreshed; the next round tries again");
        }
    }
}

//! What can be known of a write before its transaction opens: class, subject, references, index rows, compressed
//! content. Rows are computed here because a large Bundle takes milliseconds to walk, and the log's clock stays locked
//! for as long as a transaction is open. Called by `write`.

use crate::error::NodeError;
use crate::index;
use crate::node::Node;
use fhir::home::Main;
use fhir::reference::Parts;
use fhir::{Issue, Parsed, ResourceType};
use record::entry::FRAME_BYTES_MAX;
use record::frame::{CONTENT_BYTES_MAX, Content, Method, Packer};
use record::{Class, IdentityId, RecordId};
use store::versions::IndexRow;

/// What sealing adds to a frame.
const SEAL_BYTES: usize = 16;

/// How a resource is named where it comes from, and the record it stands in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Foreign {
    pub(crate) origin: IdentityId,
    /// Its id there.
    pub(crate) id: String,
    pub(crate) record: RecordId,
}

/// A resource ready for its transaction.
#[derive(Clone, Debug)]
pub(crate) struct Prepared {
    pub(crate) kind: ResourceType,
    /// The id it is served under.
    pub(crate) id: String,
    /// Whose it is, where it is not this node's.
    pub(crate) foreign: Option<Foreign>,
    pub(crate) method: Method,
    pub(crate) json: Vec<u8>,
    /// Compressed frame content.
    pub(crate) packed: Vec<u8>,
    pub(crate) class: Class,
    pub(crate) main: Main,
    /// Local resources it names.
    pub(crate) references: Vec<(ResourceType, String)>,
    pub(crate) index: Vec<IndexRow>,
    /// The number of the registry that `index` was made under.
    pub(crate) registry: i64,
    /// What validation found in it, though it was taken.
    pub(crate) issues: Vec<Issue>,
}

impl Prepared {
    /// Prepares a put of `resource` under `id`.
    ///
    /// # Errors
    /// [`NodeError::TooLarge`] for what no frame holds.
    pub(crate) fn put(
        node: &Node,
        resource: &Parsed,
        id: &str,
        method: Method,
        packer: &mut Packer,
    ) -> Result<Self, NodeError> {
        let (kind, doc, registry) = (resource.kind(), resource.doc(), node.registry());
        let references =
            fhir::reference::sites(doc).into_iter().filter_map(|site| match fhir::reference::parse(&site.text) {
                Parts::Relative { kind, id, .. } => Some((kind, id.to_owned())),
                _ => None,
            });
        let json = resource.bytes().to_vec();
        let content = content(node.identity.id(), kind, id, method, 0, json.clone()).encode();
        let packed = packer.pack(&content);
        if content.len() > CONTENT_BYTES_MAX || packed.len() + SEAL_BYTES > FRAME_BYTES_MAX {
            let text =
                format!("a {} has more than the {CONTENT_BYTES_MAX} bytes that one resource may have", kind.name());
            return Err(NodeError::TooLarge(text));
        }
        Ok(Self {
            kind,
            id: id.to_owned(),
            foreign: None,
            method,
            packed,
            json,
            class: node.class_of(doc, kind),
            main: fhir::home::main(doc, kind),
            references: references.collect(),
            index: index::rows(doc, kind, node.base(), &registry),
            registry: registry.drawn,
            issues: Vec::new(),
        })
    }

    /// Prepares a deletion.
    pub(crate) fn delete(origin: IdentityId, kind: ResourceType, id: &str, packer: &mut Packer) -> Self {
        Self::end(origin, kind, id, Method::Delete, Class::NORMAL, packer)
    }

    /// Prepares the removal of a resource from a record or class that it leaves for another.
    pub(crate) fn moved(origin: IdentityId, kind: ResourceType, id: &str, class: Class) -> Self {
        Self::end(origin, kind, id, Method::Moved, class, &mut Packer::default())
    }

    fn end(
        origin: IdentityId,
        kind: ResourceType,
        id: &str,
        method: Method,
        class: Class,
        packer: &mut Packer,
    ) -> Self {
        Self {
            kind,
            id: id.to_owned(),
            foreign: None,
            method,
            json: Vec::new(),
            packed: packer.pack(&content(origin, kind, id, method, 0, Vec::new()).encode()),
            class,
            main: Main::None,
            references: Vec::new(),
            index: Vec::new(),
            registry: 0,
            issues: Vec::new(),
        }
    }
}

/// The content of a resource frame.
pub(crate) fn content(
    origin: IdentityId,
    kind: ResourceType,
    id: &str,
    method: Method,
    house_seq: u64,
    json: Vec<u8>,
) -> Content {
    Content { resource_type: kind.name().to_owned(), origin, id: id.to_owned(), method, house_seq, json }
}

impl Node {
    /// The confidentiality class of a resource, as the record numbers it: by its labels, and by what this hospital holds to be
    /// sensitive.
    pub(crate) fn class_of(&self, doc: &fhir::json::Doc, kind: ResourceType) -> Class {
        let class = match self.sensitive.get() {
            Some(sensitive) => sensitive.class_of(doc, kind),
            None => fhir::class::of(doc, kind),
        };
        Class(class.number())
    }
}

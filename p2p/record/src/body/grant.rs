//! `grant`: lets identities in, each with a SMART scope, classes, a purpose and a time. Called by `body`,
//! `claim` and `state`; built by `node`.

use super::TEXT_BYTES_MAX;
use crate::cbor::{CodecError, Reader, Writer, refuse};
use crate::entry::Class;
use crate::header::GrantId;
use crate::id::{IdentityId, OpId};
use crate::identity::{CARD_BYTES_MAX, Card};
use crate::scope::{SCOPE_BYTES_MAX, Scopes};

/// Most grants one op gives.
pub const GRANTS_MAX: usize = 64;
/// Most grants one grant replaces.
pub const REPLACES_MAX: usize = 64;

/// One grant (rule 4.3).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    /// To whom.
    pub to: Card,
    /// What its holder is called, for people.
    pub name: String,
    /// SMART v2 scopes.
    pub scope: String,
    /// Classes it reaches; sensitive ones only if named here.
    pub classes: Vec<Class>,
    /// Purpose of use (v3-PurposeOfUse code).
    pub purpose: String,
    /// Milliseconds since 1970.
    pub start_ms: u64,
    /// Milliseconds since 1970, zero for no end.
    pub end_ms: u64,
    /// Its holder may pass on what is within it.
    pub delegate: bool,
    /// Its holder may change what others wrote.
    pub shared: bool,
    /// Grants this one takes the place of.
    pub replaces: Vec<GrantId>,
    /// The holder's own Patient that is this record's subject: (origin, id).
    pub bound: Option<(IdentityId, String)>,
    /// The asker's name for its request; empty without one.
    pub request: String,
}

impl Grant {
    /// The scopes as parsed.
    pub fn scopes(&self) -> Scopes {
        Scopes::parse(&self.scope)
    }

    /// What the holder may read, as keys can say it: directory copies always.
    pub fn reads(&self) -> Vec<(Class, Option<String>)> {
        let types = self.scopes().read_types();
        let mut reads = vec![(Class::DIRECTORY, None)];
        for class in self.classes.iter().filter(|class| **class != Class::DIRECTORY) {
            reads.extend(types.iter().map(|kind| (*class, kind.clone())));
        }
        reads
    }

    /// What its scopes may write, by class, `None` for every type: of what they do not read too, its holder gets write keys.
    pub fn writes(&self) -> Vec<(Class, Option<String>)> {
        let types = self.scopes().write_types();
        let classes = self.classes.iter().filter(|class| **class != Class::DIRECTORY);
        classes.flat_map(|class| types.iter().map(|kind| (*class, kind.clone()))).collect()
    }

    /// As [`Grant::reads`], without what a scope's parameters narrow: those open nothing until they are evaluated.
    pub fn open_reads(&self) -> Vec<(Class, Option<String>)> {
        let mut whole = self.scopes();
        whole.known.retain(|scope| scope.parameters.is_none());
        Grant { scope: whole.to_string(), ..self.clone() }.reads()
    }

    fn write(&self, w: &mut Writer) {
        w.array(13).bytes(&self.to.encode()).text(&self.name).text(&self.scope);
        w.array(self.classes.len());
        for class in &self.classes {
            w.uint(u64::from(class.0));
        }
        w.text(&self.purpose).uint(self.start_ms).uint(self.end_ms);
        w.uint(u64::from(self.delegate)).uint(u64::from(self.shared));
        w.array(self.replaces.len());
        for id in &self.replaces {
            write_grant_id(w, id);
        }
        match &self.bound {
            None => w.bytes(&[]).text(""),
            Some((origin, id)) => w.bytes(origin.bytes()).text(id),
        };
        w.text(&self.request);
    }

    fn read(r: &mut Reader<'_>) -> Result<Self, CodecError> {
        r.array(13)?;
        let to = Card::decode(r.bytes(CARD_BYTES_MAX)?)?;
        let name = r.text(TEXT_BYTES_MAX)?.to_owned();
        let scope = r.text(SCOPE_BYTES_MAX)?.to_owned();
        let len = r.len(Class::NAMES.len())?;
        let mut classes = Vec::with_capacity(len);
        for _ in 0..len {
            match r.uint()? {
                class if class < Class::NAMES.len() as u64 => classes.push(Class(class as u8)),
                _ => return refuse("4.3", "an unknown class"),
            }
        }
        let purpose = r.text(64)?.to_owned();
        let (start_ms, end_ms) = (r.uint()?, r.uint()?);
        let (delegate, shared) = (read_flag(r)?, read_flag(r)?);
        let len = r.len(REPLACES_MAX)?;
        let replaces = (0..len).map(|_| read_grant_id(r)).collect::<Result<Vec<_>, _>>()?;
        let (origin, id) = (r.bytes(32)?, r.text(64)?.to_owned());
        let bound = match (origin, id.is_empty()) {
            ([], true) => None,
            (origin, false) => match IdentityId::from_slice(origin) {
                Some(origin) => Some((origin, id)),
                None => return refuse("4.3", "a bound Patient without an origin"),
            },
            _ => return refuse("4.3", "a bound Patient without an id"),
        };
        let request = r.text(TEXT_BYTES_MAX)?.to_owned();
        Ok(Self { to, name, scope, classes, purpose, start_ms, end_ms, delegate, shared, replaces, bound, request })
    }
}

pub(crate) fn write_grant_id(w: &mut Writer, id: &GrantId) {
    w.array(2).bytes(id.op.bytes()).uint(u64::from(id.index));
}

pub(crate) fn read_grant_id(r: &mut Reader<'_>) -> Result<GrantId, CodecError> {
    r.array(2)?;
    let op = OpId(r.exact()?);
    let index = u32::try_from(r.uint()?).or(refuse("4.3", "a grant index over its limit"))?;
    Ok(GrantId { op, index })
}

fn read_flag(r: &mut Reader<'_>) -> Result<bool, CodecError> {
    match r.uint()? {
        0 => Ok(false),
        1 => Ok(true),
        _ => refuse("4.3", "a flag that is neither 0 nor 1"),
    }
}

pub(crate) fn write_grants(w: &mut Writer, grants: &[Grant]) {
    w.array(grants.len());
    for grant in grants {
        grant.write(w);
    }
}

pub(crate) fn read_grants(r: &mut Reader<'_>) -> Result<Vec<Grant>, CodecError> {
    let len = r.len(GRANTS_MAX)?;
    (0..len).map(|_| Grant::read(r)).collect()
}

/// The body of a grant op.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grants {
    /// Named (op id, place).
    pub grants: Vec<Grant>,
}

impl Grants {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut w = Writer::new();
        w.array(1);
        write_grants(&mut w, &self.grants);
        w.finish()
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, CodecError> {
        let mut r = Reader::new(bytes, "4.3");
        r.array(1)?;
        let body = Self { grants: read_grants(&mut r)? };
        r.end(&body.encode())?;
        Ok(body)
    }
}

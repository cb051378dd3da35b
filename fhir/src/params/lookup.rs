//! The parameters that searches of one server may name: the official ones, and those that were stored there. Made by
//! `node`, which knows what is stored; asked by `query` for every name.

use super::{Param, ParamId, find, of};
use crate::index::custom::Custom;
use crate::types::ResourceType;
use std::collections::{BTreeMap, HashMap};

/// Official parameters and stored ones; by default the official ones alone.
#[derive(Debug, Default)]
pub struct Lookup {
    stored: HashMap<ResourceType, BTreeMap<String, Stored>>,
}

#[derive(Debug)]
enum Stored {
    /// With the canonical url of its definition.
    Searched(Param, String),
    /// Why not, as the end of a sentence.
    Unready(String),
}

impl Lookup {
    /// Adds a stored parameter whose values are all in the index, under the number that its entries carry.
    pub fn add(&mut self, id: ParamId, custom: &Custom) {
        for base in custom.bases() {
            let param = custom.param(id, *base);
            self.stored
                .entry(*base)
                .or_default()
                .insert(custom.code().to_owned(), Stored::Searched(param, custom.url().to_owned()));
        }
    }

    /// Adds a stored parameter that cannot be searched by, `why` being the end of a sentence. One of the same name that
    /// can be stays.
    pub fn add_unready(&mut self, base: ResourceType, code: &str, why: &str) {
        let of_base = self.stored.entry(base).or_default();
        of_base.entry(code.to_owned()).or_insert_with(|| Stored::Unready(why.to_owned()));
    }

    /// A type's parameter by its name, without modifier.
    ///
    /// # Errors
    /// Why a stored parameter cannot be searched by, as the end of a sentence.
    pub fn find(&self, kind: ResourceType, code: &str) -> Result<Option<Param>, &str> {
        if let Some(param) = find(kind, code) {
            return Ok(Some(param));
        }
        match self.stored.get(&kind).and_then(|of_kind| of_kind.get(code)) {
            Some(Stored::Searched(param, _)) => Ok(Some(*param)),
            Some(Stored::Unready(why)) => Err(why),
            None => Ok(None),
        }
    }

    /// A type's parameters: the official ones, those not supported included, then the stored ones that can be searched by.
    pub fn of(&self, kind: ResourceType) -> impl Iterator<Item = Param> + '_ {
        of(kind).chain(self.stored_of(kind).map(|(param, _)| param))
    }

    /// A type's stored parameters that can be searched by, sorted by name, each with the canonical url of its definition.
    pub fn stored_of(&self, kind: ResourceType) -> impl Iterator<Item = (Param, &str)> + '_ {
        let all = self.stored.get(&kind).into_iter().flat_map(BTreeMap::values);
        all.filter_map(|stored| match stored {
            Stored::Searched(param, url) => Some((*param, url.as_str())),
            Stored::Unready(_) => None,
        })
    }
}

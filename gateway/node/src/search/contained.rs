//! Searches for contained resources: what contains them is found, of whatever type the token may search, and shown whole or
//! by the contained resources that match. Called by `search`.
//! Spec: <https://hl7.org/fhir/R4/search.html#contained>.

use super::narrow::{is_named, order};
use crate::caller::Caller;
use crate::error::NodeError;
use crate::history::own_listed;
use crate::index::contained::{id_of, inside};
use crate::node::Node;
use crate::read::Served;
use fhir::query::{Contained as Asked, Query};
use fhir::{Code, Issue, ResourceType};
use record::scope::Interactions;
use store::db::Reader;
use store::search::{Contained, Filter, Search};
use store::versions::StoredVersion;

/// A contained resource of a type that all of these hold for; none where its rows cannot tell.
pub(super) fn of(kind: ResourceType, filters: &[Filter]) -> Option<Contained> {
    let filters = filters.iter().map(|filter| inside(kind, filter)).collect::<Option<Vec<_>>>()?;
    Some(Contained { kind: kind.number(), id: id_of(kind)?, filters })
}

/// The parts of a statement for contained resources.
struct Parts<'s> {
    contained: &'s Contained,
    /// What a match that is not contained fulfils, if those are asked for too.
    plain: Option<&'s Filter>,
}

impl Node {
    /// What the store is to find of a query for contained resources; `filters` are its conditions.
    pub(super) fn contained_statement(
        &self,
        caller: &Caller,
        query: &Query,
        filters: Vec<Filter>,
    ) -> Result<Search, NodeError> {
        let Some((kind, contained)) = query.kinds.first().and_then(|kind| Some((*kind, of(*kind, &filters)?))) else {
            let text = "search parameter _contained: contained resources are not searched by one of the parameters";
            return Err(NodeError::Invalid(Issue::error(Code::NotSupported, text).at("http._contained").into()));
        };
        let searched =
            |kind: &ResourceType| kind.name() != "AuditEvent" && caller.permit(*kind, Interactions::SEARCH).is_ok();
        let kinds = ResourceType::all().filter(searched).collect::<Vec<_>>();
        let own = kinds.iter().filter(|kind| own_listed(**kind)).map(|kind| kind.number());
        let own_of = Filter::OwnOf(own.collect());
        let kinds = kinds.iter().map(|kind| kind.number()).collect::<Vec<_>>();
        let within = Filter::Contained(contained);
        let filters = match query.contained {
            Asked::Both => {
                let mut plain = filters;
                if !is_named(&query.conditions) {
                    plain.push(own_of.clone());
                }
                let within = Filter::Of { kinds: kinds.clone(), filters: vec![within, own_of] };
                vec![Filter::Any(vec![within, Filter::Of { kinds: vec![kind.number()], filters: plain }])]
            }
            Asked::True | Asked::False => vec![within, own_of],
        };
        Ok(Search { order: order(query), ..self.search_of(caller, kinds, filters) })
    }

    /// The contained resources of a page that match, and beside them what matches itself.
    pub(super) async fn contained_matches(
        &self,
        search: &Search,
        rows: Vec<StoredVersion>,
    ) -> Result<Vec<Served>, NodeError> {
        let parts = parts(search).ok_or(NodeError::Internal("a search for contained resources without them"))?;
        let positions = rows.iter().map(|row| row.position).collect::<Vec<_>>();
        let mut reader = Reader::from(&self.store);
        let places = reader.contained_places(search, parts.contained, &positions).await?;
        let plain = match parts.plain {
            Some(filter) => reader.fulfilled(search, filter, &positions).await?,
            None => Default::default(),
        };
        let mut found = Vec::new();
        for row in rows {
            let position = row.position;
            let Some(whole) = self.serve(row).await? else { continue };
            let places = places.iter().filter(|(at, _)| *at == position).map(|(_, place)| *place);
            let within = within(&whole, &places.collect::<Vec<_>>())?;
            found.extend(plain.contains(&position).then_some(whole));
            found.extend(within);
        }
        Ok(found)
    }
}

/// The parts of a statement that `contained_statement` made.
fn parts(search: &Search) -> Option<Parts<'_>> {
    match search.filters.first()? {
        Filter::Contained(contained) => Some(Parts { contained, plain: None }),
        Filter::Any(both) => match &both[..] {
            [Filter::Of { filters, .. }, plain] => match filters.first()? {
                Filter::Contained(contained) => Some(Parts { contained, plain: Some(plain) }),
                _ => None,
            },
            _ => None,
        },
        _ => None,
    }
}

/// What stands at these places of the resource, counted from 1.
fn within(whole: &Served, places: &[u16]) -> Result<Vec<Served>, NodeError> {
    if places.is_empty() {
        return Ok(Vec::new());
    }
    let doc =
        fhir::json::Doc::parse(whole.json.clone()).or(Err(NodeError::Internal("a stored resource is no JSON")))?;
    let list = doc.root().get("contained");
    let nodes = places.iter().filter_map(|place| list?.items().nth(usize::from(*place).checked_sub(1)?));
    let named = nodes.filter_map(|node| Some((node, node.get("id")?.text()?.into_owned())));
    Ok(named.map(|(node, id)| Served { json: node.raw().to_vec(), fragment: Some(id), ..whole.clone() }).collect())
}

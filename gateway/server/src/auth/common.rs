//! What two lists of scopes permit together: a token's and its client's, what is asked for and what may be had. Called by `auth` and
//! `smart`.

use record::scope::{Interactions, Scope, Scopes};

/// What both permit.
pub(crate) fn both(one: &Scopes, other: &Scopes) -> Scopes {
    let pairs = one.known.iter().flat_map(|one| other.known.iter().map(move |other| (one, other)));
    Scopes { known: plain(pairs.filter_map(|(one, other)| common(one, other)).collect()), other: Vec::new() }
}

fn common(one: &Scope, other: &Scope) -> Option<Scope> {
    let either = |one: &Option<String>, other: &Option<String>| match (one, other) {
        (Some(one), Some(other)) => (one == other).then(|| Some(one.clone())),
        (some, None) | (None, some) => Some(some.clone()),
    };
    let all =
        [Interactions::CREATE, Interactions::READ, Interactions::UPDATE, Interactions::DELETE, Interactions::SEARCH];
    let shared = all.into_iter().filter(|bit| one.interactions.contains(*bit) && other.interactions.contains(*bit));
    let interactions = shared.reduce(Interactions::and)?;
    (one.context == other.context).then_some(())?;
    let parameters = match (&one.parameters, &other.parameters) {
        // Both must hold, and in a query they do.
        (Some(one), Some(other)) if one != other => Some(format!("{one}&{other}")),
        (one, other) => either(one, other)?,
    };
    Some(Scope {
        context: one.context,
        resource_type: either(&one.resource_type, &other.resource_type)?,
        interactions,
        parameters,
    })
}

/// Without scopes that another one covers: a person is asked each thing once, and a token says each once.
fn plain(scopes: Vec<Scope>) -> Vec<Scope> {
    let one = |scope: &Scope| Scopes { known: vec![scope.clone()], other: Vec::new() };
    let covered = |at: usize| {
        let mut others = scopes.iter().enumerate().filter(|(other, _)| *other != at);
        others.any(|(other, wider)| {
            let within = one(&scopes[at]).within(&one(wider));
            // Of two that cover each other the first stays.
            within && (other < at || !one(wider).within(&one(&scopes[at])))
        })
    };
    (0..scopes.len()).filter(|at| !covered(*at)).map(|at| scopes[at].clone()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_does_what_it_says_and_its_client_still_may() {
        check("system/*.cruds", "system/*.rs", "system/*.rs");
        check("system/Patient.rs", "system/*.cruds", "system/Patient.rs");
        check("system/*.cruds", "system/Patient.cr system/Observation.s", "system/Patient.cr system/Observation.s");
        check("system/Patient.r", "system/Patient.s", "");
        check("system/Patient.r", "system/Observation.r", "");
        check("user/Patient.r", "system/*.r", "");
        check("system/Observation.rs", "system/Observation.rs?category=a", "system/Observation.rs?category=a");
        check("system/Observation.r?code=b", "system/*.r?category=a", "system/Observation.r?code=b&category=a");
        check("system/Observation.r?code=b", "system/*.r?code=b", "system/Observation.r?code=b");
        check("openid", "openid", "");
        check("patient/*.rs", "patient/*.rs patient/Observation.cruds", "patient/*.rs");
        check("patient/*.rs", "patient/Observation.cruds patient/*.rs", "patient/*.rs");
        check("system/*.rs", "system/*.r system/Patient.rs", "system/*.r system/Patient.rs");
    }

    #[test]
    fn each_thing_is_asked_once() {
        let row = |scopes: &str, wanted: &str| {
            let found = plain(Scopes::parse(scopes).known);
            assert_eq!(Scopes { known: found, other: Vec::new() }.to_string(), wanted, "{scopes}");
        };
        row("patient/*.rs patient/Observation.rs", "patient/*.rs");
        row("patient/Observation.rs patient/*.rs", "patient/*.rs");
        row("patient/*.rs patient/*.rs", "patient/*.rs");
        row("patient/*.rs patient/Observation.cr", "patient/*.rs patient/Observation.cr");
        row("patient/*.rs user/*.rs", "patient/*.rs user/*.rs");
        row("patient/A.rs?a=b patient/A.rs", "patient/A.rs");
        row("", "");
    }

    fn check(token: &str, client: &str, wanted: &str) {
        assert_eq!(both(&Scopes::parse(token), &Scopes::parse(client)).to_string(), wanted, "{token} and {client}");
    }
}

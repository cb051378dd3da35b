//! A form that was sent: read only together with its session's token, so that no handler can forget to check. Called
//! by every page that changes something.

use crate::app::App;
use crate::error::PageError;
use crate::session::Session;
use axum::RequestExt;
use axum::extract::{FromRequest, Request};

/// Fields of one form; more than any of ours has.
const FIELDS_MAX: usize = 1024;
/// The name of the token's field.
pub(crate) const CSRF: &str = "token";

/// A form of this session's.
#[derive(Debug)]
pub(crate) struct Form(Vec<(String, String)>);

impl Form {
    /// The first value of a field, without white space around it; empty if it was not sent.
    pub(crate) fn one(&self, name: &str) -> &str {
        self.0.iter().find(|(known, _)| known == name).map_or("", |(_, value)| value.trim())
    }

    /// Every value of a field.
    pub(crate) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

impl FromRequest<App> for Form {
    type Rejection = PageError;

    async fn from_request(request: Request, _: &App) -> Result<Self, PageError> {
        let session = request.extensions().get::<Session>().cloned().ok_or_else(PageError::no_session)?;
        let fields = request.extract::<axum::Form<Vec<(String, String)>>, _>().await;
        let form = Self(fields.map_err(|rejection| PageError::unreadable(rejection.status()))?.0);
        if form.0.len() > FIELDS_MAX || !session.owns(form.one(CSRF)) {
            return Err(PageError::foreign_form());
        }
        Ok(form)
    }
}

//! What a person reads when something did not work: the one file of this room that gives an error its words and its
//! status. Called by every page and by `guard`.

use crate::html::el;
use crate::layout;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use node::NodeError;

/// A page that says why something did not work.
#[derive(Debug)]
pub(crate) struct PageError {
    status: StatusCode,
    title: &'static str,
    words: String,
    /// Whether there is a page to go back to.
    inside: bool,
}

impl PageError {
    /// Nobody is logged in here.
    pub(crate) fn no_session() -> Self {
        let words = "This page opens with a login link that works once. The program that runs your page prints one \
                     when it starts, in the window where it was started, and a fresh one always stands in the file \
                     ready.json in its data folder. Copy the link into this browser's address bar.";
        Self::outside(StatusCode::UNAUTHORIZED, "Please open your login link", words)
    }

    /// A login link that does not work any more.
    pub(crate) fn used_link() -> Self {
        let words = "Each login link works once, and for ten minutes. A fresh one stands in the file ready.json in \
                     the data folder of the program that runs your page, and is printed when the program starts.";
        Self::outside(StatusCode::UNAUTHORIZED, "This login link does not work any more", words)
    }

    /// Another name than ours in the address bar.
    pub(crate) fn foreign_host() -> Self {
        let words = "This page answers only under the address that its own program has printed. If you followed a \
                     link from somewhere else, close this window.";
        Self::outside(StatusCode::MISDIRECTED_REQUEST, "This is not the address of your page", words)
    }

    /// A form another site sent.
    pub(crate) fn foreign_form() -> Self {
        let words = "What was sent did not come from this page as you have it open now, so nothing was changed. Open \
                     the page anew and try again.";
        Self::inside(StatusCode::FORBIDDEN, "Nothing was changed", words)
    }

    /// A form that does not read, or is too large.
    pub(crate) fn unreadable(status: StatusCode) -> Self {
        match status {
            StatusCode::PAYLOAD_TOO_LARGE => Self::inside(
                StatusCode::PAYLOAD_TOO_LARGE,
                "That is too long",
                "What was sent is longer than anything this page needs. Nothing was changed.",
            ),
            _ => Self::inside(StatusCode::BAD_REQUEST, "That was not understood", "Nothing was changed."),
        }
    }

    /// No such page.
    pub(crate) fn no_page() -> Self {
        Self::inside(StatusCode::NOT_FOUND, "There is nothing here", "The address leads to no page of your record.")
    }

    /// What a person typed cannot be used.
    pub(crate) fn typed(words: impl Into<String>) -> Self {
        Self::inside(StatusCode::UNPROCESSABLE_ENTITY, "That could not be done", words)
    }

    /// More open windows than this page keeps up to date.
    pub(crate) fn too_many_windows() -> Self {
        Self::inside(StatusCode::SERVICE_UNAVAILABLE, "Too many open windows", "Close some windows with this page.")
    }

    fn inside(status: StatusCode, title: &'static str, words: impl Into<String>) -> Self {
        Self { status, title, words: words.into(), inside: true }
    }

    fn outside(status: StatusCode, title: &'static str, words: &str) -> Self {
        Self { status, title, words: words.to_owned(), inside: false }
    }
}

impl From<NodeError> for PageError {
    fn from(error: NodeError) -> Self {
        let unchanged = "Nothing was changed. Try again in a moment; if it stays, the program's messages say more.";
        match error {
            NodeError::NotFound(_) | NodeError::Gone(_) => Self::no_page(),
            NodeError::Unprocessable(text)
            | NodeError::Forbidden(text)
            | NodeError::Precondition(text)
            | NodeError::Conflict(text)
            | NodeError::ReadOnly(text)
            | NodeError::TooLarge(text) => Self::typed(sentence(&text)),
            NodeError::Invalid(_) | NodeError::Inapplicable(_) => Self::typed("What was sent is not complete."),
            NodeError::Unreachable(text) => Self::inside(
                StatusCode::SERVICE_UNAVAILABLE,
                "The other side cannot be reached",
                format!("{} Your own record is safe; try again later.", sentence(&text)),
            ),
            NodeError::Stopping => {
                Self::inside(StatusCode::SERVICE_UNAVAILABLE, "Your page is being stopped", "Nothing was changed.")
            }
            NodeError::Early(_) | NodeError::HandedOver => {
                tracing::error!(%error, "a key that was handed over, on the patient's page");
                Self::inside(StatusCode::SERVICE_UNAVAILABLE, "Your record cannot be written just now", unchanged)
            }
            NodeError::Store(error) => {
                tracing::error!(%error, "the patient's page cannot reach its database");
                Self::inside(StatusCode::SERVICE_UNAVAILABLE, "Your record cannot be opened just now", unchanged)
            }
            NodeError::Unconfirmed(error) => {
                tracing::error!(%error, "the database did not confirm what the patient's page wrote");
                let text = "It is not sure whether this was written. Look at the page again before you repeat it.";
                Self::inside(StatusCode::SERVICE_UNAVAILABLE, "Your record did not answer in time", text)
            }
            NodeError::Internal(rule) => {
                tracing::error!(rule, "an internal rule failed under the patient's page");
                Self::inside(StatusCode::INTERNAL_SERVER_ERROR, "Something went wrong in this program", unchanged)
            }
        }
    }
}

/// Makes a sentence of an error's lower-case text.
pub(crate) fn sentence(text: &str) -> String {
    let mut letters = text.trim().chars();
    let Some(first) = letters.next() else { return String::new() };
    let text = first.to_uppercase().chain(letters).collect::<String>();
    if text.ends_with(['.', '!', '?']) { text } else { format!("{text}.") }
}

impl IntoResponse for PageError {
    fn into_response(self) -> Response {
        let back = self.inside.then(|| el("p").with(el("a").class("button").href("/").with("Back to your page")));
        let body = el("section").class("card").id("problem").attr("role", "alert");
        let body = body.with((el("h1").with(self.title), el("p").with(self.words), back));
        (self.status, layout::bare(self.title, body.html())).into_response()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_becomes_a_page_with_its_status() {
        let check = |error: NodeError, status: u16| {
            assert_eq!(PageError::from(error).into_response().status().as_u16(), status);
        };
        check(NodeError::NotFound("x".to_owned()), 404);
        check(NodeError::Gone("x".to_owned()), 404);
        check(NodeError::Unprocessable("x".to_owned()), 422);
        check(NodeError::Conflict("x".to_owned()), 422);
        check(NodeError::Unreachable("x".to_owned()), 503);
        check(NodeError::Stopping, 503);
        check(NodeError::Internal("x"), 500);
    }

    #[test]
    fn an_error_reads_as_a_sentence() {
        let check = |text: &str, expected: &str| assert_eq!(sentence(text), expected);
        check("the end lies in the past", "The end lies in the past.");
        check("Stop!", "Stop!");
        check("", "");
    }
}

//! The patient's page, driven in two ways behind one enum: as plain HTML without JavaScript, and in a browser. What a
//! patient does there are the methods; what she sees is read from the page by `scan`.

pub mod browser;
pub mod plain;
pub mod scan;

use crate::wait::until;
use anyhow::{Context, ensure};
use browser::Browser;
use plain::Plain;
use scan::Html;
use std::path::Path;

/// An open page.
pub enum Page {
    /// Without JavaScript.
    Plain(Box<Plain>),
    /// In headless Chromium.
    Browser(Box<Browser>),
}

/// What is changed in a form before it is sent.
#[derive(Clone, Copy, Debug)]
pub enum Edit<'e> {
    /// A field's text.
    Text(&'e str, &'e str),
    /// A checkbox, by name and value.
    Untick(&'e str, &'e str),
}

impl Page {
    /// A page without JavaScript, nothing open.
    ///
    /// # Errors
    /// The HTTP client cannot be made.
    pub fn plain() -> anyhow::Result<Self> {
        Ok(Self::Plain(Box::new(Plain::new()?)))
    }

    /// A browser, nothing open.
    ///
    /// # Errors
    /// It does not start.
    pub async fn browser() -> anyhow::Result<Self> {
        Ok(Self::Browser(Box::new(Browser::start().await?)))
    }

    /// Follows a login link.
    ///
    /// # Errors
    /// It does not lead to the page.
    pub async fn open(&mut self, login: &str) -> anyhow::Result<()> {
        match self {
            Self::Plain(plain) => plain.open(login).await?,
            Self::Browser(browser) => browser.open(login).await?,
        }
        ensure!(self.html().await?.one("#logout-form").is_some(), "the login link does not open the page");
        Ok(())
    }

    /// Opens a page of the site.
    ///
    /// # Errors
    /// It does not answer.
    pub async fn go(&mut self, path: &str) -> anyhow::Result<()> {
        match self {
            Self::Plain(plain) => plain.go(path).await,
            Self::Browser(browser) => browser.go(path).await,
        }
    }

    /// What a patient sees after a while: without JavaScript she loads again, in a browser the page keeps itself fresh.
    ///
    /// # Errors
    /// It does not answer.
    pub async fn look(&mut self) -> anyhow::Result<Html> {
        if let Self::Plain(plain) = self {
            plain.reload().await?;
        }
        self.html().await
    }

    /// The page as it stands.
    ///
    /// # Errors
    /// The browser does not answer.
    pub async fn html(&self) -> anyhow::Result<Html> {
        Ok(match self {
            Self::Plain(plain) => Html::parse(plain.html()),
            Self::Browser(browser) => Html::parse(&browser.html().await?),
        })
    }

    /// Fills a form in and sends it.
    ///
    /// # Errors
    /// There is no such form.
    pub async fn submit(&mut self, pick: &str, edits: &[Edit<'_>]) -> anyhow::Result<()> {
        match self {
            Self::Plain(plain) => plain.submit(pick, edits).await,
            Self::Browser(browser) => browser.submit(pick, edits).await,
        }
    }

    /// The words of a page.
    ///
    /// # Errors
    /// It does not answer.
    pub async fn words(&mut self, path: &str) -> anyhow::Result<String> {
        self.go(path).await?;
        let html = self.html().await?;
        Ok(html.one("main").unwrap_or(html).words())
    }

    /// Pastes an invite.
    ///
    /// # Errors
    /// There is no field for it.
    pub async fn accept_invite(&mut self, code: &str) -> anyhow::Result<()> {
        self.go("/invite").await?;
        self.submit("#invite-form", &[Edit::Text("code", code)]).await
    }

    /// Waits until the open invite stands at `state`, and returns what the page says then.
    ///
    /// # Errors
    /// The page does not answer.
    pub async fn pairing(&mut self, state: &str) -> anyhow::Result<Html> {
        let pick = format!("[data-state=\"{state}\"]");
        self.wait(&format!("the invite is {state}"), |html| {
            html.all("#pairing").iter().find_map(|part| part.one(&pick))
        })
        .await
    }

    /// Waits for the six digits.
    ///
    /// # Errors
    /// The page does not answer.
    pub async fn digits(&mut self) -> anyhow::Result<String> {
        let html = self.pairing("digits").await?;
        Ok(html.one("#digits").context("digits are shown")?.words())
    }

    /// Confirms that the digits are the same.
    ///
    /// # Errors
    /// There is nothing to confirm.
    pub async fn confirm(&mut self) -> anyhow::Result<()> {
        self.submit("#confirm-form", &[]).await
    }

    /// The record's address.
    ///
    /// # Errors
    /// There is no record.
    pub async fn address(&mut self) -> anyhow::Result<String> {
        self.go("/").await?;
        Ok(self.html().await?.one("#address").context("the overview shows an address")?.words())
    }

    /// Waits for a request of `name` and returns its words.
    ///
    /// # Errors
    /// The page does not answer.
    pub async fn request(&mut self, name: &str) -> anyhow::Result<String> {
        self.go("/requests").await?;
        let pick = format!("[data-name=\"{name}\"]");
        let open = |html: &Html| html.all(&pick).into_iter().find(|part| part.one(".request-approve").is_some());
        Ok(self.wait(&format!("{name} asks"), open).await?.words())
    }

    /// Approves the request of `name`, without what is in `not`.
    ///
    /// # Errors
    /// There is no such request.
    pub async fn approve(&mut self, name: &str, not: &[&str]) -> anyhow::Result<()> {
        self.request(name).await?;
        let edits = not.iter().map(|scope| Edit::Untick("scope", scope)).collect::<Vec<_>>();
        self.submit(&format!("[data-name=\"{name}\"] .request-approve"), &edits).await
    }

    /// Refuses the request of `name`.
    ///
    /// # Errors
    /// There is no such request.
    pub async fn refuse(&mut self, name: &str) -> anyhow::Result<()> {
        self.request(name).await?;
        self.submit(&format!("[data-name=\"{name}\"] .request-refuse"), &[]).await
    }

    /// Takes the first open grant of `name` back.
    ///
    /// # Errors
    /// It has none.
    pub async fn revoke(&mut self, name: &str) -> anyhow::Result<()> {
        self.go("/access").await?;
        self.submit(&format!("[data-name=\"{name}\"] .grant-revoke"), &[]).await
    }

    /// The states of all grants of `name`.
    ///
    /// # Errors
    /// The page does not answer.
    pub async fn grants(&mut self, name: &str) -> anyhow::Result<Vec<String>> {
        self.go("/access").await?;
        let found = self.html().await?.all(&format!("[data-name=\"{name}\"]"));
        let states = found.iter().filter_map(|part| Some(part.element()?.get("data-state")?.to_owned()));
        Ok(states.collect())
    }

    /// Saves a picture, where there is a browser.
    ///
    /// # Errors
    /// The picture cannot be taken.
    pub async fn screenshot(&self, file: &Path) -> anyhow::Result<()> {
        match self {
            Self::Plain(_) => Ok(()),
            Self::Browser(browser) => browser.screenshot(file).await,
        }
    }

    /// Looks until `find` finds something.
    async fn wait<T>(&mut self, what: &str, find: impl Fn(&Html) -> Option<T>) -> anyhow::Result<T> {
        let page = tokio::sync::Mutex::new(self);
        let found = until(what, || async { page.lock().await.look().await.ok().and_then(|html| find(&html)) });
        Ok(found.await)
    }
}

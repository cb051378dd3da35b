//! The page without JavaScript: links followed, the cookie kept and forms posted by hand. Called by `page`.

use super::Edit;
use super::scan::Html;
use anyhow::{Context, ensure};
use reqwest::header::{COOKIE, LOCATION, SET_COOKIE};
use reqwest::{Client, Method, Response};

/// Most redirects that are followed from one step.
const REDIRECTS_MAX: usize = 5;

/// A session.
pub struct Plain {
    base: String,
    cookie: String,
    path: String,
    html: String,
    client: Client,
}

impl Plain {
    /// No page yet.
    ///
    /// # Errors
    /// The HTTP client cannot be made.
    pub fn new() -> anyhow::Result<Self> {
        let client = Client::builder().redirect(reqwest::redirect::Policy::none()).build()?;
        Ok(Self { base: String::new(), cookie: String::new(), path: String::new(), html: String::new(), client })
    }

    /// Opens a whole URL, such as a login link.
    ///
    /// # Errors
    /// It does not answer.
    pub async fn open(&mut self, url: &str) -> anyhow::Result<()> {
        let rest = url.find("://").and_then(|at| url[at + 3..].find('/').map(|slash| at + 3 + slash));
        let at = rest.context("a link has a path")?;
        self.base = url[..at].to_owned();
        self.step(Method::GET, url[at..].to_owned(), None).await
    }

    /// Opens a page of the site.
    ///
    /// # Errors
    /// It does not answer.
    pub async fn go(&mut self, path: &str) -> anyhow::Result<()> {
        self.step(Method::GET, path.to_owned(), None).await
    }

    /// Loads the page again.
    ///
    /// # Errors
    /// It does not answer.
    pub async fn reload(&mut self) -> anyhow::Result<()> {
        self.step(Method::GET, self.path.clone(), None).await
    }

    /// What the page consists of.
    pub fn html(&self) -> &str {
        &self.html
    }

    /// Sends a form with its hidden inputs, after `edits`.
    ///
    /// # Errors
    /// There is no such form, or no answer.
    pub async fn submit(&mut self, pick: &str, edits: &[Edit<'_>]) -> anyhow::Result<()> {
        let form = Html::parse(&self.html).one(pick).with_context(|| format!("{} has no form {pick}", self.path))?;
        let mut form = form.form();
        for edit in edits {
            match edit {
                Edit::Text(name, text) => {
                    let field = form.fields.iter_mut().find(|(known, ..)| known == name);
                    field.with_context(|| format!("{pick} has no field {name}"))?.1 = (*text).to_owned();
                }
                Edit::Untick(name, value) => {
                    let before = form.fields.len();
                    form.fields.retain(|(known, held, _)| known != name || held != value);
                    ensure!(form.fields.len() < before, "{pick} has no ticked {name} {value}");
                }
            }
        }
        let pairs = form.fields.iter().map(|(name, value, _)| (name, value));
        let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish();
        self.step(Method::POST, form.action, Some(body)).await
    }

    async fn step(&mut self, method: Method, path: String, body: Option<String>) -> anyhow::Result<()> {
        let (mut method, mut path, mut body) = (method, path, body);
        for _ in 0..REDIRECTS_MAX {
            let answer = self.send(method.clone(), &path, body.take()).await?;
            if let Some(cookie) = answer.headers().get(SET_COOKIE) {
                self.cookie = cookie.to_str()?.split(';').next().unwrap_or_default().to_owned();
            }
            if let Some(next) = answer.headers().get(LOCATION) {
                (method, path) = (Method::GET, next.to_str()?.to_owned());
                continue;
            }
            self.path = path;
            self.html = answer.text().await?;
            return Ok(());
        }
        anyhow::bail!("{path} leads on and on")
    }

    async fn send(&self, method: Method, path: &str, body: Option<String>) -> anyhow::Result<Response> {
        let mut request = self.client.request(method, format!("{}{path}", self.base)).header(COOKIE, &self.cookie);
        if let Some(body) = body {
            request = request.header("content-type", "application/x-www-form-urlencoded").body(body);
        }
        Ok(request.send().await?)
    }
}

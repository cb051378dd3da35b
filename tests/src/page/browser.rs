//! The page in headless Chromium, driven over W3C WebDriver: typed into, ticked and clicked as a person does. Called by
//! `page`.
//!
//! Source: <https://www.w3.org/TR/webdriver2/>.

use super::Edit;
use crate::wait::until;
use anyhow::{Context, ensure};
use reqwest::{Client, Method};
use serde_json::{Value, json};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

/// Says where `tests/run` found ChromeDriver.
pub const DRIVER: &str = "CHARTWELL_TEST_CHROMEDRIVER";
/// Says where `tests/run` found Chromium.
pub const CHROMIUM: &str = "CHARTWELL_TEST_CHROMIUM";
/// The member that names an element in answers.
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";
/// Longest wait for the browser to end.
const END_MAX: Duration = Duration::from_secs(10);

/// A browser with a profile of its own.
pub struct Browser {
    base: String,
    port: u16,
    session: String,
    client: Client,
    driver: Child,
    _profile: TempDir,
}

impl Browser {
    /// Starts ChromeDriver on a free port, and Chromium.
    ///
    /// # Errors
    /// One of them does not start.
    pub async fn start() -> anyhow::Result<Self> {
        let driver = std::env::var(DRIVER).context("tests/run says where ChromeDriver is")?;
        let mut driver = Command::new(driver)
            .arg("--port=0")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()?;
        let mut lines = BufReader::new(driver.stdout.take().context("its output is piped")?).lines();
        let port = loop {
            let line = lines.next_line().await?.context("ChromeDriver ended before it said its port")?;
            let told = line.split_once("successfully on port ").map(|(_, rest)| rest.trim_end_matches('.').parse());
            if let Some(port) = told {
                break port?;
            }
        };
        // Whatever it says later must not fill the pipe.
        tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
        let profile = TempDir::new()?;
        let mut arguments = vec![format!("--user-data-dir={}", profile.path().display())];
        let fixed = [
            "--headless=new",
            "--disable-gpu",
            "--disable-quic",
            "--disable-dev-shm-usage",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--window-size=1100,1400",
        ];
        arguments.extend(fixed.map(str::to_owned));
        if std::env::var_os("HOME").is_some() && is_root()? {
            // Chromium refuses its sandbox to root.
            arguments.push("--no-sandbox".to_owned());
        }
        let mut options = json!({ "args": arguments });
        if let Ok(binary) = std::env::var(CHROMIUM) {
            options["binary"] = binary.into();
        }
        let mut browser = Self {
            base: format!("http://127.0.0.1:{port}"),
            port,
            session: String::new(),
            client: Client::new(),
            driver,
            _profile: profile,
        };
        let wanted =
            json!({ "capabilities": { "alwaysMatch": { "browserName": "chrome", "goog:chromeOptions": options } } });
        let made = browser.call(Method::POST, "/session", Some(wanted)).await?;
        browser.session = made["sessionId"].as_str().context("a session has an id")?.to_owned();
        Ok(browser)
    }

    /// Opens a URL.
    ///
    /// # Errors
    /// The browser does not answer.
    pub async fn open(&self, url: &str) -> anyhow::Result<()> {
        self.ask("url", json!({ "url": url })).await.map(drop)
    }

    /// Opens a page of the site that is open.
    ///
    /// # Errors
    /// The browser does not answer.
    pub async fn go(&self, path: &str) -> anyhow::Result<()> {
        let at = self.call(Method::GET, &self.path("url"), None).await?;
        let at = at.as_str().context("a url is text")?;
        let base = at.splitn(4, '/').take(3).collect::<Vec<_>>().join("/");
        self.open(&format!("{base}{path}")).await
    }

    /// What the page consists of now.
    ///
    /// # Errors
    /// The browser does not answer.
    pub async fn html(&self) -> anyhow::Result<String> {
        let html = self.call(Method::GET, &self.path("source"), None).await?;
        Ok(html.as_str().unwrap_or_default().to_owned())
    }

    /// Fills a form in and presses its button.
    ///
    /// # Errors
    /// There is no such form.
    pub async fn submit(&self, pick: &str, edits: &[Edit<'_>]) -> anyhow::Result<()> {
        for edit in edits {
            match edit {
                Edit::Text(name, text) => {
                    let field = self.find(&format!("{pick} input[name=\"{name}\"]")).await?;
                    self.ask(&format!("element/{field}/clear"), json!({})).await?;
                    self.ask(&format!("element/{field}/value"), json!({ "text": text })).await?;
                }
                Edit::Untick(name, value) => {
                    self.click(&format!("{pick} input[name=\"{name}\"][value=\"{value}\"]")).await?;
                }
            }
        }
        // What is folded away is opened first.
        let (around, form) = pick.rsplit_once(' ').unwrap_or(("main", pick));
        let folded = format!("{around} details:not([open]):has({form}) > summary");
        if self.find(&folded).await.is_ok() {
            self.click(&folded).await?;
        }
        self.click(&format!("{pick} button")).await
    }

    /// Saves a picture of the whole page.
    ///
    /// # Errors
    /// The browser does not answer, or the file cannot be written.
    pub async fn screenshot(&self, file: &Path) -> anyhow::Result<()> {
        let measure = "return Math.max(800, document.documentElement.scrollHeight + 100)";
        let height = self.ask("execute/sync", json!({ "script": measure, "args": [] })).await?;
        let height = height.as_u64().unwrap_or(1400).min(6000);
        self.ask("window/rect", json!({ "width": 1100, "height": height })).await?;
        let picture = self.call(Method::GET, &self.path("screenshot"), None).await?;
        let bytes = data_encoding::BASE64.decode(picture.as_str().unwrap_or_default().as_bytes())?;
        ensure!(bytes.starts_with(b"\x89PNG"), "a screenshot is a picture");
        Ok(std::fs::write(file, bytes)?)
    }

    /// Clicks what may just be exchanged by the page itself.
    async fn click(&self, css: &str) -> anyhow::Result<()> {
        let what = format!("{css} can be clicked");
        let click = || async {
            let element = self.find(css).await.ok()?;
            self.ask(&format!("element/{element}/click"), json!({})).await.ok()
        };
        until(&what, click).await;
        Ok(())
    }

    async fn find(&self, css: &str) -> anyhow::Result<String> {
        let found = self.ask("element", json!({ "using": "css selector", "value": css })).await?;
        Ok(found[ELEMENT].as_str().context("an element has an id")?.to_owned())
    }

    async fn ask(&self, what: &str, body: Value) -> anyhow::Result<Value> {
        self.call(Method::POST, &self.path(what), Some(body)).await
    }

    fn path(&self, what: &str) -> String {
        format!("/session/{}/{what}", self.session)
    }

    async fn call(&self, method: Method, path: &str, body: Option<Value>) -> anyhow::Result<Value> {
        let mut request = self.client.request(method, format!("{}{path}", self.base));
        if let Some(body) = body {
            request = request.header("content-type", "application/json").body(body.to_string());
        }
        let answer = request.send().await?;
        let status = answer.status();
        let mut body: Value = serde_json::from_str(&answer.text().await?)?;
        let value = body["value"].take();
        ensure!(status.is_success(), "the browser says: {} {}", value["error"], value["message"]);
        Ok(value)
    }
}

impl Drop for Browser {
    /// Ends Chromium also when a test fails: ChromeDriver alone would leave it running.
    fn drop(&mut self) {
        if let Ok(mut stream) = TcpStream::connect(("127.0.0.1", self.port)) {
            let request = format!(
                "DELETE /session/{} HTTP/1.1\r\nHost: 127.0.0.1:{}\r\nConnection: close\r\n\r\n",
                self.session, self.port
            );
            stream.set_read_timeout(Some(END_MAX)).ok();
            stream.write_all(request.as_bytes()).ok();
            let mut one = [0; 512];
            drop(stream.read(&mut one));
        }
        self.driver.start_kill().ok();
    }
}

fn is_root() -> anyhow::Result<bool> {
    let output = std::process::Command::new("id").arg("-u").output()?;
    Ok(output.stdout.starts_with(b"0\n"))
}

//! A headless Chromium of its own for every test.

use std::{
    fs,
    io::{BufRead, BufReader},
    os::unix::process::CommandExt,
    path::Path,
    process::{Child, Command, Stdio},
};

use base64::{Engine, engine::general_purpose::STANDARD};
use fantoccini::{Client, ClientBuilder, wd::WebDriverCompatibleCommand};
use hyper::Method;
use hyper_util::client::legacy::connect::HttpConnector;
use serde_json::{Map, Value, json};
use tempfile::TempDir;
use url::{ParseError, Url};

use crate::support::redis::signal;

/// Names the directory for pictures.
pub(super) const PICTURES: &str = "CONSOLE_PICTURES";

/// A browser with one window. Ends when it is dropped.
pub struct Browser {
    pub client: Client,
    driver: Child,
    profile: TempDir,
}

/// A command that only Chromium knows.
#[derive(Debug)]
struct Chromium {
    path: &'static str,
    body: Value,
}

impl WebDriverCompatibleCommand for Chromium {
    fn endpoint(&self, base: &Url, session: Option<&str>) -> Result<Url, ParseError> {
        let session = session.expect("a session is open");
        base.join(&format!("session/{session}/{}", self.path))
    }

    fn method_and_body(&self, _: &Url) -> (Method, Option<String>) {
        (Method::POST, Some(self.body.to_string()))
    }
}

impl Browser {
    /// Starts a browser with a window of this size.
    pub async fn start(width: u32, height: u32) -> Self {
        let mut driver = Command::new("chromedriver")
            .arg("--port=0")
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()
            .expect("chromedriver is installed: scripts/install-missing");
        let stdout = BufReader::new(driver.stdout.take().unwrap());
        let port = tokio::task::spawn_blocking(move || {
            let mut lines = stdout.lines().map_while(Result::ok);
            let port = lines.find_map(|line| {
                let (_, port) = line.split_once("started successfully on port ")?;
                Some(port.trim_end_matches('.').to_owned())
            });
            // Read on, so that the driver can write.
            std::thread::spawn(move || lines.for_each(drop));
            port
        });
        let port = port.await.unwrap().expect("chromedriver names its port");
        let profile = tempfile::Builder::new()
            .prefix("splitcart-chromium-")
            .tempdir()
            .unwrap();
        let client = ClientBuilder::new(HttpConnector::new())
            .capabilities(capabilities(profile.path(), width, height))
            .connect(&format!("http://127.0.0.1:{port}"))
            .await
            .unwrap();
        let browser = Self {
            client,
            driver,
            profile,
        };
        let size = json!({
            "width": width, "height": height, "deviceScaleFactor": 1, "mobile": false
        });
        browser
            .devtools("Emulation.setDeviceMetricsOverride", &size)
            .await;
        browser
    }

    /// Prefers a colour scheme, `light` or `dark`, from now on.
    pub async fn prefer(&self, scheme: &str) {
        let features = json!({
            "features": [{ "name": "prefers-color-scheme", "value": scheme }]
        });
        self.devtools("Emulation.setEmulatedMedia", &features).await;
    }

    /// The value of an expression in the page.
    pub async fn value(&self, expression: &str) -> Value {
        let script = format!("return {expression}");
        self.client.execute(&script, Vec::new()).await.unwrap()
    }

    /// The text of an element.
    pub async fn text(&self, id: &str) -> String {
        let expression = format!("document.getElementById({id:?}).textContent");
        self.value(&expression).await.as_str().unwrap().to_owned()
    }

    /// The messages of the browser's console so far.
    pub async fn complaints(&self) -> Vec<String> {
        let body = json!({ "type": "browser" });
        let path = "se/log";
        let entries = self.client.issue_cmd(Chromium { path, body });
        let entries = entries.await.unwrap();
        let messages = entries.as_array().unwrap().iter();
        messages
            .map(|entry| entry["message"].as_str().unwrap().to_owned())
            .collect()
    }

    /// The rules of axe-core that the page breaks, each with the first element that breaks it.
    pub async fn broken_rules(&self) -> Vec<(String, String)> {
        const AXE: &str = include_str!("vendor/axe.min.js");
        self.client.execute(AXE, Vec::new()).await.unwrap();
        let run = "const done = arguments[0];
                   axe.run(document, { resultTypes: ['violations'] }).then((result) => done(result.violations))";
        let violations = self.client.execute_async(run, Vec::new()).await.unwrap();
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let violations = violations.as_array().unwrap().iter();
        violations
            .map(|it| (text(&it["id"]), text(&it["nodes"][0]["html"])))
            .collect()
    }

    /// Begins to count the time that the page's work takes of its thread: what the machine gives to others
    /// meanwhile does not count.
    pub async fn count_busy_time(&self) {
        let thread_time = json!({ "timeDomain": "threadTicks" });
        self.devtools("Performance.enable", &thread_time).await;
    }

    /// The milliseconds counted so far.
    pub async fn busy_ms(&self) -> f64 {
        let metrics = self.devtools("Performance.getMetrics", &json!({})).await;
        let metrics = metrics["metrics"].as_array().unwrap();
        let tasks = metrics.iter().find(|it| it["name"] == "TaskDuration");
        tasks.unwrap()["value"].as_f64().unwrap() * 1000.0
    }

    /// Writes a picture of the page if the environment names a directory for pictures.
    pub async fn picture(&self, name: &str) {
        let Some(dir) = std::env::var_os(PICTURES) else {
            return;
        };
        // Colours of states fade in.
        self.client
            .execute_async("setTimeout(arguments[0], 600)", Vec::new())
            .await
            .unwrap();
        let options = json!({ "format": "webp", "quality": 82 });
        let picture = self.devtools("Page.captureScreenshot", &options).await;
        let picture = STANDARD.decode(picture["data"].as_str().unwrap()).unwrap();
        let path = Path::new(&dir).join(format!("console-{name}.webp"));
        fs::write(path, picture).unwrap();
    }

    async fn devtools(&self, command: &str, parameters: &Value) -> Value {
        let body = json!({ "cmd": command, "params": parameters });
        let path = "goog/cdp/execute";
        let answer = self.client.issue_cmd(Chromium { path, body });
        answer.await.unwrap()
    }
}

fn capabilities(profile: &Path, width: u32, height: u32) -> Map<String, Value> {
    let arguments = [
        "--headless=new".to_owned(),
        "--no-sandbox".to_owned(),
        "--disable-gpu".to_owned(),
        "--disable-quic".to_owned(),
        "--disable-dev-shm-usage".to_owned(),
        "--no-first-run".to_owned(),
        "--disable-background-networking".to_owned(),
        "--disable-component-update".to_owned(),
        "--disable-sync".to_owned(),
        "--lang=en-US".to_owned(),
        format!("--user-data-dir={}", profile.display()),
        format!("--window-size={width},{height}"),
    ];
    let capabilities = json!({
        "browserName": "chrome",
        "goog:chromeOptions": { "args": arguments },
        "goog:loggingPrefs": { "browser": "ALL" },
    });
    capabilities.as_object().unwrap().clone()
}

/// The processes that name this profile in their command line: Chromium's own.
fn processes_of(profile: &Path) -> Vec<u32> {
    let profile = profile.to_str().unwrap();
    let processes = fs::read_dir("/proc").unwrap().filter_map(|entry| {
        let entry = entry.ok()?;
        let pid = entry.file_name().to_str()?.parse().ok()?;
        let command_line = fs::read(entry.path().join("cmdline")).ok()?;
        let is_ours = String::from_utf8_lossy(&command_line).contains(profile);
        is_ours.then_some(pid)
    });
    processes.collect()
}

impl Drop for Browser {
    fn drop(&mut self) {
        drop(self.driver.kill());
        drop(self.driver.wait());
        for pid in processes_of(self.profile.path()) {
            if Path::new(&format!("/proc/{pid}")).exists() {
                signal(pid, "KILL");
            }
        }
    }
}

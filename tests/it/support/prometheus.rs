//! A real Prometheus for a test, with the rules and alerts of `deploy/prometheus`.

use std::{
    fs,
    io::{BufRead, BufReader},
    path::Path,
    process::{Child, Command, Output, Stdio},
    sync::mpsc,
    time::Duration,
};

use serde_json::Value;
use tempfile::TempDir;

use super::wait;

/// A Prometheus that scrapes every second. Killed when dropped, and when the test process ends.
pub struct Prometheus {
    process: Child,
    url: String,
    client: reqwest::Client,
    _dir: TempDir,
}

impl Prometheus {
    /// Scrapes the private listeners of these servers, under the job `splitcart`.
    pub async fn of(listeners: &[&String]) -> Self {
        let dir = tempfile::Builder::new()
            .prefix("splitcart-prometheus-")
            .tempdir()
            .unwrap();
        let targets: Vec<_> = listeners
            .iter()
            .map(|url| format!("'{}'", url.trim_start_matches("http://")))
            .collect();
        let rules = Path::new("deploy/prometheus").canonicalize().unwrap();
        let config = format!(
            "global: {{scrape_interval: 1s, evaluation_interval: 1s}}\n\
             rule_files: ['{rules}/rules.yml', '{rules}/alerts.yml']\n\
             scrape_configs:\n\
             - job_name: splitcart\n  static_configs: [{{targets: [{}]}}]\n",
            targets.join(", "),
            rules = rules.display(),
        );
        let file = dir.path().join("prometheus.yml");
        fs::write(&file, config).unwrap();
        let mut process = Command::new("setpriv")
            .args(["--pdeathsig", "KILL", "--", "prometheus"])
            .arg(format!("--config.file={}", file.display()))
            .arg(format!(
                "--storage.tsdb.path={}",
                dir.path().join("data").display()
            ))
            .args(["--web.listen-address=127.0.0.1:0", "--log.format=json"])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("scripts/install-missing installs Prometheus");
        let address = address_in_log(&mut process).await;
        let new = Self {
            process,
            url: format!("http://{address}"),
            client: reqwest::Client::new(),
            _dir: dir,
        };
        // It listens before it answers queries.
        let ready = format!("{}/-/ready", new.url);
        wait::until("Prometheus is ready", async || {
            let answer = new.client.get(&ready).send().await;
            answer.is_ok_and(|answer| answer.status().is_success())
        })
        .await;
        new
    }

    /// The samples that a query finds now. `NaN` is no sample.
    pub async fn query(&self, query: &str) -> Vec<Value> {
        let reply = self.get("query", &[("query", query)]).await;
        let result = &reply["data"]["result"];
        let samples = result
            .as_array()
            .unwrap_or_else(|| panic!("{query}: {reply}"));
        let is_number = |sample: &&Value| sample["value"][1] != "NaN";
        samples.iter().filter(is_number).cloned().collect()
    }

    /// The rules and alerts, by group.
    pub async fn rules(&self) -> Vec<Value> {
        let reply = self.get("rules", &[]).await;
        let groups = reply["data"]["groups"].as_array().unwrap().iter();
        groups
            .flat_map(|group| group["rules"].as_array().unwrap().clone())
            .collect()
    }

    /// The targets, each with the result of its last scrape.
    pub async fn targets(&self) -> Vec<Value> {
        let reply = self.get("targets", &[]).await;
        reply["data"]["activeTargets"].as_array().unwrap().clone()
    }

    async fn get(&self, path: &str, query: &[(&str, &str)]) -> Value {
        let mut url = reqwest::Url::parse(&format!("{}/api/v1/{path}", self.url)).unwrap();
        url.query_pairs_mut().extend_pairs(query);
        let reply = self.client.get(url).send().await.unwrap();
        serde_json::from_str(&reply.text().await.unwrap()).unwrap()
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

/// Runs `promtool` with an input.
pub fn promtool(arguments: &[&str], input: &str) -> Output {
    use std::io::Write;

    let mut process = Command::new("promtool")
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("scripts/install-missing installs Prometheus");
    let mut stdin = process.stdin.take().unwrap();
    stdin.write_all(input.as_bytes()).unwrap();
    drop(stdin);
    process.wait_with_output().unwrap()
}

/// Prometheus chooses the port and names it in its log.
async fn address_in_log(process: &mut Child) -> String {
    let lines = BufReader::new(process.stderr.take().unwrap()).lines();
    let (found, address) = mpsc::channel();
    // Reads on, so that Prometheus is never held up.
    std::thread::spawn(move || {
        for line in lines.map_while(Result::ok) {
            let line: Value = serde_json::from_str(&line).unwrap_or_default();
            if line["msg"] == "Listening on" {
                drop(found.send(line["address"].as_str().unwrap_or_default().to_owned()));
            }
        }
    });
    let waited = tokio::task::spawn_blocking(move || address.recv_timeout(Duration::from_secs(30)));
    waited.await.unwrap().expect("Prometheus starts")
}

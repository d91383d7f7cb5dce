//! `splitcart top`: the same in a terminal, and for scripts.

use std::{
    io::{Read, Write},
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex},
};

use serde_json::Value;

use crate::support::{Server, World, server::splitcart, wait};

fn top(server: &Server, options: &[&str]) -> Command {
    let mut command = splitcart("top");
    command.args(["--url", &server.ops]).args(options);
    command
}

#[tokio::test]
async fn one_look_is_text_for_people_and_json_for_scripts() {
    let world = World::start().await;

    let text = top(&world.server, &["--once"]).output().unwrap();
    let json = top(&world.server, &["--once", "--json"]).output().unwrap();

    assert!(
        text.status.success() && json.status.success(),
        "{text:?}\n{json:?}"
    );
    let text = String::from_utf8(text.stdout).unwrap();
    assert!(
        text.contains("● No checkouts at present; all well"),
        "{text}"
    );
    assert!(text.contains("PostgreSQL ● answers"), "{text}");
    let json: Value = serde_json::from_slice(&json.stdout).unwrap();
    assert_eq!(json["verdict"]["state"], "well");
}

#[tokio::test]
async fn a_service_that_is_not_there_is_an_error_that_names_it() {
    let output = splitcart("top")
        .args(["--url", "http://127.0.0.1:1", "--once"])
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{told}");
    assert!(
        told.contains("http://127.0.0.1:1/ops/snapshot can't be read"),
        "{told}"
    );
}

/// A program in a pseudo terminal, and what it has written there.
struct InTerminal {
    process: Child,
    written: Arc<Mutex<Vec<u8>>>,
}

impl InTerminal {
    fn start(command: &Command) -> Self {
        let words = [command.get_program()]
            .into_iter()
            .chain(command.get_args());
        let words: Vec<_> = words.map(|word| word.to_str().unwrap()).collect();
        let line = format!("stty cols 80 rows 24; exec {}", words.join(" "));
        // Of bsdutils, which every Debian has.
        let mut process = Command::new("script")
            .args(["--quiet", "--return", "--command", &line, "/dev/null"])
            .env("TERM", "xterm-256color")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let written = Arc::new(Mutex::new(Vec::new()));
        let (mut stdout, all) = (process.stdout.take().unwrap(), Arc::clone(&written));
        std::thread::spawn(move || {
            let mut part = [0; 4096];
            while let Ok(length @ 1..) = stdout.read(&mut part) {
                all.lock().unwrap().extend_from_slice(&part[..length]);
            }
        });
        Self { process, written }
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.written.lock().unwrap()).into_owned()
    }

    async fn until_written(&self, text: &str) {
        wait::until(&format!("{text:?} is on the screen"), async || {
            self.text().contains(text)
        })
        .await;
    }

    fn press(&mut self, key: &str) {
        let keyboard = self.process.stdin.as_mut().unwrap();
        keyboard.write_all(key.as_bytes()).unwrap();
    }
}

impl Drop for InTerminal {
    fn drop(&mut self) {
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

/// The screen of the program is another one than the shell's, which is there again afterwards.
const ENTER: &str = "\u{1b}[?1049h";
const LEAVE: &str = "\u{1b}[?1049l";

#[tokio::test]
async fn in_a_terminal_it_follows_the_service_and_q_leaves_it_as_it_was() {
    let mut world = World::start().await;
    let mut terminal = InTerminal::start(&top(&world.server, &[]));
    // Words apart: what is drawn over the same cells is not written again.
    terminal.until_written("checkouts/s").await;
    terminal.until_written("hottest").await;
    world.redis.freeze();
    terminal.until_written("checkouts go on").await;
    world.redis.thaw();

    world.server.kill();
    terminal.until_written("connection lost").await;
    terminal.press("q");

    wait::until("it has ended", async || {
        terminal.process.try_wait().unwrap().is_some()
    })
    .await;
    let status = terminal.process.wait().unwrap();
    assert!(status.success(), "{status}");
    let text = terminal.text();
    assert!(text.contains(ENTER) && text.contains(LEAVE), "{text:?}");
}

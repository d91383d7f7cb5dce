//! A program that is run to its end.

use std::{
    collections::VecDeque,
    process::{ExitStatus, Stdio},
};

use anyhow::{Context, bail};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, BufReader},
    process::Command,
};

/// Lines of stderr that are kept: the last ones.
const LINES_KEPT: usize = 20;

/// A program that has ended, with its output.
#[derive(Debug)]
pub struct Ended {
    pub status: ExitStatus,
    pub stdout: String,
    /// The last lines of its stderr.
    pub last_words: String,
}

impl Ended {
    /// The output, if the program succeeded.
    pub fn stdout_if_ok(self, name: &str) -> anyhow::Result<String> {
        if !self.status.success() {
            bail!("{name} ended with {}:\n{}", self.status, self.last_words);
        }
        Ok(self.stdout)
    }
}

/// A command without our settings, those of another server and Ctrl-C; dropping the child
/// ends it.
pub fn command(program: impl AsRef<std::ffi::OsStr>) -> Command {
    let mut command = Command::new(program);
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        if text.starts_with("SPLITCART_") || text.starts_with("PG") {
            command.env_remove(name);
        }
    }
    command
        .stdin(Stdio::null())
        .process_group(0)
        .kill_on_drop(true);
    command
}

/// Runs the command; `heard` gets each line of its stderr at once.
pub async fn run(command: &mut Command, mut heard: impl FnMut(&str)) -> anyhow::Result<Ended> {
    let program = command.as_std().get_program().to_owned();
    let mut child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .with_context(|| format!("can't start {}", program.display()))?;
    let mut stdout = child.stdout.take().context("stdout is piped")?;
    let stderr = child.stderr.take().context("stderr is piped")?;
    let mut printed = String::new();
    let mut last = VecDeque::with_capacity(LINES_KEPT + 1);
    let listening = async {
        let mut lines = BufReader::new(stderr).lines();
        while let Some(line) = lines.next_line().await? {
            heard(&line);
            last.push_back(line);
            if last.len() > LINES_KEPT {
                last.pop_front();
            }
        }
        Ok::<_, std::io::Error>(())
    };
    let (read, listened) = tokio::join!(stdout.read_to_string(&mut printed), listening);
    read?;
    listened?;
    Ok(Ended {
        status: child.wait().await?,
        stdout: printed,
        last_words: last.make_contiguous().join("\n"),
    })
}

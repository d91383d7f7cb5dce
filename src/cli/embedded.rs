//! `splitcart embedded`: the private PostgreSQL and Redis without the service, for developers and
//! for test harnesses.

use std::{
    ffi::OsString,
    io::{self, IsTerminal, Read, Write},
    os::unix::process::ExitStatusExt,
    path::Path,
    process::{ExitCode, ExitStatus},
};

use anyhow::Context;
use nix::{
    sys::signal::{Signal as SignalName, kill},
    unistd::Pid,
};
use private_servers::{DataDir, EmbeddedServices, Memory, Options};
use tokio::{
    process::{Child, Command},
    signal::unix::{Signal, SignalKind, signal},
    sync::oneshot,
};

const EXAMPLES: &str = "\
Examples:
  splitcart embedded                    print both URLs, run until the input ends or Ctrl-C
  splitcart embedded -- sh -c 'psql $SPLITCART_PRIVATE_DATABASE_URL'
                                        run a command with both URLs in its environment

The data are temporary unless --data-dir is given.";

/// Start a private PostgreSQL and Redis, alone or around a command
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct EmbeddedArgs {
    /// Run this with `SPLITCART_PRIVATE_DATABASE_URL` and `SPLITCART_PRIVATE_REDIS_URL` set, and
    /// end with its status. Without it, print both URLs as one line of JSON and run until the
    /// standard input ends.
    #[arg(last = true, value_name = "COMMAND")]
    command: Vec<OsString>,
}

/// Runs the services until the command, the standard input or a signal ends them.
pub async fn run(args: EmbeddedArgs, data_dir: Option<&Path>) -> anyhow::Result<ExitCode> {
    let mut signals = Signals::listen()?;
    // Tests and other short work may run several at a time.
    let temporary = (DataDir::Temporary, Memory::Little);
    let lasting = |dir: &Path| (DataDir::Explicit(dir.to_owned()), Memory::ByTheMachine);
    let (data_dir, memory) = data_dir.map_or(temporary, lasting);
    let mut services = tokio::select! {
        services = EmbeddedServices::start(Options { data_dir, memory }) => services?,
        name = signals.next() => return Ok(killed_by(name)),
    };
    let result = match args.command.split_first() {
        Some((program, arguments)) => {
            run_command(program, arguments, &mut services, &mut signals).await
        }
        None => wait_for_end(&mut services, &mut signals).await,
    };
    services.stop().await?;
    result
}

async fn wait_for_end(
    services: &mut EmbeddedServices,
    signals: &mut Signals,
) -> anyhow::Result<ExitCode> {
    let urls = serde_json::json!({
        "database_url": services.database_url(),
        "redis_url": services.redis_url(),
    });
    let mut stdout = io::stdout();
    writeln!(stdout, "{urls}")
        .and_then(|()| stdout.flush())
        .context("cannot print the URLs")?;
    tokio::select! {
        () = end_of_input() => Ok(ExitCode::SUCCESS),
        _ = signals.next() => Ok(ExitCode::SUCCESS),
        error = services.wait_for_failure() => Err(error.into()),
    }
}

async fn run_command(
    program: &OsString,
    arguments: &[OsString],
    services: &mut EmbeddedServices,
    signals: &mut Signals,
) -> anyhow::Result<ExitCode> {
    let mut child = Command::new(program)
        .args(arguments)
        .env("SPLITCART_PRIVATE_DATABASE_URL", services.database_url())
        .env("SPLITCART_PRIVATE_REDIS_URL", services.redis_url())
        .kill_on_drop(true)
        .spawn()
        .with_context(|| format!("cannot start {}", program.display()))?;
    let mut signalled = false;
    loop {
        tokio::select! {
            status = child.wait() => return Ok(exit_code(status?)),
            error = services.wait_for_failure() => return Err(error.into()),
            name = signals.next() => {
                // The command may take its time to end, but only once.
                forward(if signalled { SignalName::SIGKILL } else { name }, &child);
                signalled = true;
            }
        }
    }
}

/// A terminal sends Ctrl-C to the command itself; all other signals reach only us.
fn forward(name: SignalName, child: &Child) {
    if name == SignalName::SIGINT && io::stdin().is_terminal() {
        return;
    }
    if let Some(pid) = child.id().and_then(|pid| i32::try_from(pid).ok()) {
        let _ = kill(Pid::from_raw(pid), name);
    }
}

/// The status as a shell reports it: 128 and the signal for a command that a signal ended.
fn exit_code(status: ExitStatus) -> ExitCode {
    let code = status.code().or(status.signal().map(|signal| 128 + signal));
    ExitCode::from(code.and_then(|code| u8::try_from(code).ok()).unwrap_or(1))
}

fn killed_by(name: SignalName) -> ExitCode {
    exit_code(ExitStatus::from_raw(name as i32))
}

/// Resolves at the end of the standard input. It is read on a thread of its own: nothing can interrupt a read
/// that blocks, and the program need not wait for it.
async fn end_of_input() {
    let (ended, end) = oneshot::channel();
    std::thread::spawn(move || {
        let mut buffer = [0; 512];
        loop {
            match io::stdin().lock().read(&mut buffer) {
                Ok(0) => break,
                Err(error) if error.kind() != io::ErrorKind::Interrupted => break,
                _ => {}
            }
        }
        let _ = ended.send(());
    });
    let _ = end.await;
}

/// The signals that ask a program to end.
struct Signals {
    interrupt: Signal,
    terminate: Signal,
    hangup: Signal,
}

impl Signals {
    fn listen() -> io::Result<Self> {
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            hangup: signal(SignalKind::hangup())?,
        })
    }

    async fn next(&mut self) -> SignalName {
        tokio::select! {
            _ = self.interrupt.recv() => SignalName::SIGINT,
            _ = self.terminate.recv() => SignalName::SIGTERM,
            _ = self.hangup.recv() => SignalName::SIGHUP,
        }
    }
}

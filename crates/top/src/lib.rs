//! `splitcart top`: the live console in a terminal. It reads what the page `/ops` reads, from the private
//! listener, and changes nothing.
//!
//! | piece | file |
//! |---|---|
//! | what the service sends | `moment` |
//! | reading it, again and again | `stream` |
//! | numbers, times and words | `format` |
//! | the picture of a moment | `draw` |
//! | the terminal: keys, sizes, leaving it as it was | `screen` |

mod draw;
mod format;
mod moment;
mod screen;
mod stream;

use std::{io::IsTerminal, process::ExitCode};

use anyhow::{Context, bail};
use clap::Args;
use splitcart::config::Config;

use self::moment::Moment;

const EXAMPLES: &str = "\
Examples:
  splitcart top                                    the service of these settings
  splitcart top --url http://10.1.2.3:9090         another one, by its private listener
  splitcart top --once                             one look, as text
  splitcart top --once --json | jq .verdict        for a script

q quits. The same, with charts, is at /ops of the private listener in a browser.";

/// See in the terminal what the service does now
#[derive(Args, Clone, Debug)]
#[command(after_help = EXAMPLES)]
pub struct TopArgs {
    /// The private listener of the service [default: ops.addr]
    #[arg(long, value_name = "URL")]
    url: Option<String>,
    /// Print one look and end
    #[arg(long)]
    once: bool,
    /// With --once: print it as JSON
    #[arg(long, requires = "once")]
    json: bool,
}

/// The width of a look that is printed where no terminal is.
const PRINTED_WIDTH: u16 = 100;

/// Runs the command.
///
/// # Errors
/// The service can't be reached (with `--once`), or there is no terminal.
pub async fn run(args: TopArgs, config: &Config) -> anyhow::Result<ExitCode> {
    let url = args
        .url
        .unwrap_or_else(|| format!("http://{}", config.ops.addr));
    let url = url.trim_end_matches('/').to_owned();
    if args.once {
        let text = stream::snapshot(&url).await?;
        if args.json {
            println!("{text}");
        } else {
            let moment: Moment = serde_json::from_str(&text).context("no moment was sent")?;
            print!("{}", draw::as_text(&moment, &url, PRINTED_WIDTH));
        }
        return Ok(ExitCode::SUCCESS);
    }
    if !std::io::stdout().is_terminal() {
        bail!("there is no terminal here: `splitcart top --once` prints one look");
    }
    screen::run(url).await?;
    Ok(ExitCode::SUCCESS)
}

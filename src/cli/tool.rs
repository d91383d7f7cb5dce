//! Commands that are programs of their own: `splitcart seed` runs `splitcart-seed` from the directory of this
//! program, as cargo and git do.
//!
//! The service must not carry dependencies of tools, so each tool is built from a crate in `crates/`. Owns
//! the list of tools, their start from here ([`hand_over`]) and their own `main` ([`tool_main`]).

use std::{
    ffi::{OsStr, OsString},
    io,
    os::unix::process::CommandExt,
    path::PathBuf,
    process::{self, ExitCode},
};

use clap::{Args, FromArgMatches, Parser, Subcommand};

use crate::config::Config;

use super::{COMMANDS_FILTER, Common, explain, variables};

/// A command that is a program of its own.
#[derive(Debug)]
pub(super) struct Tool {
    name: &'static str,
    /// The package that has the program.
    package: &'static str,
    /// The status of a failed command. A command whose 1 is a result has another one.
    failure: u8,
}

const TOOLS: [Tool; 7] = [
    tool("audit", "splitcart-audit", 2),
    tool("demo", "splitcart-demo", 1),
    tool("import", "splitcart-catalogue", 2),
    tool("loadtest", "splitcart-loadtest", 1),
    tool("outbox", "splitcart-outbox", 2),
    tool("seed", "splitcart-catalogue", 1),
    tool("top", "splitcart-top", 1),
];

const fn tool(name: &'static str, package: &'static str, failure: u8) -> Tool {
    Tool {
        name,
        package,
        failure,
    }
}

impl Tool {
    fn named(name: &OsStr) -> Option<&'static Self> {
        TOOLS.iter().find(|tool| name == tool.name)
    }

    fn program(&self) -> String {
        format!("splitcart-{}", self.name)
    }
}

/// The beginning of any command line: common options, then the command with all that follows, unread.
#[derive(Parser)]
#[command(disable_help_flag = true, disable_help_subcommand = true)]
struct Beginning {
    #[command(flatten)]
    common: Common,
    #[command(subcommand)]
    command: Named,
}

#[derive(Subcommand)]
enum Named {
    #[command(external_subcommand)]
    Any(Vec<OsString>),
}

/// Becomes the tool that the arguments name, if they name one: its signals, streams and status are those of
/// the command. Returns only if they name none, or it can't be run.
pub(super) fn hand_over(arguments: impl Iterator<Item = OsString>) -> Option<ExitCode> {
    let Beginning { common, command } = Beginning::try_parse_from(arguments).ok()?;
    let Named::Any(words) = command;
    let (tool, rest) = match words.as_slice() {
        [help, name] if help == "help" => (Tool::named(name)?, vec!["--help".into()]),
        [name, rest @ ..] => (Tool::named(name)?, rest.to_vec()),
        [] => return None,
    };
    eprintln!("splitcart: {}", become_tool(tool, &common, rest));
    Some(ExitCode::from(tool.failure))
}

/// Runs the tool in the place of this program. Returns only an error.
fn become_tool(tool: &Tool, common: &Common, rest: Vec<OsString>) -> String {
    let (program, Tool { name, package, .. }) = (tool.program(), tool);
    let path = match program_beside(&program) {
        Ok(path) => path,
        Err(error) => return format!("can't find out where this program is: {error}"),
    };
    let error = process::Command::new(&path)
        .args(common.handed_on(&rest))
        .args(rest)
        .exec();
    if error.kind() == io::ErrorKind::NotFound {
        format!(
            "`splitcart {name}` is a program of its own, {program}, and there is none at {}; build it with \
             `cargo build --release -p {package}`, or copy it there",
            path.display()
        )
    } else {
        format!("can't run {}: {error}", path.display())
    }
}

impl Common {
    /// The options that stood before the command, but for those that it is given again.
    fn handed_on(&self, rest: &[OsString]) -> Vec<OsString> {
        let given = [("--config", &self.config), ("--data-dir", &self.data_dir)];
        let mut arguments = Vec::new();
        for (flag, value) in given {
            let is_flag = |argument: &OsString| {
                let text = argument.to_string_lossy();
                text.strip_prefix(flag)
                    .is_some_and(|value| value.is_empty() || value.starts_with('='))
            };
            if let Some(value) = value
                && !rest.iter().any(is_flag)
            {
                arguments.extend([flag.into(), value.into()]);
            }
        }
        arguments
    }
}

/// The path of a program in the directory of the running one.
///
/// # Errors
/// The system does not say where the running program is.
pub fn program_beside(name: &str) -> io::Result<PathBuf> {
    Ok(std::env::current_exe()?.with_file_name(name))
}

/// The start of a tool: everything that it works with besides its own options.
#[derive(Debug)]
pub struct Start {
    /// All settings.
    pub config: Config,
    /// The file that some of them are from.
    pub config_file: Option<PathBuf>,
    /// The directory of private servers' data, if the command line names it.
    pub data_dir: Option<PathBuf>,
}

/// The `main` of the tool with this name: reads the command line and the settings, starts logging, and reports
/// an error on stderr with what caused it.
pub fn tool_main<Options: Args>(
    name: &'static str,
    run: impl AsyncFnOnce(Options, Start) -> anyhow::Result<ExitCode>,
) -> ExitCode {
    let (common, options) = read::<Options>(name);
    match actix_rt::System::new().block_on(run_logged(common, options, run)) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("splitcart: {}", explain(&error));
            let tool = Tool::named(name.as_ref());
            tool.map_or(ExitCode::FAILURE, |tool| ExitCode::from(tool.failure))
        }
    }
}

async fn run_logged<Options>(
    common: Common,
    options: Options,
    run: impl AsyncFnOnce(Options, Start) -> anyhow::Result<ExitCode>,
) -> anyhow::Result<ExitCode> {
    let config = Config::load(common.config.as_deref(), variables())?;
    let _logging = crate::telemetry::start(&config.log, COMMANDS_FILTER)?;
    let start = Start {
        config,
        config_file: common.config,
        data_dir: common.data_dir,
    };
    run(options, start).await
}

/// Ends the process where the arguments are wrong or ask for help.
fn read<Options: Args>(name: &str) -> (Common, Options) {
    let mut matches = command::<Options>(name).get_matches();
    let parsed = Common::from_arg_matches_mut(&mut matches)
        .and_then(|common| Ok((common, Options::from_arg_matches_mut(&mut matches)?)));
    parsed.unwrap_or_else(|error| error.exit())
}

/// The command line as it is typed: `splitcart NAME`.
fn command<Options: Args>(name: &str) -> clap::Command {
    let command = clap::Command::new("splitcart")
        .bin_name(format!("splitcart {name}"))
        .max_term_width(100);
    // As in the help of the commands that are not tools: the command's own options first, and its description
    // instead of the common options'.
    let common = Common::augment_args(clap::Command::new("common"));
    Options::augment_args(command).args(common.get_arguments())
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn common(config: Option<&str>) -> Common {
        Common {
            config: config.map(PathBuf::from),
            data_dir: None,
        }
    }

    #[test]
    fn options_before_the_command_are_handed_on_unless_it_has_them_itself() {
        let on = |rest: &[&str]| {
            let rest: Vec<_> = rest.iter().map(OsString::from).collect();
            common(Some("a.toml")).handed_on(&rest)
        };
        assert_eq!(on(&["--vendors", "3"]), ["--config", "a.toml"]);
        assert_eq!(on(&["--configured"]), ["--config", "a.toml"]);
        assert!(on(&["--config", "b.toml"]).is_empty());
        assert!(on(&["--config=b.toml"]).is_empty());
    }

    #[test]
    fn whatever_follows_a_command_is_left_to_it() {
        let words = ["splitcart", "--config", "seed", "import", "--", "-a.csv"];
        let Beginning { common, command } = Beginning::try_parse_from(words).unwrap();
        assert_eq!(common.config.as_deref(), Some(Path::new("seed")));
        let Named::Any(words) = command;
        assert_eq!(words, ["import", "--", "-a.csv"]);
    }

    #[test]
    fn a_missing_tool_is_reported_with_its_place_and_how_to_build_it() {
        let tool = Tool::named("seed".as_ref()).unwrap();
        let error = become_tool(tool, &common(None), Vec::new());
        let here = std::env::current_exe().unwrap();
        let place = here.with_file_name("splitcart-seed");
        assert!(error.contains(&place.display().to_string()), "{error}");
        assert!(error.contains("-p splitcart-catalogue"), "{error}");
    }

    #[test]
    fn every_tool_is_a_listed_command() {
        let listed = <super::super::Cli as clap::CommandFactory>::command();
        for tool in &TOOLS {
            assert!(listed.find_subcommand(tool.name).is_some(), "{}", tool.name);
        }
    }
}

//! `splitcart import`: takes stores, people, products and stock from CSV and NDJSON files.
//!
//! Owns the command's options and the order of the files. The rules for a row are in `import_rules`, its
//! effect on the database in `db::import`, the transaction of a file in `load`.

mod columns;
mod json_object;
mod load;
mod mode;
mod reading;
mod records;
mod refused;
mod report;
mod rows;
mod source;

#[cfg(test)]
mod tests;

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::{Context, ensure};
use clap::Args;
use sqlx::{Connection, PgConnection};
use terminal::Screen;

use splitcart::{
    cli::{
        contract,
        services::{self, Services},
    },
    config::Config,
    db,
};

use crate::import_rules::Kind;

use self::{load::load, mode::Mode, refused::RefusedFile, report::Report, source::Source};

pub use source::FileFormat;

const EXAMPLES: &str = "\
Examples:
  splitcart import docs/examples                  all files of a directory, in the right order
  splitcart import products.csv stock.ndjson      some files; their names say their kinds
  splitcart import --dry-run --refused bad.ndjson products.csv
                                                  show what would change, write only the refused rows down
  splitcart import --keep-going stock.csv         take the good rows, in short transactions
  gunzip -c all.csv.gz | splitcart import --kind stock --format csv -

Importing a file again changes nothing: a row is inserted, or updated where it says something
else, and nothing is ever deleted. A file is imported whole or, if one of its rows is refused, not
at all; later files are then left alone. The columns are described in docs/import.md and by --columns.

The status is 0 if all rows went in, 1 if some were refused, 2 if the import could not be made.";

/// Take stores, people, products and stock from CSV and NDJSON files
#[derive(Args, Clone, Debug)]
#[command(after_help = EXAMPLES)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
pub struct ImportArgs {
    /// Files called after their rows, such as products.csv, or directories of them; - is standard
    /// input
    #[arg(required_unless_present = "columns", value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// The kind of the rows, whatever the file is called
    #[arg(long, value_parser = parse_kind)]
    pub kind: Option<Kind>,
    /// The format of the rows, whatever the file is called
    #[arg(long, value_enum)]
    pub format: Option<FileFormat>,
    /// Import the rows that are good, even if others are refused
    #[arg(long, conflicts_with = "dry_run")]
    pub keep_going: bool,
    /// Check everything and write nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Write every refused row to a file: a line of JSON each, with its problems
    #[arg(long, value_name = "FILE")]
    pub refused: Option<PathBuf>,
    /// Print what every column of every kind is, as Markdown, and do nothing else
    #[arg(long, exclusive = true)]
    pub columns: bool,
    /// Print the result as JSON instead of a table
    #[arg(long)]
    pub json: bool,
}

impl ImportArgs {
    fn mode(&self) -> Mode {
        match (self.dry_run, self.keep_going) {
            (true, _) => Mode::DryRun,
            (false, true) => Mode::KeepGoing,
            (false, false) => Mode::Whole,
        }
    }
}

fn parse_kind(name: &str) -> Result<Kind, String> {
    Kind::parse(name).ok_or_else(|| {
        let known = Kind::ALL.map(|kind| kind.spec().name).join(", ");
        format!("the kinds are {known}")
    })
}

/// Runs the command; the status says whether every row went in.
///
/// # Errors
/// PostgreSQL can't be reached, a file can't be used, or a statement failed.
pub async fn run(
    args: &ImportArgs,
    config: &Config,
    data_dir: Option<&Path>,
) -> anyhow::Result<ExitCode> {
    if args.columns {
        contract::print(&columns::markdown())?;
        return Ok(ExitCode::SUCCESS);
    }
    let sources = Source::all(&args.files, args.kind, args.format)?;
    let mut refused = RefusedFile::create(args.refused.as_deref(), &sources)?;
    let report = Services::during(config, data_dir, async |urls| {
        let mut connection = services::connect(&urls.database).await?;
        let missing = db::migrations::missing_migrations(&mut connection).await?;
        if missing > 0 {
            ensure!(
                config.database.migrate_on_start && !args.dry_run,
                "this database lacks {missing} of our migrations; run `splitcart migrate` first"
            );
            db::migrations::migrate(&mut connection).await?;
        }
        let screen = Screen::on_stderr();
        let report = import(
            &mut connection,
            &sources,
            args.mode(),
            &mut refused,
            &screen,
        )
        .await;
        screen.close();
        report
    })
    .await?;
    refused.finish()?;
    if args.json {
        println!("{:#}", report.to_json());
    } else {
        report.print();
    }
    if let Some(failure) = report.failure {
        return Err(failure);
    }
    Ok(if report.is_clean() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

async fn import(
    connection: &mut PgConnection,
    sources: &[Source],
    mode: Mode,
    refused: &mut RefusedFile,
    screen: &Screen,
) -> anyhow::Result<Report> {
    if mode != Mode::DryRun {
        return import_all(connection, sources, mode, refused, screen).await;
    }
    let mut transaction = connection.begin().await.context("could not begin")?;
    let report = import_all(&mut transaction, sources, mode, refused, screen).await?;
    transaction
        .rollback()
        .await
        .context("could not roll back")?;
    Ok(report)
}

async fn import_all(
    connection: &mut PgConnection,
    sources: &[Source],
    mode: Mode,
    refused: &mut RefusedFile,
    screen: &Screen,
) -> anyhow::Result<Report> {
    let mut report = Report::default();
    for source in sources {
        // Later files may refer to rows of the refused one.
        if mode == Mode::Whole && !report.is_clean() {
            report.left.push(source.name());
            continue;
        }
        match load(connection, source, mode, refused, screen).await {
            Ok(file) => report.files.push(file),
            Err(failure) => {
                // Earlier files stay imported, and are reported.
                report.failure = Some(failure);
                break;
            }
        }
    }
    Ok(report)
}

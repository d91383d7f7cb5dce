//! The other side: `textbook.sql`, driven by pgbench straight into the database while no
//! server of ours runs.

use std::{env, fs, path::PathBuf};

use anyhow::{Context, ensure};
use private_servers::EmbeddedServices;

use crate::{
    bench::child,
    compare::{cluster::Cluster, figures::Figure, options::Times, ours, pgbench_log, steps::Step},
    db::compare as db,
};

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/textbook.sql");
const LOG: &str = "pgbench";

/// The same carts as ours buys, the same database, as many connections as clients.
pub async fn measure(
    cluster: &mut Cluster,
    step: Step,
    times: Times,
    seed: u32,
) -> anyhow::Result<Figure> {
    let server = cluster.serve(&[]).await?;
    let carts = cluster.carts_for(step, times);
    ours::prepare(&server, step, carts, seed).await?;
    server.stop().await?;
    db::number_textbook_carts(cluster.connection()).await?;
    let before = db::bought(cluster.connection()).await?;
    let log = pgbench(cluster, step, times).await?;
    let after = db::bought(cluster.connection()).await?;

    let count = i64::try_from(log.lines().count())?;
    ensure!(
        (after.0 - before.0, after.1 - before.1) == (count, 3 * count),
        "pgbench has logged {count} transactions, but there are {} new groups and {} new lines",
        after.0 - before.0,
        after.1 - before.1
    );
    let figure = pgbench_log::figure(&log, times.warmup_s, times.seconds)?;
    cluster.has_reached(step, figure.per_second);
    Ok(figure)
}

async fn pgbench(cluster: &Cluster, step: Step, times: Times) -> anyhow::Result<String> {
    let clients = step.clients().to_string();
    let mut command = child::command(find(cluster.services())?);
    command
        .current_dir(cluster.files())
        // No vacuum, for there are none of its own tables; one thread is plenty for 64 connections.
        .args(["--no-vacuum", "--protocol=prepared", "--jobs=1", "--log"])
        .arg(format!("--log-prefix={LOG}"))
        .arg(format!("--file={SCRIPT}"))
        .args(["--client", &clients])
        .args(["--time", &times.all_seconds().to_string()])
        .args(["--define", &format!("clients={clients}")])
        .args(["--define", "turn=0"])
        .args(["--define", &format!("body={}", cluster.answer())])
        .arg(cluster.services().database_url());
    remove_logs(cluster)?;
    child::run(&mut command, |_| {})
        .await?
        .stdout_if_ok("pgbench (a client that has no cart left gives up)")?;
    let log = logs(cluster)?.pop().context("pgbench has left no log")?;
    Ok(fs::read_to_string(log)?)
}

fn remove_logs(cluster: &Cluster) -> anyhow::Result<()> {
    for log in logs(cluster)? {
        fs::remove_file(log)?;
    }
    Ok(())
}

/// It puts its process id behind the name.
fn logs(cluster: &Cluster) -> anyhow::Result<Vec<PathBuf>> {
    let files = fs::read_dir(cluster.files())?.collect::<Result<Vec<_>, _>>()?;
    let is_log = |path: &PathBuf| path.file_stem().is_some_and(|stem| stem == LOG);
    Ok(files
        .iter()
        .map(fs::DirEntry::path)
        .filter(is_log)
        .collect())
}

/// The directory of PostgreSQL's other programs; without it they are on `PATH`.
fn find(services: &EmbeddedServices) -> anyhow::Result<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let beside = services.postgres_programs().to_owned();
    let mut directories = std::iter::once(beside).chain(env::split_paths(&path));
    directories
        .find_map(|directory| Some(directory.join("pgbench")).filter(|it| it.is_file()))
        .context(
            "pgbench is not installed: Debian has it in the package postgresql, others in \
             postgresql-contrib",
        )
}

//! A stock of 100 and 5,000 buyers who all come at once.

use crate::compare::{cluster::Cluster, figures::Crowd, ours};

const BUYERS: u32 = 5000;
const STOCK: u32 = 100;

/// Each buyer wants one unit of the same product, and tries again a moment after a refusal until the answer
/// is final: bought, or sold out.
pub async fn measure(cluster: &mut Cluster, seed: u32) -> anyhow::Result<Crowd> {
    let server = cluster.serve(&[]).await?;
    let arguments = format!(
        "--clients {BUYERS} --count {BUYERS} --lines 1 --qty 1 --hot-share 1 --hot-stock {STOCK} \
         --retry-refused jitter --seed {seed}"
    );
    let report = ours::load(&server, &arguments, |_| {}).await?;
    server.stop().await?;
    // A buyer with any other answer does not know the outcome yet; that is a figure, too.
    for complaint in &report.complaints {
        eprintln!("  the load test complains: {complaint}");
    }
    let answered = report.outcomes.iter().filter(|it| it.status == 201);
    Ok(Crowd {
        answered: answered.map(|it| it.count).sum(),
        answered_within_s: report.seconds,
        units_sold: report.stock.hot.units,
        refusals: report.refused(),
    })
}

//! Rounds: every step in turn, again and again.

use anyhow::Context;

use crate::compare::{
    cluster::Cluster,
    crowd,
    figures::{Figure, Round},
    large,
    options::Times,
    ours, overload,
    plan::Plan,
    report,
    steps::Step,
    textbook,
};

/// One checkout in a transaction, as anybody else does it.
const UNBATCHED: [(&str, &str); 2] = [
    ("SPLITCART_BATCH_MAX", "1"),
    ("SPLITCART_BATCH_MIN_IN_PARALLEL", "1"),
];

/// The catalogues, each in a cluster of its own. While one is measured the other is idle.
pub struct Clusters {
    pub usual: Cluster,
    pub large: Option<Cluster>,
}

/// Measures all rounds.
pub async fn run(clusters: &mut Clusters, plan: &Plan) -> anyhow::Result<Vec<Round>> {
    let mut rounds = Vec::new();
    for number in 1..=plan.rounds {
        let mut round = Round::default();
        for step in &plan.steps {
            eprintln!("round {number} of {}: {} …", plan.rounds, step.name());
            measure(clusters, *step, plan.times, number, &mut round)
                .await
                .with_context(|| step.name())?;
            eprintln!("  {}", report::step_line(*step, &round));
        }
        if let Some(large) = &mut clusters.large
            && number == plan.rounds
        {
            eprintln!("letting vendors' actors rest …");
            round.put_away = Some(large::put_away(large, number).await?);
        }
        report::print_round(number, &plan.steps, &round);
        rounds.push(round);
    }
    Ok(rounds)
}

/// The number of the round is the seed of the carts: all steps of a round have the same ones.
async fn measure(
    clusters: &mut Clusters,
    step: Step,
    times: Times,
    number: u32,
    round: &mut Round,
) -> anyhow::Result<()> {
    let cluster = &mut clusters.usual;
    let figure = match step {
        Step::TextbookSpread | Step::TextbookHot | Step::TextbookOne => {
            textbook::measure(cluster, step, times, number).await?
        }
        Step::Unbatched => serve_and_measure(cluster, &UNBATCHED, step, times, number).await?,
        Step::Spread | Step::Hot | Step::CartPut | Step::CartGet | Step::One => {
            serve_and_measure(cluster, &[], step, times, number).await?
        }
        Step::Large => {
            let cluster = clusters.large.as_mut();
            let cluster = cluster.context("there is no large catalogue")?;
            let (figure, large) = large::measure(cluster, times, number).await?;
            round.large = Some(large);
            figure
        }
        Step::Crowd => {
            round.crowd = Some(crowd::measure(cluster, number).await?);
            return Ok(());
        }
        Step::Overload => {
            let usual = round.figure(Step::Spread);
            let usual = usual.context("an overload is twice the spread rate")?;
            round.overload = Some(overload::measure(cluster, times, number, usual).await?);
            return Ok(());
        }
    };
    round.figures.insert(step, figure);
    Ok(())
}

async fn serve_and_measure(
    cluster: &mut Cluster,
    settings: &[(&str, &str)],
    step: Step,
    times: Times,
    number: u32,
) -> anyhow::Result<Figure> {
    let server = cluster.serve(settings).await?;
    let carts = cluster.carts_for(step, times);
    let figure = ours::measure(&server, step, carts, times, number).await?;
    server.stop().await?;
    cluster.has_reached(step, figure.per_second);
    Ok(figure)
}

//! The plot of a long run: rates, lag, and the size of the outbox, one above the other.

use plotters::{coord::Shift, prelude::*};
use serde::Serialize;

use crate::chart::{BLUE, Drawn, FONT, GREY, Line, ORANGE, PURPLE, Picture, RED, TITLE, chart};

use super::samples::Sample;

/// A long run.
#[derive(Debug, Serialize)]
pub struct Soak {
    pub sinks: Vec<&'static str>,
    pub samples: Vec<Sample>,
}

impl Soak {
    fn line(
        &self,
        name: &'static str,
        colour: RGBColor,
        of: impl Fn(&Sample) -> Option<f64>,
    ) -> Line {
        let point = |sample: &Sample| Some((sample.at_s, of(sample)?));
        Line {
            name,
            colour,
            points: self.samples.iter().filter_map(point).collect(),
        }
    }

    /// A line at the bottom for as long as the snapshot is open.
    fn snapshot(&self) -> Line {
        self.line("snapshot open", GREY, |it| {
            it.is_snapshot_open.then_some(0.0)
        })
    }
}

impl Picture for Soak {
    fn charts<B: DrawingBackend>(&self, area: &DrawingArea<B, Shift>) -> Drawn<B> {
        area.fill(&WHITE)?;
        let style = (FONT, TITLE).into_font();
        let area = area
            .margin(10, 10, 10, 20)
            .titled("events over time", style)?;
        let parts = area.split_evenly((4, 1));
        let seconds = self.samples.last().map_or(1.0, |last| last.at_s).max(1.0);
        let rates = [
            self.line("events", BLUE, |it| Some(it.events_per_s)),
            self.line("checkouts", ORANGE, |it| Some(it.checkouts_per_s)),
            self.snapshot(),
        ];
        let colours = [BLUE, ORANGE, PURPLE];
        let lags = self.sinks.iter().zip(colours).map(|(sink, colour)| {
            self.line(sink, colour, |it| {
                it.sinks.get(*sink).map(|lag| lag.oldest_s)
            })
        });
        let lags: Vec<_> = lags.chain([self.snapshot()]).collect();
        let sizes = [
            self.line("outbox, with indexes", RED, |it| Some(it.outbox_mb)),
            self.line("index of what is unpublished", PURPLE, |it| {
                Some(it.index_mb)
            }),
            self.snapshot(),
        ];
        let times = [
            self.line("mean of checkouts", BLUE, |it| {
                (it.checkouts_per_s > 0.0).then_some(it.checkout_ms)
            }),
            self.snapshot(),
        ];
        chart(&parts[0], "a second", seconds, &rates)?;
        chart(&parts[1], "lag in s", seconds, &lags)?;
        chart(&parts[2], "MB", seconds, &sizes)?;
        chart(&parts[3], "ms", seconds, &times)?;
        area.present()
    }
}

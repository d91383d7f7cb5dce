//! What `splitcart audit` shows while it works: a bar on a terminal, plain lines elsewhere once it
//! takes long. It only shows.

use std::{
    io::{IsTerminal, stderr},
    time::{Duration, Instant},
};

use indicatif::{ProgressBar, ProgressStyle};

use super::Progress;

const TEMPLATE: &str = "{msg:26} {bar:32} {pos}/{len} rules, {elapsed} so far";

/// An audit that is done sooner has nothing to tell a log but its result.
const QUIET: Duration = Duration::from_secs(2);

/// How often the time is shown anew while one rule takes long.
const TICK: Duration = Duration::from_millis(200);

/// Where progress goes.
pub(super) enum Screen {
    Bar(ProgressBar),
    Lines { started: Instant },
}

impl Screen {
    /// A bar if stderr is a terminal. A log gets a line per rule instead.
    pub(super) fn on_stderr() -> Self {
        if !stderr().is_terminal() {
            return Self::Lines {
                started: Instant::now(),
            };
        }
        let style = ProgressStyle::with_template(TEMPLATE)
            .expect("the template is constant and a test parses it");
        let bar = ProgressBar::new(0).with_style(style);
        bar.enable_steady_tick(TICK);
        Self::Bar(bar)
    }

    pub(super) fn show(&self, progress: Progress) {
        match self {
            Self::Bar(bar) => {
                bar.set_length(progress.total as u64);
                bar.set_message(progress.rule.code);
                bar.set_position(progress.done as u64);
            }
            Self::Lines { started } if started.elapsed() >= QUIET => {
                eprintln!(
                    "checking {} ({} of {})",
                    progress.rule.code,
                    progress.done + 1,
                    progress.total
                );
            }
            Self::Lines { .. } => {}
        }
    }

    pub(super) fn close(&self) {
        if let Self::Bar(bar) = self {
            bar.finish_and_clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_template_of_the_bar_parses() {
        assert!(ProgressStyle::with_template(TEMPLATE).is_ok());
    }
}

//! What `splitcart import` shows while it works: a bar on a terminal, plain lines elsewhere. It only
//! shows.

use std::{
    io::{IsTerminal, stderr},
    time::Duration,
};

use indicatif::{HumanCount, ProgressBar, ProgressStyle};

use crate::domain::import::Kind;

use super::source::Source;

const READING: &str = "{msg:30} {bar:32} {bytes}/{total_bytes}, {elapsed} so far, {eta} left";
const WORKING: &str = "{spinner} {msg}, {elapsed} so far";

/// How often the time is shown anew while a statement takes long.
const TICK: Duration = Duration::from_millis(200);

/// Where progress goes.
pub enum Screen {
    /// To a person.
    Bar(ProgressBar),
    /// To a log.
    Lines,
}

impl Screen {
    /// A bar if stderr is a terminal. A log gets a line per step instead.
    pub fn on_stderr() -> Self {
        if !stderr().is_terminal() {
            return Self::Lines;
        }
        let bar = ProgressBar::new(0);
        bar.enable_steady_tick(TICK);
        Self::Bar(bar)
    }

    pub(super) fn reading(&self, source: &Source) {
        let (name, bytes) = (source.name(), source.len());
        match self {
            Self::Bar(bar) => {
                let template = if bytes.is_some() { READING } else { WORKING };
                bar.set_message(format!("reading {name}"));
                bar.set_length(bytes.unwrap_or(0));
                bar.set_position(0);
                bar.reset_elapsed();
                bar.set_style(style(template));
            }
            Self::Lines => eprintln!("reading {name}"),
        }
    }

    pub(super) fn read(&self, bytes: u64) {
        if let Self::Bar(bar) = self {
            bar.set_position(bytes);
        }
    }

    pub(super) fn applying(&self, kind: Kind, rows: u64) {
        let name = kind.spec().name;
        let message = format!("checking and writing {name} ({})", HumanCount(rows));
        match self {
            Self::Bar(bar) => {
                bar.set_style(style(WORKING));
                bar.reset_elapsed();
                bar.set_message(message);
            }
            Self::Lines => eprintln!("{message}"),
        }
    }

    pub(super) fn close(&self) {
        if let Self::Bar(bar) = self {
            bar.finish_and_clear();
        }
    }
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).expect("the template is constant and a test parses it")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_templates_of_the_bar_parse() {
        for template in [READING, WORKING] {
            assert!(ProgressStyle::with_template(template).is_ok());
        }
    }
}

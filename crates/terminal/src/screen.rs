//! Progress: one changing line on a terminal, plain lines elsewhere.

use std::{
    borrow::Cow,
    io::{IsTerminal, stderr},
    time::Duration,
};

use indicatif::{ProgressBar, ProgressStyle};

use crate::table::count;

const THINGS: &str = "{msg:30} {bar:32} {human_pos}/{human_len}, {elapsed} so far, {eta} left";
const BYTES: &str = "{msg:30} {bar:32} {bytes}/{total_bytes}, {elapsed} so far, {eta} left";
const WORK: &str = "{spinner} {msg}, {elapsed} so far";
const TEXT: &str = "{spinner} {msg}";

/// The pause after which the time is shown anew while nothing else changes.
const TICK: Duration = Duration::from_millis(200);

/// The place where progress is shown. Cloning shares it.
#[derive(Clone, Debug)]
pub struct Screen(Option<ProgressBar>);

impl Screen {
    /// A bar if stderr is a terminal, lines if it is not.
    pub fn on_stderr() -> Self {
        let is_terminal = stderr().is_terminal();
        Self(is_terminal.then(|| ProgressBar::new(0).with_style(style(THINGS))))
    }

    /// Begins a step that handles `total` things. A log gets a line, if there is anything to do.
    pub fn begin(&self, what: impl Into<Cow<'static, str>>, total: u64) {
        let what = what.into();
        match &self.0 {
            Some(bar) => restart(bar, THINGS, what, total),
            None if total > 0 => eprintln!("{what} ({})", count(total)),
            None => {}
        }
    }

    /// Begins a step that reads `total` bytes, if their number is known. A log gets a line.
    pub fn begin_bytes(&self, what: impl Into<Cow<'static, str>>, total: Option<u64>) {
        let what = what.into();
        match (&self.0, total) {
            (Some(bar), Some(total)) => restart(bar, BYTES, what, total),
            (Some(bar), None) => restart(bar, WORK, what, 0),
            (None, _) => eprintln!("{what}"),
        }
    }

    /// Begins a step of unknown length. A log gets a line.
    pub fn begin_work(&self, what: impl Into<Cow<'static, str>>) {
        let what = what.into();
        match &self.0 {
            Some(bar) => restart(bar, WORK, what, 0),
            None => eprintln!("{what}"),
        }
    }

    /// Moves the bar within the step.
    pub fn at(&self, done: u64) {
        if let Some(bar) = &self.0 {
            bar.set_position(done);
        }
    }

    /// Moves the bar and names the current work, without a new step.
    pub fn show(&self, what: impl Into<Cow<'static, str>>, done: u64, total: u64) {
        if let Some(bar) = &self.0 {
            bar.enable_steady_tick(TICK);
            bar.set_length(total);
            bar.set_message(what);
            bar.set_position(done);
        }
    }

    /// Shows a sentence, on a terminal and in a log.
    pub fn say(&self, text: String) {
        match &self.0 {
            Some(bar) => {
                // A caller that says a sentence each second needs no clock, and may need the machine's time.
                bar.disable_steady_tick();
                bar.set_style(style(TEXT));
                bar.set_message(text);
                bar.tick();
            }
            None => eprintln!("{text}"),
        }
    }

    /// True on a terminal: a changing line may show steps that would only fill a log.
    pub fn is_watched(&self) -> bool {
        self.0.is_some()
    }

    /// Removes the bar at the end.
    pub fn close(&self) {
        if let Some(bar) = &self.0 {
            bar.finish_and_clear();
        }
    }
}

fn restart(bar: &ProgressBar, template: &str, what: Cow<'static, str>, total: u64) {
    bar.set_style(style(template));
    bar.reset();
    bar.set_length(total);
    bar.set_message(what);
    bar.enable_steady_tick(TICK);
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template)
        .expect("the templates are constant and a test parses them")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_templates_parse() {
        for template in [THINGS, BYTES, WORK, TEXT] {
            assert!(ProgressStyle::with_template(template).is_ok());
        }
    }
}

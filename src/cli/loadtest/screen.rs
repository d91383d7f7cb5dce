//! What is shown while a test is prepared and runs: one changing line on a terminal, plain lines
//! elsewhere. It only shows, and only on stderr.

use std::io::{IsTerminal, stderr};

use indicatif::{HumanCount, ProgressBar, ProgressStyle};

const STEPS: &str = "{msg:12} {bar:32} {human_pos}/{human_len}, {elapsed} so far";
const TEXT: &str = "{spinner} {msg}";

/// Where progress goes. Cloning shares it.
#[derive(Clone, Debug)]
pub struct Screen(Option<ProgressBar>);

impl Screen {
    /// One changing line if stderr is a terminal.
    pub fn on_stderr() -> Self {
        Self(stderr().is_terminal().then(|| ProgressBar::new(0)))
    }

    /// So many things are about to be prepared.
    pub fn begin(&self, what: &'static str, count: u64) {
        match &self.0 {
            Some(bar) => {
                bar.set_style(style(STEPS));
                bar.reset();
                bar.set_length(count);
                bar.set_message(what);
            }
            None if count > 0 => eprintln!("preparing {} {what} …", HumanCount(count)),
            None => {}
        }
    }

    /// So many of them are.
    pub fn at(&self, done: u64) {
        if let Some(bar) = &self.0 {
            bar.set_position(done);
        }
    }

    /// How it goes.
    pub fn say(&self, text: String) {
        match &self.0 {
            Some(bar) => {
                bar.set_style(style(TEXT));
                bar.set_message(text);
                bar.tick();
            }
            None => eprintln!("{text}"),
        }
    }

    /// A rule is being checked, which is no news for a log.
    pub fn at_rule(&self, code: &str) {
        if self.0.is_some() {
            self.say(format!("checking {code}"));
        }
    }

    /// Nothing more comes.
    pub fn close(&self) {
        if let Some(bar) = &self.0 {
            bar.finish_and_clear();
        }
    }
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
        for template in [STEPS, TEXT] {
            assert!(ProgressStyle::with_template(template).is_ok());
        }
    }
}

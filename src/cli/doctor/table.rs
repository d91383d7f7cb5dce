//! The report of `splitcart doctor` for people: grouped, aligned, wrapped.

use std::fmt::Write;

use crate::doctor::report::{Line, State};

/// The width that texts are wrapped to.
const WIDTH: usize = 108;
/// The width of the state, with the space around it.
const STATE_WIDTH: usize = 12;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Colours {
    On,
    Off,
}

pub(super) fn of(all: &[Line], colours: Colours) -> String {
    let lines = folded(all);
    let names: Vec<_> = lines
        .iter()
        .map(|(line, more)| name_of(line, *more))
        .collect();
    let widest = names.iter().map(String::len).max().unwrap_or(0);
    let indent = STATE_WIDTH + widest + 2;
    let mut text = String::new();
    let mut group = "";
    for ((line, _), name) in lines.iter().zip(&names) {
        if line.group() != group {
            let gap = if group.is_empty() { "" } else { "\n" };
            group = line.group();
            add(
                &mut text,
                format_args!("{gap}{}\n", painted(title_of(group), "1", colours)),
            );
        }
        let state = format!("{:<9}", line.state);
        let state = painted(&state, colour_of(line.state), colours);
        let found = wrapped(&line.found, indent, "");
        add(
            &mut text,
            format_args!("  {state} {name:<widest$}  {found}\n"),
        );
        if let Some(what_to_do) = &line.what_to_do {
            let margin = " ".repeat(indent);
            add(
                &mut text,
                format_args!("{margin}{}\n", wrapped(what_to_do, indent, "-> ")),
            );
        }
    }
    add(&mut text, format_args!("\n{}\n", summary(all)));
    text
}

/// Leaves out the lines that follow another one which could not be looked at for the same reason; returns the
/// number of lines that each stands for besides itself.
fn folded(lines: &[Line]) -> Vec<(&Line, usize)> {
    let mut folded: Vec<(&Line, usize)> = Vec::new();
    for line in lines {
        match folded.last_mut() {
            Some((first, more))
                if line.state == State::NotSeen
                    && (first.state, first.group(), &first.subject, &first.found)
                        == (line.state, line.group(), &line.subject, &line.found) =>
            {
                *more += 1;
            }
            _ => folded.push((line, 0)),
        }
    }
    folded
}

fn add(text: &mut String, written: std::fmt::Arguments<'_>) {
    text.write_fmt(written)
        .expect("writing to a string can't fail");
}

fn name_of(line: &Line, more: usize) -> String {
    match (&line.subject, more) {
        (_, 1..) => format!("{} and {more} more", line.id),
        (Some(subject), _) => format!("{} ({subject})", line.id),
        (None, _) => line.id.to_owned(),
    }
}

fn title_of(group: &str) -> &str {
    match group {
        "configuration" => "Configuration",
        "machine" => "This machine",
        "files" => "Keys and certificates",
        "postgresql" => "PostgreSQL",
        "redis" => "Redis of keys and first answers",
        "sink" => "Sinks of events",
        other => other,
    }
}

/// SGR parameters (ECMA-48).
fn colour_of(state: State) -> &'static str {
    match state {
        State::Well => "32",
        State::NotWell => "1;31",
        State::NotSeen => "33",
    }
}

fn painted(text: &str, colour: &str, colours: Colours) -> String {
    match colours {
        Colours::On => format!("\x1b[{colour}m{text}\x1b[0m"),
        Colours::Off => text.to_owned(),
    }
}

/// Breaks a text between words; later lines are indented. A control character in it may be a server's: it must
/// not reach the terminal.
fn wrapped(text: &str, indent: usize, mark: &str) -> String {
    let room = WIDTH.saturating_sub(indent + mark.len()).max(30);
    let clean: String = text
        .chars()
        .map(|letter| if letter.is_control() { ' ' } else { letter })
        .collect();
    let mut wrapped = mark.to_owned();
    let mut used = 0;
    for word in clean.split_whitespace() {
        let length = word.chars().count();
        if used > 0 && used + 1 + length > room {
            wrapped.push('\n');
            wrapped.push_str(&" ".repeat(indent + mark.len()));
            used = 0;
        } else if used > 0 {
            wrapped.push(' ');
            used += 1;
        }
        wrapped.push_str(word);
        used += length;
    }
    wrapped
}

fn summary(lines: &[Line]) -> String {
    let count = |state| lines.iter().filter(|line| line.state == state).count();
    let (well, not_well, not_seen) = (
        count(State::Well),
        count(State::NotWell),
        count(State::NotSeen),
    );
    let unseen = match not_seen {
        0 => String::new(),
        1 => "; 1 could not be looked at".to_owned(),
        more => format!("; {more} could not be looked at"),
    };
    match not_well {
        0 if not_seen == 0 => format!("All is well: {well} lines."),
        0 => format!("Nothing that was looked at is wrong: {well} lines{unseen}."),
        1 => format!("1 line is not well, {well} are{unseen}."),
        more => format!("{more} lines are not well, {well} are{unseen}."),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines() -> Vec<Line> {
        vec![
            Line::well("machine.open_files", "enough"),
            Line::not_well("sink.takes_events", "word ".repeat(40), "do \u{1b}[31mthis")
                .about("stream"),
        ]
    }

    #[test]
    fn texts_are_aligned_and_wrapped() {
        let text = of(&lines(), Colours::Off);
        assert!(
            text.starts_with("This machine\n  well      machine.open_files          "),
            "{text}"
        );
        assert!(text.lines().all(|line| line.len() <= WIDTH), "{text}");
        assert!(text.ends_with("\n1 line is not well, 1 are.\n"), "{text}");
    }

    #[test]
    fn lines_that_are_not_seen_for_one_reason_are_one() {
        let unseen = |id| Line::not_seen(id, "it is away");
        let lines = [
            unseen("redis.role"),
            unseen("redis.clock"),
            unseen("sink.role"),
        ];
        let text = of(&lines, Colours::Off);
        assert!(
            text.contains("redis.role and 1 more") && !text.contains("redis.clock"),
            "{text}"
        );
        assert!(
            text.ends_with(
                "Nothing that was looked at is wrong: 0 lines; 3 could not be looked at.\n"
            ),
            "{text}"
        );
    }

    #[test]
    fn only_colours_that_are_asked_for_reach_the_terminal() {
        assert!(!of(&lines(), Colours::Off).contains('\x1b'));
        let coloured = of(&lines(), Colours::On);
        assert!(
            coloured.contains("\x1b[1;31mNOT WELL \x1b[0m"),
            "{coloured:?}"
        );
        assert!(!coloured.contains("\x1b[31mthis"), "{coloured:?}");
    }
}

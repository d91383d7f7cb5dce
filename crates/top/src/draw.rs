//! The picture of a moment: what fits into 80 columns and 24 lines, the most important first.

use std::collections::VecDeque;

use ratatui::{
    Frame, Terminal,
    backend::TestBackend,
    layout::{Constraint, Layout, Rect},
    style::{Color, Modifier, Style},
    text::{Line, Span},
    widgets::{Paragraph, Sparkline, Wrap},
};

use crate::{
    format::{duration, known_duration, number},
    moment::{Dependency, Moment, State},
};

/// What is shown.
#[derive(Debug)]
pub struct View {
    pub url: String,
    pub moment: Option<Moment>,
    /// Checkouts a second, the newest last.
    pub rates: VecDeque<f64>,
    pub lost_because: Option<String>,
}

/// The most problems that are listed.
const PROBLEMS_MAX: u16 = 5;
/// The width of the names of stages, and of a value beside them.
const STAGE_NAME: usize = 12;
const STAGE_VALUE: usize = 9;

const QUIET: Style = Style::new().fg(Color::DarkGray);
const STRONG: Style = Style::new().add_modifier(Modifier::BOLD);

/// Draws what is known.
pub fn draw(frame: &mut Frame<'_>, view: &View) {
    let area = frame.area();
    let [title, verdict, tiles, middle, rates, footer] = Layout::vertical([
        Constraint::Length(1),
        Constraint::Length(3 + listed(view)),
        Constraint::Length(3),
        Constraint::Min(0),
        Constraint::Length(if area.height >= 24 { 3 } else { 0 }),
        Constraint::Length(1),
    ])
    .areas(area);
    let Some(moment) = &view.moment else {
        let text = match &view.lost_because {
            Some(reason) => format!("{} can't be read ({reason}); trying again", view.url),
            None => format!("Waiting for {}", view.url),
        };
        frame.render_widget(Paragraph::new(text).wrap(Wrap { trim: true }), area);
        return;
    };
    frame.render_widget(title_line(view, moment), title);
    frame.render_widget(verdict_text(moment), verdict);
    frame.render_widget(Paragraph::new(tile_lines(moment)), tiles);
    let [hottest, way] =
        Layout::horizontal([Constraint::Fill(3), Constraint::Fill(2)]).areas(middle);
    let hottest = hottest.inner(ratatui::layout::Margin::new(0, 0));
    frame.render_widget(Paragraph::new(hottest_lines(moment, hottest)), hottest);
    frame.render_widget(Paragraph::new(way_lines(moment, way)), way);
    draw_rates(frame, view, rates);
    frame.render_widget(
        Line::styled("q quits · charts are at /ops in a browser", QUIET),
        footer,
    );
}

/// The picture as plain text, without empty lines at its end.
pub fn as_text(moment: &Moment, url: &str, width: u16) -> String {
    let view = View {
        url: url.to_owned(),
        moment: Some(moment.clone()),
        rates: VecDeque::new(),
        lost_because: None,
    };
    let mut terminal = Terminal::new(TestBackend::new(width, 21)).expect("memory can be drawn to");
    let drawn = terminal.draw(|frame| draw(frame, &view));
    let buffer = drawn.expect("memory can be drawn to").buffer.clone();
    let width = usize::from(width);
    let lines = buffer.content().chunks(width).map(|cells| {
        let line: String = cells.iter().map(ratatui::buffer::Cell::symbol).collect();
        line.trim_end().to_owned()
    });
    // The last line is about keys.
    let lines: Vec<_> = lines.filter(|line| !line.starts_with("q quits")).collect();
    lines.join("\n").trim_end().to_owned() + "\n"
}

fn title_line(view: &View, moment: &Moment) -> Line<'static> {
    let up = duration((moment.at_ms - moment.began_at_ms) as f64);
    let place = format!("splitcart {} at {}, up for {up}", moment.version, view.url);
    let mut spans = vec![Span::styled(place, QUIET)];
    if let Some(reason) = &view.lost_because {
        let lost = format!("  ✕ connection lost ({reason})");
        spans.push(Span::styled(lost, STRONG.fg(Color::Red)));
    }
    Line::from(spans)
}

fn mark(state: State) -> (&'static str, Color) {
    match state {
        State::Well => ("●", Color::Green),
        State::Warning => ("▲", Color::Yellow),
        State::Bad => ("■", Color::Red),
    }
}

/// The number of problems that have lines of their own: none if the sentence names the only one.
fn listed(view: &View) -> u16 {
    let problems = view
        .moment
        .as_ref()
        .map_or(0, |it| it.verdict.problems.len());
    match problems {
        0 | 1 => 0,
        more => u16::try_from(more)
            .unwrap_or(PROBLEMS_MAX)
            .min(PROBLEMS_MAX),
    }
}

fn verdict_text(moment: &Moment) -> Paragraph<'static> {
    let verdict = &moment.verdict;
    let (sign, colour) = mark(verdict.state);
    let since = duration((moment.at_ms - verdict.since_ms) as f64);
    let line = Line::from(vec![
        Span::styled(format!("{sign} "), Style::new().fg(colour)),
        Span::styled(verdict.text.clone(), STRONG),
        Span::styled(format!("  for {since}"), QUIET),
    ]);
    let mut lines = vec![line];
    if verdict.problems.len() > 1 {
        for problem in verdict.problems.iter().take(PROBLEMS_MAX.into()) {
            let (sign, colour) = mark(problem.state);
            lines.push(Line::from(vec![
                Span::styled(format!("  {sign} "), Style::new().fg(colour)),
                Span::raw(problem.text.clone()),
            ]));
        }
    }
    Paragraph::new(lines).wrap(Wrap { trim: false })
}

fn tile_lines(moment: &Moment) -> Vec<Line<'static>> {
    let now = &moment.headline;
    let value = |label: &str, value: String, is_bad: bool| {
        let style = if is_bad {
            STRONG.fg(Color::Red)
        } else {
            STRONG
        };
        [
            Span::styled(format!("{label} "), QUIET),
            Span::styled(format!("{value}   "), style),
        ]
    };
    let oldest_s = moment
        .sinks
        .iter()
        .map(|it| it.oldest_s)
        .fold(0.0, f64::max);
    let waiting: f64 = moment.sinks.iter().map(|it| it.waiting).sum();
    let dead: f64 = moment.sinks.iter().map(|it| it.dead).sum();
    let down = moment.sinks.iter().find(|it| it.down_because.is_some());
    let first = [
        value("checkouts/s", number(now.created_per_s), false),
        value("half within", known_duration(now.p50_ms), false),
        value("99 of 100 within", known_duration(now.p99_ms), false),
    ];
    let queue = format!(
        "{} of {}",
        number(now.queue_depth),
        number(moment.limits.queue_max)
    );
    let second = [
        value(
            "refused/s",
            number(now.refused_per_s),
            now.refused_per_s > 0.0,
        ),
        value(
            "failing/s",
            number(now.failed_per_s),
            now.failed_per_s > 0.0,
        ),
        value("waiting", queue, false),
        value("busy rows", number(moment.figure("rows.held")), false),
    ];
    let sinks = match down {
        Some(sink) => value("sink", format!("{} takes no events", sink.name), true),
        None => value("oldest event", duration(oldest_s * 1e3), false),
    };
    let third = [
        server("PostgreSQL", &moment.postgresql),
        server("Redis", &moment.redis),
        sinks,
        value("events waiting", number(waiting), false),
        value("dead", number(dead), dead > 0.0),
    ];
    let line = |spans: &[[Span<'static>; 2]]| Line::from(spans.concat());
    vec![line(&first), line(&second), line(&third)]
}

fn server(name: &str, dependency: &Dependency) -> [Span<'static>; 2] {
    let (text, style) = match &dependency.problem {
        None => ("● answers   ".to_owned(), Style::new().fg(Color::Green)),
        Some(problem) => (format!("■ {problem}   "), STRONG.fg(Color::Red)),
    };
    [
        Span::styled(format!("{name} "), QUIET),
        Span::styled(text, style),
    ]
}

fn hottest_lines(moment: &Moment, area: Rect) -> Vec<Line<'static>> {
    let width = usize::from(area.width);
    // The three numbers and the rank, with spaces between.
    let room = width.saturating_sub(3 + 8 + 8 + 9 + 2);
    let head = format!(
        "{:<room$}{:>8}{:>8}{:>9}",
        format!("   hottest of {} actors", number(moment.map.live.into())),
        "lines/s",
        "waiting",
        "wait",
        room = room + 3,
    );
    let mut lines = vec![Line::styled(head, QUIET)];
    if moment.hottest.is_empty() {
        lines.push(Line::styled("   No vendor is being bought from.", QUIET));
    }
    for (index, hot) in moment.hottest.iter().enumerate() {
        let name = hot
            .name
            .clone()
            .unwrap_or_else(|| format!("vendor …{}", end_of(&hot.id)));
        let product = hot.product.as_deref().unwrap_or_default();
        let name = if name.chars().count() + 4 < room && !product.is_empty() {
            format!("{name}, {product}")
        } else {
            name
        };
        let name: String = name.chars().take(room.saturating_sub(1)).collect();
        lines.push(Line::from(vec![
            Span::styled(format!("{:>2} ", index + 1), QUIET),
            Span::raw(format!(
                "{name:<room$}{:>8}{:>8}{:>9}",
                number(hot.lines_per_s),
                number(hot.waiting),
                duration(hot.wait_ms),
            )),
        ]));
    }
    lines
}

/// As much of an id as tells vendors apart, as on the page.
fn end_of(id: &str) -> &str {
    let begin = id.len().saturating_sub(6);
    id.get(begin..).unwrap_or(id)
}

/// The colour of a stage: waiting, PostgreSQL, Redis, own work, or unknown.
fn colour_of(stage: &str) -> Color {
    match stage {
        "queue" | "retries" | "turns" => Color::Yellow,
        "begin" | "reads" | "writes" | "reservation" | "commit" => Color::Blue,
        "redis" => Color::Cyan,
        "rendering" => Color::Magenta,
        _ => Color::DarkGray,
    }
}

fn way_lines(moment: &Moment, area: Rect) -> Vec<Line<'static>> {
    let stages = &moment.last_minute.stages;
    let timed = moment.last_minute.timed.max(1.0);
    let total: f64 = stages.iter().map(|it| it.value).sum();
    let most = stages
        .iter()
        .map(|it| it.value)
        .fold(f64::MIN_POSITIVE, f64::max);
    let bar_max = usize::from(area.width).saturating_sub(STAGE_NAME + STAGE_VALUE + 1);
    let head = format!("way of a checkout, {}", duration(total / timed * 1e3));
    let mut lines = vec![Line::styled(head, QUIET)];
    for stage in stages {
        let length = whole(stage.value / most * bar_max as f64);
        let bar = "█".repeat(usize::try_from(length).unwrap_or(bar_max).min(bar_max));
        lines.push(Line::from(vec![
            Span::raw(format!("{:<STAGE_NAME$}", stage.name)),
            Span::styled(
                format!("{bar:<bar_max$}"),
                Style::new().fg(colour_of(&stage.name)),
            ),
            Span::raw(format!(
                "{:>STAGE_VALUE$}",
                duration(stage.value / timed * 1e3)
            )),
        ]));
    }
    lines
}

fn draw_rates(frame: &mut Frame<'_>, view: &View, area: Rect) {
    let seconds = usize::from(area.width);
    let newest = view.rates.len().saturating_sub(seconds);
    let rates = view.rates.iter().skip(newest);
    // Tenths, so that small rates are seen.
    let bars: Vec<_> = rates.map(|rate| whole(rate * 10.0)).collect();
    let style = Style::new().fg(Color::Blue);
    frame.render_widget(Sparkline::default().data(bars).style(style), area);
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a cast from a float saturates"
)]
fn whole(value: f64) -> u64 {
    value.round() as u64
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::moment::Problem;

    use super::*;

    fn moment() -> Moment {
        let hot = |name: &str| {
            json!({ "id": "0191", "name": name, "product": "Grape Ape Flower 1.75 g", "wait_ms": 5.8,
                    "lines_per_s": 84.0, "waiting": 1.4, "turns_per_s": 4.0 })
        };
        let stage = |name: &str, value: f64| json!({ "name": name, "value": value });
        serde_json::from_value(json!({
            "at_ms": 400_000, "began_at_ms": 0, "version": "0.2.0",
            "limits": { "queue_max": 8192 },
            "verdict": { "state": "warning", "since_ms": 390_000,
                         "text": "Redis does not answer: checkouts go on, and keys are looked up in \
                                  PostgreSQL. 2,914 checkouts a second, half of them in 18 ms.",
                         "problems": [] },
            "headline": { "created_per_s": 2914.0, "p50_ms": 18.3, "p99_ms": 80.0,
                          "refused_per_s": 0.0, "failed_per_s": 0.0, "queue_depth": 6.0 },
            "postgresql": { "problem": null },
            "redis": { "problem": "does not answer" },
            "sinks": [{ "name": "stream", "down_because": null, "waiting": 3.0, "oldest_s": 0.2,
                        "dead": 0.0 }],
            "last_minute": {
                "stages": [stage("redis", 1.0), stage("queue", 4.0), stage("reservation", 2.0)],
                "timed": 100.0,
            },
            "map": { "live": 1200 },
            "hottest": [hot("Sunflower Partners"), hot("Kiamichi Greenhouse")],
            "figures": { "rows.held": 0, "batch.size": null },
        }))
        .expect("it is a moment")
    }

    fn drawn(view: &View, width: u16, height: u16) -> Vec<String> {
        let mut terminal = Terminal::new(TestBackend::new(width, height)).expect("memory");
        terminal.draw(|frame| draw(frame, view)).expect("memory");
        let cells = terminal.backend().buffer().content().to_vec();
        let lines = cells.chunks(usize::from(width)).map(|line| {
            let line: String = line.iter().map(ratatui::buffer::Cell::symbol).collect();
            line.trim_end().to_owned()
        });
        lines.collect()
    }

    fn view() -> View {
        View {
            url: "http://127.0.0.1:9090".to_owned(),
            moment: Some(moment()),
            rates: (0..200).map(f64::from).collect(),
            lost_because: None,
        }
    }

    #[test]
    fn a_terminal_of_80_columns_and_24_lines_shows_everything_that_matters() {
        let lines = drawn(&view(), 80, 24);
        let text = lines.join("\n");
        for part in [
            "splitcart 0.2.0 at http://127.0.0.1:9090, up for 7 min",
            "▲ Redis does not answer: checkouts go on",
            "half of them in 18 ms.",
            "checkouts/s 2,914",
            "99 of 100 within 80 ms",
            "waiting 6 of 8,192",
            "PostgreSQL ● answers",
            "Redis ■ does not answer",
            "hottest of 1,200 actors",
            " 1 Sunflower",
            "84     1.4   5.8 ms",
            "way of a checkout, 70 ms",
            "queue       ████",
            "40 ms",
            "q quits",
        ] {
            assert!(text.contains(part), "{part:?} is not in\n{text}");
        }
        assert!(lines[20].contains('▁') || lines[22].contains('█'), "{text}");
    }

    #[test]
    fn problems_are_listed_if_the_sentence_does_not_name_all() {
        let mut view = view();
        let problem = |text: &str| Problem {
            state: State::Warning,
            text: text.to_owned(),
        };
        let verdict = &mut view.moment.as_mut().unwrap().verdict;
        verdict.problems = vec![problem("Redis does not answer")];
        let alone = drawn(&view, 80, 24).join("\n");
        assert!(!alone.contains("  ▲ Redis"), "{alone}");
        let verdict = &mut view.moment.as_mut().unwrap().verdict;
        verdict.problems.push(problem("2 rows are held"));
        let both = drawn(&view, 80, 24).join("\n");
        let listed = [
            "  ▲ Redis does not answer",
            "  ▲ 2 rows are held",
            "PostgreSQL ● answers",
        ];
        assert!(listed.iter().all(|part| both.contains(part)), "{both}");
    }

    #[test]
    fn a_small_terminal_shows_the_verdict_first_and_nothing_breaks() {
        for (width, height) in [(40, 12), (20, 4), (5, 2), (1, 1)] {
            let lines = drawn(&view(), width, height);
            assert_eq!(lines.len(), usize::from(height));
        }
        assert!(drawn(&view(), 40, 12)[1].starts_with("▲ Redis does not answer"));
    }

    #[test]
    fn a_lost_connection_is_shown_beside_what_was_seen_last() {
        let mut lost = view();
        lost.lost_because = Some("connection refused".to_owned());
        assert!(drawn(&lost, 120, 30)[0].contains("✕ connection lost (connection refused)"));
        lost.moment = None;
        let text = drawn(&lost, 60, 5).join(" ");
        assert!(
            text.contains("can't be read (connection refused)"),
            "{text}"
        );
    }

    #[test]
    fn a_printed_look_is_plain_text() {
        let text = as_text(&moment(), "http://127.0.0.1:9090", 100);
        assert!(text.contains("▲ Redis does not answer"), "{text}");
        assert!(text.ends_with('\n') && !text.ends_with("\n\n") && !text.contains("q quits"));
        assert!(!text.contains('\u{1b}'));
    }
}

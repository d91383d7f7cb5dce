//! The plot of a test: throughput and latency percentiles over time, one above the other.
//!
//! The font comes with the program, so that a bare machine measures and draws text as any other.

use std::{fs, path::Path};

use anyhow::{Context, anyhow};
use plotters::{
    coord::Shift,
    prelude::*,
    style::{RelativeSize, register_font},
};

use super::{
    picture_format::PictureFormat,
    report::{Report, SecondReport},
    table,
};

const SIZE: (u32, u32) = (1200, 800);
const FONT: &str = "sans-serif";
const TITLE: i32 = 20;
const LABEL: i32 = 15;
const BLUE: RGBColor = RGBColor(31, 119, 180);
const ORANGE: RGBColor = RGBColor(230, 130, 20);
const RED: RGBColor = RGBColor(200, 40, 50);
const PURPLE: RGBColor = RGBColor(130, 80, 170);
const GREY: RGBColor = RGBColor(120, 120, 120);
/// Up to this number, points are marked one by one.
const MARKED_MAX: usize = 60;

/// The height of a chart as a multiple of its highest point: room for the legend.
const HEADROOM: f64 = 1.3;

/// One line of a chart: a name, a colour, points.
struct Line {
    name: &'static str,
    colour: RGBColor,
    points: Vec<(f64, f64)>,
}

/// Draws the report as a PNG or an SVG.
///
/// # Errors
/// The file can't be written.
pub fn draw(report: &Report, path: &Path) -> anyhow::Result<()> {
    register_font(FONT, FontStyle::Normal, dejavu::sans::regular())
        .map_err(|_| anyhow!("the program's own font is broken"))?;
    let bytes = match PictureFormat::of(path) {
        Some(PictureFormat::Svg) => svg(report)?.into_bytes(),
        Some(PictureFormat::Png) => png(report)?,
        None => return Err(anyhow!("{} is neither .svg nor .png", path.display())),
    };
    fs::write(path, bytes).with_context(|| format!("can't write {}", path.display()))
}

fn svg(report: &Report) -> anyhow::Result<String> {
    let mut text = String::new();
    let area = SVGBackend::with_string(&mut text, SIZE).into_drawing_area();
    charts(report, &area)?;
    drop(area);
    Ok(text)
}

fn png(report: &Report) -> anyhow::Result<Vec<u8>> {
    let (width, height) = SIZE;
    let mut pixels = vec![0; width as usize * height as usize * 3];
    let area = BitMapBackend::with_buffer(&mut pixels, SIZE).into_drawing_area();
    charts(report, &area)?;
    drop(area);
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, width, height);
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_depth(png::BitDepth::Eight);
    let mut writer = encoder.write_header()?;
    writer.write_image_data(&pixels)?;
    writer.finish()?;
    Ok(bytes)
}

type Drawn<B> = Result<(), DrawingAreaErrorKind<<B as DrawingBackend>::ErrorType>>;

fn charts<B: DrawingBackend>(report: &Report, area: &DrawingArea<B, Shift>) -> Drawn<B> {
    area.fill(&WHITE)?;
    let heading = table::heading(&report.settings);
    let title = format!("{heading}: {}", table::finding(report));
    let style = (FONT, TITLE).into_font();
    let area = area.margin(10, 10, 10, 20).titled(&title, style)?;
    let (upper, lower) = area.split_vertically(RelativeSize::Height(0.45));
    let seconds = report.seconds.max(1.0);
    chart(
        &upper,
        "requests and answers a second",
        seconds,
        &throughput(report),
    )?;
    chart(
        &lower,
        "latency of successes in ms",
        seconds,
        &latencies(report),
    )?;
    area.present()
}

fn throughput(report: &Report) -> Vec<Line> {
    let rate = |it: &SecondReport, count: u64| Some(count as f64 / it.length_seconds);
    let line = |name, colour, of: &dyn Fn(&SecondReport) -> Option<f64>| Line {
        name,
        colour,
        points: points(report, of),
    };
    let lines = [
        line("offered", GREY, &|it| rate(it, it.offered)),
        line("not sent", PURPLE, &|it| rate(it, it.not_sent)),
        line("successes", BLUE, &|it| rate(it, it.succeeded)),
        line("refusals", ORANGE, &|it| rate(it, it.refused)),
        line("errors", RED, &|it| rate(it, it.failed)),
    ];
    let is_shown =
        |line: &Line| line.name == "successes" || line.points.iter().any(|it| it.1 > 0.0);
    lines.into_iter().filter(is_shown).collect()
}

fn latencies(report: &Report) -> Vec<Line> {
    let line = |name, colour, of: &dyn Fn(&SecondReport) -> Option<f64>| Line {
        name,
        colour,
        points: points(report, of),
    };
    vec![
        line("p99.9", GREY, &|it| it.latency.map(|it| it.p999_ms)),
        line("p99", RED, &|it| it.latency.map(|it| it.p99_ms)),
        line("p95", ORANGE, &|it| it.latency.map(|it| it.p95_ms)),
        line("p50", BLUE, &|it| it.latency.map(|it| it.p50_ms)),
    ]
}

/// A point in the middle of each second. The rest of the last one may be too short for a
/// rate.
fn points(report: &Report, of: &dyn Fn(&SecondReport) -> Option<f64>) -> Vec<(f64, f64)> {
    let is_shown = |it: &&SecondReport| it.length_seconds >= 0.1 || report.series.len() == 1;
    let point = |it: &SecondReport| {
        let middle = it.second as f64 + it.length_seconds / 2.0;
        Some((middle, of(it)?))
    };
    report
        .series
        .iter()
        .filter(is_shown)
        .filter_map(point)
        .collect()
}

fn chart<B: DrawingBackend>(
    area: &DrawingArea<B, Shift>,
    title: &str,
    seconds: f64,
    lines: &[Line],
) -> Drawn<B> {
    let greatest = lines.iter().flat_map(|line| &line.points).map(|it| it.1);
    let top = greatest.fold(0.0, f64::max).max(1e-3) * HEADROOM;
    let mut chart = ChartBuilder::on(area)
        .margin(10)
        .x_label_area_size(35)
        .y_label_area_size(75)
        .build_cartesian_2d(0.0..seconds, 0.0..top)?;
    chart
        .configure_mesh()
        .light_line_style(TRANSPARENT)
        .bold_line_style(BLACK.mix(0.12))
        .axis_style(BLACK.mix(0.5))
        .x_desc("seconds")
        .y_desc(title)
        .y_label_formatter(&|value| number(*value))
        .x_label_formatter(&|value| number(*value))
        .label_style((FONT, LABEL))
        .axis_desc_style((FONT, LABEL))
        .draw()?;
    for line in lines {
        let style = line.colour.stroke_width(2);
        let marks = if line.points.len() <= MARKED_MAX {
            3
        } else {
            0
        };
        let series = LineSeries::new(line.points.iter().copied(), style);
        chart
            .draw_series(series.point_size(marks))?
            .label(line.name)
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 20, y)], style));
    }
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::UpperRight)
        .background_style(WHITE.mix(0.85))
        .border_style(BLACK.mix(0.2))
        .label_font((FONT, LABEL))
        .draw()
}

/// The number with as few digits as it needs.
fn number(value: f64) -> String {
    let text = format!("{value:.2}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_have_as_few_digits_as_they_need() {
        let told = [0.0, 0.5, 2.0, 12.25, 1500.0].map(number);
        assert_eq!(told, ["0", "0.5", "2", "12.25", "1500"]);
    }
}

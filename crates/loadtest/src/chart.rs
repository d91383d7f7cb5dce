//! Charts of lines over time, in a file.
//!
//! The font comes with the program, so that a bare machine measures and draws text as any other.

use std::{fs, path::Path};

use anyhow::{Context, anyhow};
use plotters::{coord::Shift, prelude::*, style::register_font};

use super::picture_format::PictureFormat;

const SIZE: (u32, u32) = (1200, 800);
pub const FONT: &str = "sans-serif";
pub const TITLE: i32 = 20;
const LABEL: i32 = 15;
pub const BLUE: RGBColor = RGBColor(31, 119, 180);
pub const ORANGE: RGBColor = RGBColor(230, 130, 20);
pub const RED: RGBColor = RGBColor(200, 40, 50);
pub const PURPLE: RGBColor = RGBColor(130, 80, 170);
pub const GREY: RGBColor = RGBColor(120, 120, 120);
/// Up to this number, points are marked one by one.
const MARKED_MAX: usize = 60;

/// The height of a chart as a multiple of its highest point: room for the legend.
const HEADROOM: f64 = 1.3;

/// One line of a chart: a name, a colour, points.
pub struct Line {
    pub name: &'static str,
    pub colour: RGBColor,
    pub points: Vec<(f64, f64)>,
}

pub type Drawn<B> = Result<(), DrawingAreaErrorKind<<B as DrawingBackend>::ErrorType>>;

/// What can be drawn.
pub trait Picture {
    fn charts<B: DrawingBackend>(&self, area: &DrawingArea<B, Shift>) -> Drawn<B>;
}

/// Draws a picture as a PNG or an SVG.
///
/// # Errors
/// The file can't be written.
pub fn write(picture: &impl Picture, path: &Path) -> anyhow::Result<()> {
    register_font(FONT, FontStyle::Normal, dejavu::sans::regular())
        .map_err(|_| anyhow!("the program's own font is broken"))?;
    let bytes = match PictureFormat::of(path) {
        Some(PictureFormat::Svg) => svg(picture)?.into_bytes(),
        Some(PictureFormat::Png) => png(picture)?,
        None => return Err(anyhow!("{} is neither .svg nor .png", path.display())),
    };
    fs::write(path, bytes).with_context(|| format!("can't write {}", path.display()))
}

fn svg(picture: &impl Picture) -> anyhow::Result<String> {
    let mut text = String::new();
    let area = SVGBackend::with_string(&mut text, SIZE).into_drawing_area();
    picture.charts(&area)?;
    drop(area);
    Ok(text)
}

fn png(picture: &impl Picture) -> anyhow::Result<Vec<u8>> {
    let (width, height) = SIZE;
    let mut pixels = vec![0; width as usize * height as usize * 3];
    let area = BitMapBackend::with_buffer(&mut pixels, SIZE).into_drawing_area();
    picture.charts(&area)?;
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

/// Draws lines over time.
pub fn chart<B: DrawingBackend>(
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

//! Plots as SVG. Called by the pages. The colours are marks, which the page's style sheet gives their light and their
//! dark shade; what a plot shows stands as a table beside it.

use crate::replay::report::words::usd;
use plotters::coord::Shift;
use plotters::coord::ranged1d::{AsRangedCoord, ValueFormatter};
use plotters::coord::types::RangedCoordi64;
use plotters::prelude::*;
use std::error::Error;
use std::ops::Range;

/// Colours by what they are for. The style sheet says what they look like.
pub(crate) const INK: RGBColor = RGBColor(1, 1, 1);
pub(crate) const GRID: RGBColor = RGBColor(2, 2, 2);
pub(crate) const WITHOUT: RGBColor = RGBColor(3, 3, 3);
pub(crate) const WITH: RGBColor = RGBColor(4, 4, 4);
pub(crate) const SIZE: (u32, u32) = (760, 280);
pub(crate) type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;
pub(crate) type Drawn = Result<(), Box<dyn Error>>;
pub(crate) type Over<'a, Y> =
    ChartContext<'a, SVGBackend<'a>, Cartesian2d<RangedCoordi64, <Range<Y> as AsRangedCoord>::CoordDescType>>;

/// Draws one plot.
pub(crate) fn drawn(size: (u32, u32), draw: impl FnOnce(&Area<'_>) -> Drawn) -> String {
    let mut svg = String::new();
    {
        let area = SVGBackend::with_string(&mut svg, size).into_drawing_area();
        // Nothing but a mistake in the ranges can fail here, and then the table beside it tells all.
        let _ = draw(&area).and_then(|()| Ok(area.present()?));
    }
    // Scaled by the page; its title and its table say what it shows.
    svg.replacen(&format!("width=\"{}\" height=\"{}\" ", size.0, size.1), "aria-hidden=\"true\" ", 1)
}

#[expect(clippy::cast_precision_loss, reason = "a plot")]
pub(crate) fn dollars(nano: i64) -> f64 {
    nano as f64 / 1e9
}

pub(crate) fn style(size: u32) -> TextStyle<'static> {
    ("sans-serif", size).into_font().color(&INK)
}

pub(crate) fn money(value: f64) -> String {
    #[expect(clippy::cast_possible_truncation, reason = "a label")]
    let nano = (value * 1e9) as i64;
    let text = usd(nano);
    // Labels are round.
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

pub(crate) fn clock(ms: i64, whole_ms: i64) -> String {
    let at = jiff::Timestamp::from_millisecond(ms).unwrap_or_default();
    let form = match whole_ms / 86_400_000 {
        0..2 => "%H:%M",
        2..20 => "%b %-d %H:%M",
        _ => "%b %-d",
    };
    at.strftime(form).to_string()
}

/// A chart with the time from left to right.
pub(crate) fn over_time<'a, Y>(
    area: &Area<'a>,
    times: Range<i64>,
    values: Range<Y>,
    label: &dyn Fn(&Y) -> String,
) -> Result<Over<'a, Y>, Box<dyn Error>>
where
    Range<Y>: AsRangedCoord<Value = Y>,
    <Range<Y> as AsRangedCoord>::CoordDescType: ValueFormatter<Y>,
{
    let whole = times.end - times.start;
    let mut chart = ChartBuilder::on(area)
        .margin(8)
        .set_label_area_size(LabelAreaPosition::Left, 72)
        .set_label_area_size(LabelAreaPosition::Bottom, 28)
        .build_cartesian_2d(times.start..times.end.max(times.start + 1), values)?;
    chart
        .configure_mesh()
        .disable_x_mesh()
        .bold_line_style(GRID)
        .light_line_style(TRANSPARENT)
        .axis_style(INK)
        .label_style(style(13))
        .x_labels(7)
        .y_labels(6)
        .x_label_formatter(&|ms| clock(*ms, whole))
        .y_label_formatter(&label)
        .draw()?;
    Ok(chart)
}

/// A name, its bars, and what stands behind them.
#[derive(Debug, Clone)]
pub(crate) struct Row {
    /// Whose they are.
    pub(crate) name: String,
    /// How long, and of which colour.
    pub(crate) bars: Vec<(f64, RGBColor)>,
    /// What they say.
    pub(crate) label: String,
}

/// Bars beside their names.
pub(crate) fn bars(rows: &[Row]) -> String {
    const BAR: i32 = 10;
    const GAP: i32 = 8;
    let (left, right, width) = (190, 190, i32::try_from(SIZE.0).unwrap_or(760));
    let top = rows.iter().flat_map(|row| &row.bars).map(|(long, _)| *long).fold(1e-12, f64::max);
    #[expect(clippy::cast_possible_truncation, reason = "pixels")]
    let end = |long: f64| left + 1 + (long.max(0.0) / top * f64::from(width - left - right)) as i32;
    let high = |row: &Row| i32::try_from(row.bars.len()).unwrap_or(1) * BAR + GAP;
    let height = rows.iter().map(high).sum::<i32>() + GAP;
    drawn((SIZE.0, u32::try_from(height).unwrap_or(100)), |area| {
        let mut y = GAP;
        for row in rows {
            let text_y = y + (high(row) - GAP) / 2 - 6;
            area.draw(&Text::new(shortened(&row.name, 26), (4, text_y), style(13)))?;
            for ((long, colour), number) in row.bars.iter().zip(0_i32..) {
                let from = y + number * BAR;
                area.draw(&Rectangle::new([(left, from), (end(*long), from + BAR - 1)], colour.filled()))?;
            }
            let longest = row.bars.iter().map(|(long, _)| *long).fold(0.0, f64::max);
            area.draw(&Text::new(row.label.clone(), (end(longest) + 6, text_y), style(13)))?;
            y += high(row);
        }
        Ok(())
    })
}

pub(crate) fn shortened(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return if text.is_empty() { "(none)".to_owned() } else { text.to_owned() };
    }
    text.chars().take(most - 1).chain(['…']).collect()
}

//! The plots of a report, as SVG. Called by [`super::html`]. The colours are marks, which the page's style sheet gives
//! their light and their dark shade; what a plot shows stands as a table beside it.

use super::words::usd;
use crate::replay::series::Series;
use crate::replay::tally::Share;
use plotters::coord::Shift;
use plotters::coord::ranged1d::{AsRangedCoord, ValueFormatter};
use plotters::coord::types::RangedCoordi64;
use plotters::prelude::*;
use std::error::Error;
use std::ops::Range;
use tokenstile_engine::exchange::Decision;

/// Colours by what they are for. The style sheet says what they look like.
pub(super) const INK: RGBColor = RGBColor(1, 1, 1);
pub(super) const GRID: RGBColor = RGBColor(2, 2, 2);
pub(super) const WITHOUT: RGBColor = RGBColor(3, 3, 3);
pub(super) const WITH: RGBColor = RGBColor(4, 4, 4);
/// The decisions in the order of strictness. Each has a colour of its own, from 16 on.
pub(super) fn decisions() -> impl Iterator<Item = &'static str> {
    Decision::ALL.into_iter().map(Decision::name)
}

const SIZE: (u32, u32) = (760, 280);
type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;
type Drawn = Result<(), Box<dyn Error>>;
type Over<'a, Y> =
    ChartContext<'a, SVGBackend<'a>, Cartesian2d<RangedCoordi64, <Range<Y> as AsRangedCoord>::CoordDescType>>;

/// Draws one plot.
fn drawn(size: (u32, u32), draw: impl FnOnce(&Area<'_>) -> Drawn) -> String {
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
fn dollars(nano: i64) -> f64 {
    nano as f64 / 1e9
}

fn style(size: u32) -> TextStyle<'static> {
    ("sans-serif", size).into_font().color(&INK)
}

fn money(value: f64) -> String {
    #[expect(clippy::cast_possible_truncation, reason = "a label")]
    let nano = (value * 1e9) as i64;
    let text = usd(nano);
    // Labels are round.
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

fn clock(ms: i64, whole_ms: i64) -> String {
    let at = jiff::Timestamp::from_millisecond(ms).unwrap_or_default();
    let form = match whole_ms / 86_400_000 {
        0..2 => "%H:%M",
        2..20 => "%b %-d %H:%M",
        _ => "%b %-d",
    };
    at.strftime(form).to_string()
}

/// The sums of what was spent until each step of time, without the policy and with it.
#[must_use]
pub fn spend(series: &Series) -> String {
    let mut sums = vec![(series.start_ms, 0.0, 0.0)];
    let (mut without, mut with) = (0_i64, 0_i64);
    let mut at = series.start_ms;
    for step in &series.steps {
        without += step.cost_without_nano_usd;
        with += step.cost_with_nano_usd;
        at += series.step_ms;
        sums.push((at, dollars(without), dollars(with)));
    }
    let top = dollars(without.max(with)).max(1e-6) * 1.05;
    drawn(SIZE, |area| {
        let mut chart = over_time(area, series.start_ms..at, 0.0..top, &|value| money(*value))?;
        let without = sums.iter().map(|(at, without, _)| (*at, *without));
        chart.draw_series(LineSeries::new(without, WITHOUT.stroke_width(2)))?;
        let with = sums.iter().map(|(at, _, with)| (*at, *with));
        chart.draw_series(AreaSeries::new(with, 0.0, WITH.mix(0.25)).border_style(WITH.stroke_width(2)))?;
        Ok(())
    })
}

/// A chart with the time from left to right.
fn over_time<'a, Y>(
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

/// Which colour a decision has.
pub(super) fn step_colour(decision: &str) -> RGBColor {
    let place = (16..).zip(decisions()).find(|(_, name)| *name == decision).map_or(31, |(mark, _)| mark);
    RGBColor(place, place, place)
}

/// Of all calls, how many each step of a ladder met, over time.
#[must_use]
pub fn steps(series: &Series, names: &[&str]) -> String {
    let end = series.start_ms + series.step_ms * i64::try_from(series.steps.len()).unwrap_or(0);
    // As many columns as can be told apart.
    let each = series.steps.len().div_ceil(120).max(1);
    let columns: Vec<_> = series.steps.chunks(each).collect();
    let width = series.step_ms * i64::try_from(each).unwrap_or(1);
    let sum = |column: &[crate::replay::series::Step], name: &str| -> u64 {
        column.iter().filter_map(|step| step.decisions.get(name)).sum()
    };
    let most = columns.iter().map(|column| names.iter().map(|name| sum(column, name)).sum::<u64>()).max();
    let most = most.unwrap_or(1).max(1);
    drawn(SIZE, |area| {
        let count = |value: &u64| tokenstile_engine::units::grouped(*value);
        let mut chart = over_time(area, series.start_ms..end, 0..most + most / 20 + 1, &count)?;
        for (index, column) in columns.iter().enumerate() {
            let from = series.start_ms + width * i64::try_from(index).unwrap_or(0);
            let mut below = 0;
            for name in names {
                let count = sum(column, name);
                if count > 0 {
                    let corners = [(from, below), ((from + width).min(end), below + count)];
                    chart.draw_series([Rectangle::new(corners, step_colour(name).filled())])?;
                }
                below += count;
            }
        }
        Ok(())
    })
}

/// What each of the dearest values cost, without the policy and with it.
#[must_use]
pub fn shares(shares: &[Share]) -> String {
    let rows = shares.iter().map(|share| Row {
        name: share.value.clone(),
        bars: vec![
            (dollars(share.cost_without_nano_usd), WITHOUT),
            (dollars(share.cost_with_nano_usd), WITH),
        ],
        label: format!("{} → {}", usd(share.cost_without_nano_usd), usd(share.cost_with_nano_usd)),
    });
    bars(&rows.collect::<Vec<_>>())
}

/// A name, its bars, and what stands behind them.
#[derive(Debug, Clone)]
pub struct Row {
    /// Whose they are.
    pub name: String,
    /// How long, and of which colour.
    pub bars: Vec<(f64, RGBColor)>,
    /// What they say.
    pub label: String,
}

/// Bars beside their names.
#[must_use]
pub fn bars(rows: &[Row]) -> String {
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

/// How often what was expected of a call was so many times what it used.
#[must_use]
pub fn estimate(bins: &[crate::replay::spread::Bin]) -> String {
    let most = bins.iter().map(|bin| bin.calls).max().unwrap_or(1).max(1);
    let (first, last) = (bins.first().map_or(0.03, |bin| bin.from), bins.last().map_or(32.0, |bin| bin.to));
    drawn(SIZE, |area| {
        let mut chart = ChartBuilder::on(area)
            .margin(8)
            .set_label_area_size(LabelAreaPosition::Left, 72)
            .set_label_area_size(LabelAreaPosition::Bottom, 28)
            .build_cartesian_2d(first.log2()..last.log2(), 0..most + most / 20 + 1)?;
        chart
            .configure_mesh()
            .disable_x_mesh()
            .bold_line_style(GRID)
            .light_line_style(TRANSPARENT)
            .axis_style(INK)
            .label_style(style(13))
            .x_labels(11)
            .y_labels(6)
            .x_label_formatter(&|octave| ratio(*octave))
            .y_label_formatter(&|value| tokenstile_engine::units::grouped(*value))
            .draw()?;
        let bars = bins.iter().map(|bin| {
            let colour = if bin.to <= 1.0 { WITHOUT } else { WITH };
            Rectangle::new([(bin.from.log2(), 0), (bin.to.log2() - 0.02, bin.calls)], colour.filled())
        });
        chart.draw_series(bars)?;
        Ok(())
    })
}

fn ratio(octave: f64) -> String {
    let ratio = octave.exp2();
    if ratio >= 1.0 { format!("{ratio:.0}×") } else { format!("1/{:.0}", 1.0 / ratio) }
}

fn shortened(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return if text.is_empty() { "(none)".to_owned() } else { text.to_owned() };
    }
    text.chars().take(most - 1).chain(['…']).collect()
}

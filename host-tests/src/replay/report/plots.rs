//! The plots of a replay. Called by [`super::html`]; how plots look is `crate::page::plots`'s.

use super::words::usd;
use crate::page::plots::{
    GRID, INK, Row, SIZE, WITH, WITHOUT, bars, dollars, drawn, money, over_time, style,
};
use crate::replay::series::Series;
use crate::replay::tally::Share;
use plotters::prelude::*;
use tokenstile_engine::exchange::Decision;

/// The decisions in the order of strictness. Each has a colour of its own, from 16 on.
pub(super) fn decisions() -> impl Iterator<Item = &'static str> {
    Decision::ALL.into_iter().map(Decision::name)
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

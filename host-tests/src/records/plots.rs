//! The plots of reports and experiments. Called by [`super::html`]; how plots look is `crate::page::plots`'s.

use super::forecast::Forecast;
use super::money::Nano;
use crate::page::plots::{GRID, INK, SIZE, WITH, WITHOUT, drawn, money, over_time, shortened, style};
use jiff::civil::Date;
use jiff::{ToSpan as _, tz::TimeZone};
use plotters::prelude::*;
use std::collections::BTreeMap;

const DAY_MS: i64 = 86_400_000;
/// What is not certain: the colour of `crate::page`'s `other`.
const UNCERTAIN: RGBColor = RGBColor(31, 31, 31);

/// Dollars, as plots take them.
#[expect(clippy::cast_precision_loss, reason = "a plot")]
pub(super) fn in_dollars(nano: Nano) -> f64 {
    nano as f64 / 1e9
}

fn midnight(day: Date) -> i64 {
    day.to_zoned(TimeZone::UTC).map_or(0, |at| at.timestamp().as_millisecond())
}

/// What was spent on each day.
pub(super) fn days(days: &BTreeMap<Date, Nano>) -> String {
    let (Some((first, _)), Some((last, _))) = (days.first_key_value(), days.last_key_value()) else {
        return String::new();
    };
    let top = days.values().copied().max().map_or(0.0, in_dollars).max(1e-6) * 1.05;
    let times = midnight(*first)..midnight(*last) + DAY_MS;
    drawn(SIZE, |area| {
        let mut chart = over_time(area, times, 0.0..top, &|value| money(*value))?;
        let bar = |(day, nano): (&Date, &Nano)| {
            let from = midnight(*day);
            Rectangle::new(
                [(from + DAY_MS / 20, 0.0), (from + DAY_MS * 19 / 20, in_dollars(*nano))],
                WITH.filled(),
            )
        };
        chart.draw_series(days.iter().map(bar))?;
        Ok(())
    })
}

/// The month: what was spent until each day, and where it will end, with the interval.
pub(super) fn forecast(days: &BTreeMap<Date, Nano>, forecast: &Forecast) -> String {
    let Some((last, _)) = days.last_key_value() else { return String::new() };
    let first = last.first_of_month();
    let end = midnight(last.last_of_month()) + DAY_MS;
    let mut spent = vec![(midnight(first), 0.0)];
    let mut sum = 0;
    for day in first.series(1.day()).take_while(|day| day <= last) {
        sum += days.get(&day).copied().unwrap_or_default();
        spent.push((midnight(day) + DAY_MS, in_dollars(sum)));
    }
    // What is left of the last day is forecast with the rest of the month.
    let now = (midnight(*last) + DAY_MS).min(end);
    let from = (now, in_dollars(forecast.spent));
    let to = |nano: Nano| (end, in_dollars(nano));
    let top = in_dollars(forecast.high).max(1e-6) * 1.05;
    drawn(SIZE, |area| {
        let mut chart = over_time(area, midnight(first)..end, 0.0..top, &|value| money(*value))?;
        let fan = vec![from, to(forecast.high), to(forecast.low), from];
        chart.draw_series([Polygon::new(fan, WITHOUT.mix(0.25))])?;
        chart.draw_series(LineSeries::new([from, to(forecast.expected)], WITHOUT.stroke_width(2)))?;
        chart.draw_series(AreaSeries::new(spent, 0.0, WITH.mix(0.25)).border_style(WITH.stroke_width(2)))?;
        Ok(())
    })
}

/// A difference as a share, and how far it is certain.
#[derive(Debug, Clone)]
pub(super) struct Interval {
    /// Of what.
    pub(super) name: String,
    /// The difference.
    pub(super) at: f64,
    /// With 95% it lies so far around.
    pub(super) margin: f64,
    /// Whether nothing lies outside of it.
    pub(super) is_certain: bool,
}

/// Differences around none, each with its interval.
pub(super) fn intervals(all: &[Interval]) -> String {
    const ROW: i32 = 24;
    /// What is so uncertain is cut off at the edge.
    const MOST: f64 = 2.0;
    let (left, right, width) = (190, 110, i32::try_from(SIZE.0).unwrap_or(760));
    let reach = |one: &Interval| one.at.abs() + one.margin;
    let most = all.iter().map(reach).fold(0.01, f64::max).min(MOST);
    let middle = f64::from(left + width - right) / 2.0;
    #[expect(clippy::cast_possible_truncation, reason = "pixels")]
    let x = |share: f64| {
        (middle + share.clamp(-most, most) / most * f64::from(width - left - right) / 2.0) as i32
    };
    let height = ROW * i32::try_from(all.len()).unwrap_or(0) + 16;
    drawn((SIZE.0, u32::try_from(height).unwrap_or(100)), |area| {
        area.draw(&PathElement::new(vec![(x(0.0), 4), (x(0.0), height - 4)], GRID.stroke_width(2)))?;
        for (one, number) in all.iter().zip(0_i32..) {
            let y = 8 + number * ROW + ROW / 2;
            let colour = if one.is_certain { WITH } else { UNCERTAIN };
            area.draw(&Text::new(shortened(&one.name, 26), (4, y - 6), style(13)))?;
            let ends = vec![(x(one.at - one.margin), y), (x(one.at + one.margin), y)];
            area.draw(&PathElement::new(ends, colour.stroke_width(2)))?;
            area.draw(&Circle::new((x(one.at), y), 4, colour.filled()))?;
            let label = format!("{:+.1}% ± {:.1}%", one.at * 100.0, one.margin * 100.0);
            area.draw(&Text::new(label, (width - right + 4, y - 6), style(13)))?;
        }
        area.draw(&PathElement::new(
            vec![(left, height - 4), (width - right, height - 4)],
            INK.stroke_width(1),
        ))?;
        Ok(())
    })
}

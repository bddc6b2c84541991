//! What the panels of a dashboard show, as one picture: each where Grafana puts it.

use super::prometheus::Series;
use plotters::coord::Shift;
use plotters::prelude::*;
use serde_json::Value;

/// One of Grafana's columns and rows, in pixels.
const COLUMN: i32 = 50;
const ROW: i32 = 30;
/// Series that a legend has room for.
const LEGEND_MAX: usize = 7;
const INK: RGBColor = RGBColor(28, 36, 48);
const SOFT: RGBColor = RGBColor(217, 222, 229);
const ALERT: RGBColor = RGBColor(194, 49, 58);

/// A panel, and each of its series by its name.
pub(crate) struct Drawn<'d> {
    pub(crate) panel: &'d Value,
    pub(crate) lines: Vec<(String, Series)>,
}

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;

pub(crate) fn draw(panels: &[Drawn<'_>], times: (f64, f64)) -> String {
    let place = |panel: &Value, name: &str| i32::try_from(panel["gridPos"][name].as_i64().unwrap()).unwrap();
    let bottom = panels.iter().map(|drawn| place(drawn.panel, "y") + place(drawn.panel, "h")).max().unwrap();
    let size = (24 * COLUMN.unsigned_abs(), bottom.unsigned_abs() * ROW.unsigned_abs());
    let mut svg = String::new();
    {
        let all = SVGBackend::with_string(&mut svg, size).into_drawing_area();
        all.fill(&WHITE).unwrap();
        for drawn in panels {
            let at = |x: &str, y: &str| (place(drawn.panel, x) * COLUMN, place(drawn.panel, y) * ROW);
            let (corner, (wide, high)) = (at("x", "y"), at("w", "h"));
            let area = all.clone().shrink(corner, (wide.unsigned_abs(), high.unsigned_abs()));
            let title = drawn.panel["title"].as_str().unwrap();
            area.draw(&Text::new(
                title,
                (10, 8),
                font(if drawn.lines.is_empty() { 17 } else { 13 }).color(&INK),
            ))
            .unwrap();
            match drawn.panel["type"].as_str().unwrap() {
                "row" => {}
                "stat" => number(&area, drawn),
                _ => chart(&area, drawn, times),
            }
        }
        all.present().unwrap();
    }
    svg
}

fn font(size: u32) -> TextStyle<'static> {
    ("sans-serif", size).into_font().color(&INK)
}

/// The newest value, large.
fn number(area: &Area<'_>, drawn: &Drawn<'_>) {
    let newest = drawn.lines.first().and_then(|(_, series)| series.points.last());
    let text = newest.map_or_else(|| "–".to_owned(), |(_, value)| shown(*value, unit(drawn.panel)));
    area.draw(&Text::new(text, (14, 44), font(34))).unwrap();
}

fn chart(area: &Area<'_>, drawn: &Drawn<'_>, (from, to): (f64, f64)) {
    let defaults = &drawn.panel["fieldConfig"]["defaults"];
    let stacks = !defaults["custom"]["stacking"].is_null();
    let seconds = 0..=(to - from).ceil() as usize;
    let at = |series: &Series, second: usize| {
        let wanted = from + second as f64;
        series.points.iter().find(|(time, _)| (time - wanted).abs() < 0.5).map(|(_, value)| *value)
    };
    let mut below = vec![0.0; seconds.end() + 1];
    let mut lines = Vec::new();
    for (_, series) in &drawn.lines {
        let points = seconds.clone().filter_map(|second| {
            let value = at(series, second)?;
            below[second] += if stacks { value } else { 0.0 };
            Some((second as f64, if stacks { below[second] } else { value }))
        });
        lines.push(points.collect::<Vec<_>>());
    }
    let limit = defaults["thresholds"]["steps"].as_array().and_then(|steps| steps.last()?["value"].as_f64());
    let top = lines.iter().flatten().map(|(_, value)| *value).chain(limit).fold(1e-9, f64::max);
    let top = defaults["max"].as_f64().map_or(top, |most| top.min(most));
    let lowest = lines.iter().flatten().map(|(_, value)| *value).fold(0.0, f64::min);
    let unit = unit(drawn.panel);
    let mut chart = ChartBuilder::on(area)
        .margin(10)
        .margin_top(28)
        .margin_bottom(24)
        .set_label_area_size(LabelAreaPosition::Left, 64)
        .set_label_area_size(LabelAreaPosition::Bottom, 20)
        .build_cartesian_2d(0.0..(to - from), lowest..top * 1.05)
        .unwrap();
    chart
        .configure_mesh()
        .disable_x_mesh()
        .bold_line_style(SOFT)
        .light_line_style(TRANSPARENT)
        .axis_style(SOFT)
        .label_style(font(11))
        .x_labels(6)
        .y_labels(5)
        .x_label_formatter(&|second| format!("{second:.0} s"))
        .y_label_formatter(&|value| shown(*value, unit))
        .draw()
        .unwrap();
    // The highest of a stack first, so that those below stay seen.
    for (place, points) in lines.into_iter().enumerate().rev() {
        let colour = Palette99::pick(place).to_rgba();
        if stacks {
            let layer = AreaSeries::new(points, 0.0, mixed(place)).border_style(colour.stroke_width(1));
            chart.draw_series(layer).unwrap();
        } else {
            chart.draw_series(LineSeries::new(points, colour.stroke_width(2))).unwrap();
        }
    }
    if let Some(limit) = limit {
        chart.draw_series(LineSeries::new([(0.0, limit), (to - from, limit)], ALERT)).unwrap();
    }
    legend(area, drawn);
}

/// A lighter shade, of which nothing shines through.
fn mixed(place: usize) -> RGBColor {
    let (red, green, blue) = Palette99::pick(place).to_rgba().rgb();
    let light = |part: u8| 255 - (255 - part) / 3;
    RGBColor(light(red), light(green), light(blue))
}

fn legend(area: &Area<'_>, drawn: &Drawn<'_>) {
    let bottom = i32::try_from(area.dim_in_pixel().1).unwrap() - 18;
    let mut x = 14;
    for (place, (name, _)) in drawn.lines.iter().enumerate().take(LEGEND_MAX) {
        let name = if name.is_empty() { "(none)" } else { name };
        let wide = i32::try_from(name.chars().count()).unwrap() * 6 + 28;
        if x + wide > i32::try_from(area.dim_in_pixel().0).unwrap() {
            break;
        }
        area.draw(&Rectangle::new([(x, bottom), (x + 9, bottom + 9)], Palette99::pick(place).filled()))
            .unwrap();
        area.draw(&Text::new(name.to_owned(), (x + 13, bottom - 1), font(11))).unwrap();
        x += wide;
    }
}

fn unit(panel: &Value) -> &str {
    panel["fieldConfig"]["defaults"]["unit"].as_str().unwrap()
}

/// A value as Grafana shows it, nearly.
fn shown(value: f64, unit: &str) -> String {
    let short = |value: f64| match value.abs() {
        1e6.. => format!("{:.1} M", value / 1e6),
        1e4.. => format!("{:.0} k", value / 1e3),
        100.0.. => format!("{value:.0}"),
        1.0.. => format!("{value:.1}"),
        0.0 => "0".to_owned(),
        _ => format!("{value:.3}"),
    };
    match unit {
        "currencyUSD" if value.abs() < 0.1 && value != 0.0 => format!("${value:.4}"),
        "currencyUSD" => format!("${value:.2}"),
        "percentunit" => format!("{:.0} %", value * 100.0),
        "s" => format!("{:.1} days", value / 86_400.0),
        "ms" => format!("{} ms", short(value)),
        _ => short(value),
    }
}

//! How the board looks: everything that matters at 80 by 24. Called by [`super::screen`]; it reads no clock and no key.

use super::board::{Board, Budget, Line as Sums, MINUTES, Window};
use crate::records::money::{Nano, dollars};
use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Borders, Cell, Paragraph, Row, Sparkline, Table};
use tokenstile_engine::units::grouped;

/// What the viewer chose.
#[derive(Debug, Clone)]
pub struct View {
    /// Which dimension: a place in [`Board::dimensions`], counted round.
    pub dimension: usize,
    /// What is followed.
    pub source: String,
    /// Whether to use colours.
    pub is_coloured: bool,
}

impl View {
    fn style(&self, colour: Color) -> Style {
        if self.is_coloured { Style::new().fg(colour) } else { Style::new() }
    }
}

/// Draws it; `now` is the second (since 1970) that it is.
pub fn draw(frame: &mut Frame<'_>, board: &Board, view: &View, now: i64) {
    let window = board.window(now);
    let [head, spend, middle, foot] = Layout::vertical([
        Constraint::Length(2),
        Constraint::Length(5),
        Constraint::Min(6),
        Constraint::Length(1),
    ])
    .areas(frame.area());
    header(frame, head, board, view, window);
    spend_by_minute(frame, spend, board, view, now.div_euclid(60));
    let [left, right] =
        Layout::horizontal([Constraint::Percentage(56), Constraint::Percentage(44)]).areas(middle);
    spenders(frame, left, board, view, window);
    let [above, below] =
        Layout::vertical([Constraint::Percentage(58), Constraint::Percentage(42)]).areas(right);
    rules(frame, above, board, view);
    arms_and_endings(frame, below, board);
    let keys = "q quit   Tab next dimension   Shift-Tab previous";
    frame.render_widget(Paragraph::new(keys).style(Style::new().add_modifier(Modifier::DIM)), foot);
}

fn header(frame: &mut Frame<'_>, area: Rect, board: &Board, view: &View, window: Window) {
    let bold = Style::new().add_modifier(Modifier::BOLD);
    let total = &board.total;
    let per_minute = match window.seconds {
        // One look says nothing of how fast it goes.
        0 => "–/min".to_owned(),
        _ if window.is_full() => format!("{}/min", dollars(total.per_minute(window))),
        seconds => format!("{}/min (of {seconds} s)", dollars(total.per_minute(window))),
    };
    let sums = format!(
        "{per_minute}   {} in {} requests   {} tokens   {} saved",
        dollars(total.cost),
        grouped(total.requests),
        grouped(total.tokens),
        dollars(board.savings)
    );
    let trouble =
        board.trouble.as_deref().map(|why| Span::styled(format!("   {why}"), view.style(Color::Red)));
    let mut first = vec![Span::styled("tokenstile top", bold), Span::raw(format!("   {}", view.source))];
    first.extend(trouble);
    frame.render_widget(Paragraph::new(vec![Line::from(first), Line::from(sums)]), area);
}

fn spend_by_minute(frame: &mut Frame<'_>, area: Rect, board: &Board, view: &View, now: i64) {
    let all = board.spend_by_minute(now);
    let most = all.iter().copied().max().unwrap_or_default();
    let title = format!(" spend by minute, {MINUTES} minutes, at most {} ", dollars(most));
    let block = Block::new().borders(Borders::TOP).title(title);
    let width = usize::from(area.width);
    // As wide as the screen: each minute takes the same number of columns.
    let each = (width / all.len().max(1)).max(1);
    let shown = all.iter().skip(all.len().saturating_sub(width / each));
    let columns: Vec<u64> =
        shown.flat_map(|nano| std::iter::repeat_n(u64::try_from(*nano).unwrap_or(0), each)).collect();
    let spark = Sparkline::default().block(block).data(columns).style(view.style(Color::Cyan));
    frame.render_widget(spark, area);
}

/// Rows of the dimension that is shown, the dearest first.
fn spenders(frame: &mut Frame<'_>, area: Rect, board: &Board, view: &View, window: Window) {
    let dimensions = board.dimensions();
    let Some(name) = dimensions.get(view.dimension % dimensions.len().max(1)) else {
        let block = Block::new().borders(Borders::TOP).title(" nothing yet ");
        frame.render_widget(block, area);
        return;
    };
    let mut values: Vec<(&String, &Sums)> = board.groups.get(*name).into_iter().flatten().collect();
    values.sort_by(|a, b| b.1.cost.cmp(&a.1.cost).then_with(|| a.0.cmp(b.0)));
    let right = |text: String| Cell::from(Line::from(text).right_aligned());
    let some = |nano: Nano| if nano == 0 { "–".to_owned() } else { dollars(nano) };
    let row = |(value, sums): &(&String, &Sums)| {
        let requests = if sums.requests == 0 { "–".to_owned() } else { grouped(sums.requests) };
        Row::new([
            Cell::from(plain(value)),
            right(requests),
            right(some(sums.per_minute(window))),
            right(dollars(sums.cost)),
        ])
    };
    let head = Row::new([
        Cell::from("by ".to_owned() + name),
        right("requests".into()),
        right("per min".into()),
        right("cost".into()),
    ])
    .style(Style::new().add_modifier(Modifier::BOLD));
    let shown =
        dimensions.iter().map(|other| if other == name { format!("[{other}]") } else { (*other).to_owned() });
    let title = format!(" {} ", shown.collect::<Vec<_>>().join(" "));
    let widths = [Constraint::Min(10), Constraint::Length(9), Constraint::Length(8), Constraint::Length(10)];
    let table = Table::new(values.iter().take(usize::from(area.height)).map(row), widths)
        .header(head)
        .block(Block::new().borders(Borders::TOP).title(title));
    frame.render_widget(table, area);
}

/// Names come from strangers, and must not steer the terminal.
fn plain(text: &str) -> String {
    if text.is_empty() {
        return "–".to_owned();
    }
    text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

fn severity(view: &View, word: &str) -> Style {
    match word {
        "deny" | "exhausted" => view.style(Color::Red),
        "ok" | "allow" | "route" => Style::new(),
        _ => view.style(Color::Yellow),
    }
}

/// Budgets by how close they are, where the quota endpoint tells; else what rules decided, the strictest first.
fn rules(frame: &mut Frame<'_>, area: Rect, board: &Board, view: &View) {
    let block = |title: &'static str| Block::new().borders(Borders::TOP | Borders::LEFT).title(title);
    if board.budgets.is_empty() {
        let row = |(rule, decision, count): (&str, &str, u64)| {
            let rule = if rule.is_empty() { "no rule" } else { rule };
            Row::new([
                Cell::from(decision.to_owned()).style(severity(view, decision)),
                Cell::from(plain(rule)),
                Cell::from(Line::from(grouped(count)).right_aligned()),
            ])
        };
        let widths = [Constraint::Length(9), Constraint::Min(10), Constraint::Length(9)];
        frame.render_widget(
            Table::new(board.rules().into_iter().map(row), widths).block(block(" decisions ")),
            area,
        );
        return;
    }
    let mut budgets: Vec<&Budget> = board.budgets.iter().collect();
    budgets.sort_by(|a, b| b.percent.cmp(&a.percent).then_with(|| a.name.cmp(&b.name)));
    let row = |budget: &&Budget| {
        Row::new([
            Cell::from(format!("{}%", budget.percent)).style(severity(view, &budget.state)),
            Cell::from(plain(&budget.name)),
            Cell::from(Line::from(plain(&budget.of)).right_aligned()),
        ])
    };
    let widths = [Constraint::Length(5), Constraint::Min(8), Constraint::Length(18)];
    frame.render_widget(Table::new(budgets.iter().map(row), widths).block(block(" budgets ")), area);
}

fn arms_and_endings(frame: &mut Frame<'_>, area: Rect, board: &Board) {
    let mut lines = Vec::new();
    for ((route, arm), sums) in &board.arms {
        let (requests, cost) = (grouped(sums.requests), dollars(sums.cost));
        lines.push(Line::from(format!("{}={}  {requests}  {cost}", plain(route), plain(arm))));
    }
    let counts = |all: &std::collections::BTreeMap<String, u64>| {
        all.iter()
            .map(|(name, count)| format!("{} {}", plain(name), grouped(*count)))
            .collect::<Vec<_>>()
            .join("  ")
    };
    lines.push(Line::from(counts(&board.endings)));
    if !board.failures.is_empty() {
        lines.push(Line::from(format!("failed: {}", counts(&board.failures))));
    }
    let title = if board.arms.is_empty() { " endings " } else { " arms, endings " };
    let block = Block::new().borders(Borders::TOP | Borders::LEFT).title(title);
    frame.render_widget(Paragraph::new(lines).block(block), area);
}

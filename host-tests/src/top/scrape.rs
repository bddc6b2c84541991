//! Adds what a Prometheus endpoint says to the board: counters, of which only the increase counts. Called by
//! [`super::source`]. The names are those of `docs/metrics.md`.

use super::board::{Added, Board};
use crate::metrics::from_prometheus;
use crate::records::money::Nano;
use std::collections::HashMap;

/// Labels that are no dimension of who spends.
const NOT_WHO: [&str; 7] = ["decision", "rule", "ending", "kind", "type", "sink", "outcome"];

/// Between two pages lies no more, in seconds: of what was spent in a longer time it is not known when.
const GAP_MAX: i64 = 60;

/// What was read the last time.
#[derive(Debug, Default)]
pub(super) struct Scraped {
    before: HashMap<String, u64>,
    /// Of the first page without a gap behind it, and of the last one.
    pages: Option<(i64, i64)>,
}

impl Scraped {
    /// Adds a page of metrics of this second. What stood there at first, or came in a gap, has no minute.
    pub(super) fn add(&mut self, page: &str, now: i64, board: &mut Board) {
        let first =
            self.pages.filter(|(_, last)| (0..=GAP_MAX).contains(&(now - last))).map(|(first, _)| first);
        let minute = first.map(|_| now.div_euclid(60));
        self.pages = Some((first.unwrap_or(now), now));
        board.watch_between(first.unwrap_or(now), now);
        for line in page.lines().filter(|line| line.starts_with("tokenstile_")) {
            let Some((name, value)) = line.rsplit_once(' ') else { continue };
            let Ok(value) = value.parse::<u64>() else { continue };
            let before = self.before.insert(name.to_owned(), value).unwrap_or_default();
            // A counter that is less has begun anew.
            let increase = if value < before { value } else { value - before };
            if increase > 0 {
                series(&from_prometheus(name), increase, minute, board);
            }
        }
    }
}

fn series(name: &str, increase: u64, minute: Option<i64>, board: &mut Board) {
    let mut parts = name.split(';');
    let metric = parts.next().unwrap_or_default();
    let labels: Vec<(&str, &str)> = parts.filter_map(|part| part.split_once('=')).collect();
    let label = |wanted: &str| {
        labels.iter().find(|(name, _)| *name == wanted).map_or("", |(_, value)| value).to_owned()
    };
    let none = Added::default();
    let more = match metric {
        "tokenstile_cost_nano_usd" => Added { minute, cost: Nano::from(increase), ..none },
        "tokenstile_requests" => Added { requests: increase, ..none },
        "tokenstile_tokens" if ["input", "output"].contains(&label("type").as_str()) => {
            Added { tokens: increase, ..none }
        }
        "tokenstile_savings_nano_usd" => {
            board.savings += Nano::from(increase);
            return;
        }
        "tokenstile_extra_cost_nano_usd" => {
            board.savings -= Nano::from(increase);
            return;
        }
        "tokenstile_arm_requests" => return arm(Added { requests: increase, ..none }, &label, board),
        "tokenstile_arm_cost_nano_usd" => {
            return arm(Added { cost: Nano::from(increase), ..none }, &label, board);
        }
        "tokenstile_endings" => return *board.endings.entry(label("ending")).or_default() += increase,
        "tokenstile_failures" => return *board.failures.entry(label("kind")).or_default() += increase,
        _ => return,
    };
    if metric == "tokenstile_requests" {
        *board.decisions.entry((label("rule"), label("decision"))).or_default() += increase;
    }
    board.spend(&more);
    for (dimension, value) in labels.iter().filter(|(name, _)| !NOT_WHO.contains(name)) {
        board.group(dimension, value, &more);
    }
}

fn arm(more: Added, label: &dyn Fn(&str) -> String, board: &mut Board) {
    board.arms.entry((label("experiment"), label("arm"))).or_default().add(&more);
}

#[cfg(test)]
mod tests {
    use super::{Board, Scraped};

    const FIRST: &str = "# TYPE tokenstile_requests counter\n\
        tokenstile_requests{dialect=\"openai-chat\",decision=\"warn\",rule=\"daily\",feature=\"chat\"} 3\n\
        tokenstile_cost_nano_usd{model=\"openai/gpt-4o\",feature=\"chat\"} 1000\n\
        tokenstile_tokens{type=\"input\",model=\"openai/gpt-4o\",feature=\"chat\"} 50\n\
        tokenstile_tokens{type=\"cache_read\",model=\"openai/gpt-4o\",feature=\"chat\"} 20\n\
        tokenstile_endings{ending=\"complete\"} 3\n\
        tokenstile_arm_requests{experiment=\"cheap\",arm=\"a\",ending=\"complete\"} 2\n\
        tokenstile_arm_requests{experiment=\"cheap\",arm=\"a\",ending=\"cut\"} 1\n\
        tokenstile_arm_cost_nano_usd{experiment=\"cheap\",arm=\"a\"} 900\n\
        tokenstile_savings_nano_usd{rule=\"cheap\"} 50\n\
        tokenstile_extra_cost_nano_usd{rule=\"dear\"} 20\n\
        envoy_cluster_upstream_rq{} 77\n\
        tokenstile_duration_ms_bucket{le=\"0.5\"} 1\n";

    #[test]
    fn only_what_counters_increased_by_has_a_minute_and_one_that_began_anew_is_no_decrease() {
        let (mut scraped, mut board) = (Scraped::default(), Board::default());
        let at = |minute: i64| minute * 60;
        scraped.add(FIRST, at(100), &mut board);
        assert_eq!((board.total.requests, board.total.cost, board.newest()), (3, 1_000, None));
        scraped.add(&FIRST.replace("} 1000", "} 1400"), at(101), &mut board);
        assert_eq!((board.total.cost, board.newest()), (1_400, Some(101)));
        assert_eq!(board.spend_by_minute(101).last(), Some(&400));
        scraped.add(&FIRST.replace("} 1000", "} 7").replace("} 3", "} 0"), at(102), &mut board);
        assert_eq!((board.total.cost, board.total.requests), (1_407, 3));
        assert_eq!(board.total.tokens, 50, "what a cache read is part of the input");
        assert_eq!(board.dimensions(), ["feature", "model", "dialect"]);
        assert_eq!(board.rules(), [("daily", "warn", 3)]);
        assert_eq!(board.groups["feature"]["chat"].cost, 1_407);
        assert_eq!(board.endings["complete"], 3);
        let arm = &board.arms[&("cheap".to_owned(), "a".to_owned())];
        assert_eq!((arm.requests, arm.cost), (3, 900));
        assert_eq!(board.savings, 30, "what costs more is taken off");
    }

    /// Fifteen seconds of a dollar each are 60 dollars a minute, and not three, in the fifth of five minutes.
    #[test]
    fn what_was_seen_for_seconds_is_divided_by_these_seconds() {
        let page =
            |dollars: i64| format!("tokenstile_cost_nano_usd{{feature=\"chat\"}} {dollars}000000000\n");
        let (mut scraped, mut board) = (Scraped::default(), Board::default());
        let per_minute = |board: &Board, now: i64| {
            let window = board.window(now);
            assert_eq!(board.total.per_minute(window), board.groups["feature"]["chat"].per_minute(window));
            (board.total.per_minute(window) / 1_000_000_000, window.seconds, window.is_full())
        };
        let start = 6_000;
        for second in 0..=15 {
            scraped.add(&page(500 + second), start + second, &mut board);
        }
        assert_eq!(per_minute(&board, start + 15), (60, 15, false));
        assert_eq!(
            per_minute(&board, start + 16),
            (60, 15, false),
            "the page of this second is still to come"
        );
        for second in 16..=600 {
            scraped.add(&page(500 + second), start + second, &mut board);
        }
        assert_eq!(per_minute(&board, start + 600), (60, 240, true));
        // It did not answer for ten minutes: nobody knows in which of them this was spent.
        scraped.add(&page(9_000), start + 1_200, &mut board);
        assert_eq!(per_minute(&board, start + 1_200), (0, 0, false));
        scraped.add(&page(9_004), start + 1_202, &mut board);
        assert_eq!(per_minute(&board, start + 1_202), (120, 2, false));
    }
}

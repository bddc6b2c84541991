//! The weights of one table that fit some calls best. Called by `fit`, which says for which calls there is a table.
//!
//! Least absolute error relative to the smaller of both counts, by reweighted least squares with weights that are never negative; each
//! weight is drawn a little towards a prior, so that a part that was hardly recorded stays near what it is
//! by the documents.

use crate::measure::Row;
use std::collections::BTreeMap;
use tokenstile_engine::dialect::PromptPart;

/// What a part weighs where the recordings say nothing.
const PRIOR: &[(PromptPart, f64)] = &[
    (PromptPart::Base, 3.0),
    (PromptPart::AnyTool, 3.0),
    (PromptPart::MustTool, 3.0),
    (PromptPart::Text, 1.0),
    (PromptPart::Messages, 4.0),
    (PromptPart::ToolText, 1.0),
    (PromptPart::NamedTools, 8.0),
    (PromptPart::CustomTools, 8.0),
    (PromptPart::Properties, 4.0),
    (PromptPart::PropertyNames, 1.0),
    (PromptPart::Types, 1.0),
    (PromptPart::Descriptions, 2.0),
    (PromptPart::DescriptionText, 1.0),
    (PromptPart::Enums, 2.0),
    (PromptPart::EnumText, 1.0),
    (PromptPart::FormatText, 1.0),
    (PromptPart::FormatMarks, 0.5),
    (PromptPart::JsonText, 1.0),
    (PromptPart::JsonMarks, 1.0),
    (PromptPart::ToolCalls, 6.0),
    (PromptPart::ToolResults, 3.0),
    (PromptPart::Images, 1.0),
    (PromptPart::UnseenImages, 600.0),
    (PromptPart::AudioMs, 0.03),
    (PromptPart::Pages, 600.0),
    (PromptPart::FileBytes, 0.05),
    (PromptPart::SealedBytes, 0.15),
];
/// How much the prior counts against one recorded call.
pub(super) const PRIOR_STRENGTH: f64 = 0.02;
/// Parts that stand for what nobody sees before the call: what they add differs by orders of magnitude,
/// and is an expected value.
pub(super) const EXPECTED: &[PromptPart] = &[
    PromptPart::ServerTools,
    PromptPart::SearchTools,
    PromptPart::PreviewSearchTools,
    PromptPart::FileSearchTools,
    PromptPart::AdvisorTools,
    PromptPart::ImageTools,
    PromptPart::FetchTools,
    PromptPart::CodeTools,
    PromptPart::ComputerTools,
    PromptPart::UnseenFiles,
    PromptPart::Stored,
];
/// Where a value is expected, an estimate below this share of the truth counts for more: it lets a budget
/// be passed.
const FAR_BELOW: f64 = 0.8;
/// By so much.
const FAR_BELOW_COUNTS: f64 = 0.5;
/// Parts that are no weight of their own: the difference of two others.
const LEFT_OUT: &[PromptPart] = &[PromptPart::Calls, PromptPart::Tools];
/// Families whose tokenizer is public.
pub(super) const OPENAI: &[&str] = &["gpt-4", "gpt-4o", "gpt-5", "o"];
/// What a model's template puts around everything.
const TEMPLATE: &[PromptPart] =
    &[PromptPart::Base, PromptPart::NoSystem, PromptPart::AnyTool, PromptPart::MustTool];
/// In how many parts calls are divided to see how well a table does on those that it was not fitted to.
const FOLDS: usize = 4;
/// Shorter prompts than this count as this long: a token more or less is no error.
const SHORT: f64 = 20.0;

/// Rounds in which all calls count alike, so that one that the prior happens to fit does not bind the others to it.
const ROUNDS_ALL_ALIKE: i32 = 4;
/// Rounds in which calls that are far off still count.
const ROUNDS_FAR: i32 = 12;
/// An error from which a count is wrong.
const WRONG: f64 = 0.1;
/// An error below which none is smaller.
const NEAR: f64 = 0.004;
/// An error from which a call counts less, at first and in the end.
const FAR_AT_FIRST: f64 = 3.0;
/// The same.
const FAR: f64 = 0.5;

/// What each part weighs, in tokens.
pub(super) type Weights = Vec<f64>;

/// What each row has of each part.
pub(super) fn matrix(rows: &[&Row]) -> Vec<Vec<f64>> {
    let count = |row: &Row, part: &PromptPart| row.parts.get(part.name()).copied().unwrap_or(0) as f64;
    let used = |part: &PromptPart| !LEFT_OUT.contains(part);
    let line = |row: &&Row| {
        PromptPart::ALL.iter().map(|part| if used(part) { count(row, part) } else { 0.0 }).collect()
    };
    rows.iter().map(line).collect()
}

pub(super) fn prior(part: PromptPart) -> f64 {
    PRIOR.iter().find(|(known, _)| *known == part).map_or(0.0, |(_, weight)| *weight)
}

/// Whose rule for images is in the dialects, and whose template says nothing by itself.
fn is_claude_or_gemini(family: &str) -> bool {
    family.starts_with("claude") || family.starts_with("gemini")
}

/// Which weights a fit may change.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Free {
    /// All of them.
    All,
    /// What the model's template puts around everything: for models of which little was recorded.
    Template,
    /// What it says where nobody says how to behave, and nothing else.
    NoSystem,
}

/// How a table is fitted.
#[derive(Clone, Copy)]
pub(super) struct Solver<'a> {
    pub(super) style: &'a str,
    pub(super) family: &'a str,
    /// What a part weighs where the recordings say nothing.
    pub(super) priors: &'a [f64],
    pub(super) strength: f64,
    pub(super) free: Free,
}

impl Solver<'_> {
    /// Both ways to begin can end in a corner of their own: the better one is taken.
    pub(super) fn solve(&self, rows: &[&Row]) -> Weights {
        let [near_prior, near_all] = [0, ROUNDS_ALL_ALIKE].map(|alike| self.solve_from(rows, alike));
        let [near_prior, near_all] = [near_prior, near_all].map(|weights| self.expect(rows, weights));
        let [badness, other] = [&near_prior, &near_all].map(|weights| {
            let errors = errors(rows, weights);
            let wrong = errors.iter().filter(|error| **error > WRONG).count();
            mean(&errors) + wrong as f64 / errors.len() as f64
        });
        if badness <= other { near_prior } else { near_all }
    }

    fn solve_from(&self, rows: &[&Row], alike: i32) -> Weights {
        let a = matrix(rows);
        let y: Vec<f64> = rows.iter().map(|row| row.truth.unwrap_or(0) as f64).collect();
        let mut x = self.priors.to_vec();
        for (j, weight) in x.iter_mut().enumerate() {
            let (least, most) = self.bounds(j);
            *weight = weight.clamp(least, most);
        }
        for round in 0..40 {
            let w = if round < alike {
                y.iter().map(|y| y.max(SHORT).powi(-2)).collect()
            } else if round < alike + ROUNDS_FAR {
                weigh(&a, &y, &x, NEAR.max(0.5_f64.powi(round - alike)), FAR_AT_FIRST)
            } else {
                weigh(&a, &y, &x, NEAR, FAR)
            };
            // The strength of the prior: some of the evidence of a mean call that has the part.
            let pull: Vec<f64> = (0..x.len())
                .map(|j| {
                    let with: Vec<f64> = a
                        .iter()
                        .zip(&w)
                        .filter(|(line, _)| line[j] > 0.0)
                        .map(|(line, w)| w * line[j] * line[j])
                        .collect();
                    let mean = with.iter().sum::<f64>() / with.len() as f64;
                    if with.is_empty() { 1.0 } else { self.strength * mean }
                })
                .collect();
            self.descend(&a, &y, &w, &pull, &mut x);
        }
        x
    }

    /// Sets what is to be expected of each part that stands for the unseen: of the values that calls show,
    /// the one with the least error over them all.
    fn expect(&self, rows: &[&Row], mut x: Weights) -> Weights {
        let a = matrix(rows);
        let y: Vec<f64> = rows.iter().map(|row| row.truth.unwrap_or(0) as f64).collect();
        let expected = |j: &usize| EXPECTED.contains(&PromptPart::ALL[*j]) && self.free == Free::All;
        for _ in 0..2 {
            for j in (0..x.len()).filter(expected) {
                let calls: Vec<(f64, f64, f64)> = a
                    .iter()
                    .zip(&y)
                    .filter(|(line, _)| line[j] > 0.0)
                    .map(|(line, y)| (line[j], dot(line, &x) - line[j] * x[j], *y))
                    .collect();
                // One call says more than none does.
                if calls.is_empty() {
                    x[j] = self.priors[j];
                    continue;
                }
                let shown = calls.iter().map(|(count, rest, y)| ((y - rest) / count).max(0.0));
                let badness = |weight: f64| {
                    let of = |(count, rest, y): &(f64, f64, f64)| badness(rest + count * weight, *y);
                    calls.iter().map(of).sum::<f64>()
                };
                let best = shown.min_by(|one, other| badness(*one).total_cmp(&badness(*other)));
                x[j] = best.unwrap_or(x[j]);
            }
        }
        x
    }

    /// Between what a weight must lie: text is text, whatever stands around it.
    fn bounds(&self, j: usize) -> (f64, f64) {
        let part = PromptPart::ALL[j];
        let is_free = match self.free {
            Free::All => true,
            Free::Template => TEMPLATE.contains(&part),
            Free::NoSystem => part == PromptPart::NoSystem,
        };
        if !is_free {
            return (self.priors[j], self.priors[j]);
        }
        // OpenAI's tokenizer is public, and what stands around a message is documented.
        let exact = OPENAI.contains(&self.family);
        let documented = exact && self.style.starts_with("chat") && self.family.starts_with("gpt-4");
        match part {
            PromptPart::Text if exact && self.free == Free::All => (1.0, 1.0),
            PromptPart::Images if exact || is_claude_or_gemini(self.family) => (1.0, 1.0),
            PromptPart::Base if documented => (3.0, 3.0),
            // Three, and one for the role.
            PromptPart::Messages if documented => (4.0, 4.0),
            // These are not told in words that they may think.
            PromptPart::Thinking | PromptPart::ThinkingTools | PromptPart::AdaptiveThinking
                if exact || self.family.starts_with("gemini") =>
            {
                (0.0, 0.0)
            }
            // Nor how to behave, where nobody says it.
            PromptPart::NoSystem if exact || is_claude_or_gemini(self.family) => (0.0, 0.0),
            PromptPart::Text => (0.9, 1.1),
            PromptPart::Messages => (0.0, 8.0),
            // Only OpenAI's reasoning models put something of their own around answers.
            PromptPart::Answers if !matches!(self.family, "gpt-5" | "o" | "gpt-oss") => (0.0, 0.0),
            PromptPart::FileBytes => (0.02, 0.5),
            PromptPart::SealedBytes | PromptPart::StreamedSealedBytes => (0.0, 0.5),
            // What the model reads costs its tokens, though little of it was recorded: a fit to short texts would have
            // what stands around them pay for them, and long ones for nothing. Gemini charged for no schema until 2.0.
            PromptPart::PropertyNames
            | PromptPart::DescriptionText
            | PromptPart::EnumText
            | PromptPart::SchemaText
                if self.family == "gemini-2" =>
            {
                (0.0, 1.5)
            }
            // OpenAI shows its models titles and the like of no schema.
            PromptPart::SchemaText if exact => (0.5, 1.5),
            PromptPart::ToolText
            | PromptPart::PropertyNames
            | PromptPart::DescriptionText
            | PromptPart::EnumText
            | PromptPart::SchemaText
            | PromptPart::JsonText => (0.9, 1.5),
            PromptPart::FormatText | PromptPart::ForcedTool | PromptPart::Thoughts => (0.0, 1.5),
            _ => (0.0, f64::INFINITY),
        }
    }

    /// Coordinate descent: the best weight for each part in turn.
    fn descend(&self, a: &[Vec<f64>], y: &[f64], w: &[f64], pull: &[f64], x: &mut [f64]) {
        let mut rest: Vec<f64> = a.iter().zip(y).map(|(line, y)| y - dot(line, x)).collect();
        let bounds: Vec<(f64, f64)> = (0..x.len()).map(|j| self.bounds(j)).collect();
        // Most calls lack most parts.
        let having =
            |j: usize| a.iter().enumerate().map(move |(i, line)| (i, line[j])).filter(|(_, has)| *has != 0.0);
        let columns: Vec<Vec<(usize, f64)>> = (0..x.len()).map(|j| having(j).collect()).collect();
        let spread =
            |column: &Vec<(usize, f64)>| column.iter().map(|(i, has)| w[*i] * has * has).sum::<f64>();
        let spreads: Vec<f64> = columns.iter().map(spread).collect();
        for _ in 0..300 {
            let mut moved = 0.0_f64;
            for j in 0..x.len() {
                let (least, most) = bounds[j];
                if least == most {
                    continue;
                }
                let top: f64 = columns[j].iter().map(|(i, has)| w[*i] * has * rest[*i]).sum();
                let top = top + pull[j] * (self.priors[j] - x[j]);
                let step = (x[j] + top / (pull[j] + spreads[j])).clamp(least, most) - x[j];
                if step != 0.0 {
                    x[j] += step;
                    columns[j].iter().for_each(|(i, has)| rest[*i] -= has * step);
                    moved = moved.max(step.abs());
                }
            }
            if moved < 1e-5 {
                break;
            }
        }
    }

    /// The mean error on calls that the fit did not see: each part of the calls by a fit to the others.
    pub(super) fn crossed_error(&self, rows: &[&Row]) -> f64 {
        // Calls of one file are much alike: they stay together, where there is more than one.
        let mut fold_of = BTreeMap::new();
        for row in rows {
            let next = fold_of.len();
            fold_of.entry(row.file.as_str()).or_insert(next);
        }
        let by_file = fold_of.len() > 1;
        let folds = if by_file { fold_of.len() } else { rows.len() }.min(FOLDS);
        let mut crossed = Vec::new();
        for fold in 0..folds {
            let of = |i: usize, row: &Row| if by_file { fold_of[row.file.as_str()] } else { i };
            let (with, without): (Vec<_>, Vec<_>) =
                rows.iter().enumerate().partition(|(i, row)| of(*i, row) % folds == fold);
            let [with, without] =
                [with, without].map(|rows| rows.into_iter().map(|(_, row)| *row).collect::<Vec<_>>());
            crossed.extend(errors(&with, &self.solve(&without)));
        }
        mean(&crossed)
    }
}

/// The weight of each call for the next round.
fn weigh(a: &[Vec<f64>], y: &[f64], x: &[f64], near: f64, far: f64) -> Vec<f64> {
    let weight = |(line, y): (&Vec<f64>, &f64)| {
        // Half is as wrong as twice.
        let ours = dot(line, x);
        let scale = y.min(ours).max(SHORT);
        let error = (ours - y).abs() / scale;
        // A call that is far off is so by what nobody sees: it must not draw the others after it.
        scale.powi(-2) / error.max(near) / (1.0 + (error / far).powi(2))
    };
    a.iter().zip(y).map(weight).collect()
}

/// How bad an estimate is where a value is expected.
fn badness(ours: f64, truth: f64) -> f64 {
    let error = (ours.max(1.0) / truth).ln().abs();
    if ours < truth * FAR_BELOW { FAR_BELOW_COUNTS + error } else { error }
}

pub(super) fn dot(line: &[f64], x: &[f64]) -> f64 {
    line.iter().zip(x).map(|(a, x)| a * x).sum()
}

/// The error of each call.
pub(super) fn errors(rows: &[&Row], weights: &[f64]) -> Vec<f64> {
    let error = |(line, row): (Vec<f64>, &&Row)| {
        let truth = row.truth.unwrap_or(1) as f64;
        (dot(&line, weights).round() / truth - 1.0).abs()
    };
    matrix(rows).into_iter().zip(rows).map(error).collect()
}

/// The mean error, each error 100 % at most.
pub(super) fn mean(errors: &[f64]) -> f64 {
    errors.iter().map(|error| error.min(1.0)).sum::<f64>() / errors.len() as f64
}

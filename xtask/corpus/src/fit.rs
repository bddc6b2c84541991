//! Fits the weights of prompt parts to recorded usage, and says how well they do on repositories that the
//! fit did not see.
//!
//! Least absolute error relative to the smaller of both counts, by reweighted least squares with weights that are never negative; each
//! weight is drawn a little towards a prior, so that a part that was hardly recorded stays near what it is
//! by the documents.

mod held_out;

pub(crate) use held_out::held_out;

use crate::measure::Row;
use std::collections::{BTreeMap, BTreeSet};
use tokenstile_engine::dialect::{PromptPart, model_stem};

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
const PRIOR_STRENGTH: f64 = 0.02;
/// Parts that stand for what nobody sees before the call: what they add differs by orders of magnitude,
/// and is an expected value.
const EXPECTED: &[PromptPart] = &[
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
/// Fewer calls than this say nothing of what to expect. One says more than nothing does.
const EXPECTED_CALLS_MIN: usize = 1;
/// Where a value is expected, an estimate below this share of the truth counts for more: it lets a budget
/// be passed.
const FAR_BELOW: f64 = 0.8;
/// By so much.
const FAR_BELOW_COUNTS: f64 = 0.5;
/// Parts that are no weight of their own: the difference of two others.
const LEFT_OUT: &[PromptPart] = &[PromptPart::Calls, PromptPart::Tools];
/// How much the family's weights count against one call of a model.
const FAMILY_STRENGTH: f64 = 0.05;
/// By how much a model's own table must lessen the mean error.
const GAIN_MIN: f64 = 0.02;
/// Families whose tokenizer is public.
const OPENAI: &[&str] = &["gpt-4", "gpt-4o", "gpt-5", "o"];
/// Families after which others of the same provider take, where little of these was recorded: the first is fitted first.
const KIN: &[(&str, &[&str])] = &[
    ("gpt-4o", OPENAI),
    ("gemini-2.5", &["gemini-2", "gemini-3"]),
    ("claude-4.5", &["claude-4.7"]),
    ("mistral", &["devstral", "magistral", "mixtral"]),
    ("grok", &["grok-4", "grok-4-fast", "grok-code"]),
    ("llama", &["llama-3.1", "llama-4"]),
    ("nova", &["nova-2"]),
];
/// Fewer calls than this make no table of all parts, or none at all.
const CALLS_MIN: usize = 8;
/// See there.
const TEMPLATE_CALLS_MIN: usize = 2;
/// What a model's template puts around everything.
const TEMPLATE: &[PromptPart] =
    &[PromptPart::Base, PromptPart::NoSystem, PromptPart::AnyTool, PromptPart::MustTool];
/// Fewer calls than this say nothing of how a table does on repositories that it was not fitted to.
const REPORTED_CALLS_MIN: usize = 40;
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

type Weights = Vec<f64>;

/// Prints `engine/weights.txt`; how well they do, on stderr.
pub(crate) fn fit(rows: &[Row]) {
    println!(
        "# Thousandths of a token for each part of a prompt, by style and by family of models (`*`) or model."
    );
    println!("# Made by `cargo xtask fit prompts`. Recordings, method and error: docs/accuracy.md.");
    for (style, name, weights) in tables(&rows.iter().collect::<Vec<_>>(), true) {
        let thousandths = weights.iter().map(|weight| (weight * 1000.0).round() as u64);
        let parts = PromptPart::ALL.iter().zip(thousandths).filter(|(_, weight)| *weight > 0);
        let parts: String = parts.map(|(part, weight)| format!(" {}={weight}", part.name())).collect();
        println!("{style} {name}{parts}");
    }
}

/// Fits tables for each style: one for all models, one for each family, and one for a model that its family's
/// table does not fit. `says` how well they do, on stderr.
fn tables(rows: &[&Row], says: bool) -> Vec<Table> {
    let mut fitted = Fitted { tables: Vec::new(), says };
    let counts = |row: &&&Row| row.truth.is_some() && !row.style.is_empty();
    let mut styles: BTreeMap<&str, Vec<&Row>> = BTreeMap::new();
    for row in rows.iter().filter(counts) {
        styles.entry(row.style).or_default().push(row);
    }
    let documented: Weights = PromptPart::ALL.iter().map(|part| prior(*part)).collect();
    for (style, rows) in &styles {
        let all =
            Solver { style, family: "", priors: &documented, strength: PRIOR_STRENGTH, free: Free::All };
        let other = all.solve(rows);
        fitted.tell("*", rows, &all, &other);
        let mut families = grouped(rows, |row| row.family.to_owned());
        let first: Vec<_> = KIN.iter().filter_map(|(first, _)| families.remove_entry(*first)).collect();
        let mut elders: BTreeMap<&str, Weights> = BTreeMap::new();
        for (family, rows) in first.into_iter().chain(families) {
            let mut nearest = other.clone();
            let elder = KIN.iter().find(|(first, kin)| *first != family && kin.contains(&family.as_str()));
            let elder = elder.and_then(|(first, _)| elders.get(first));
            let expecting = expecting(&documented, &other);
            let solver = Solver { family: &family, priors: elder.unwrap_or(&expecting), ..all };
            let home: Vec<&Row> = rows.iter().filter(|row| is_home(row)).copied().collect();
            let home = if home.len() >= CALLS_MIN { &home } else { &rows };
            if family != "other" && home.len() >= CALLS_MIN {
                nearest = solver.solve(home);
                fitted.tell(&format!("{family}*"), home, &solver, &nearest);
            }
            if let Some((first, _)) = KIN.iter().find(|(first, _)| *first == family) {
                elders.insert(first, nearest.clone());
            }
            let mut of_model = BTreeMap::new();
            for (stem, rows) in grouped(&rows, |row| model_stem(&row.model)) {
                let own = model(&mut fitted, style, &family, &stem, &rows, &nearest);
                of_model.insert(stem, own.unwrap_or_else(|| nearest.clone()));
            }
            for (provider, rows) in grouped(&rows, |row| row.host.unwrap_or_default().to_owned()) {
                if !provider.is_empty() {
                    let style = format!("{style}@{provider}");
                    at_provider(&mut fitted, &style, &family, &rows, &nearest, &of_model);
                }
            }
        }
    }
    fitted.tables
}

/// Style, name and weights.
type Table = (String, String, Weights);

/// What was fitted so far.
struct Fitted {
    tables: Vec<Table>,
    /// Whether to say how well it does.
    says: bool,
}

impl Fitted {
    fn keep(&mut self, style: &str, name: &str, weights: &[f64]) {
        self.tables.push((style.to_owned(), name.to_owned(), weights.to_vec()));
    }

    fn tell(&mut self, name: &str, rows: &[&Row], solver: &Solver<'_>, weights: &[f64]) {
        if self.says {
            report(solver.style, name, rows, solver, weights);
        }
        self.keep(solver.style, name, weights);
    }
}

/// The documents' weights, and what all models of a style let expect.
fn expecting(documented: &[f64], other: &[f64]) -> Weights {
    let is_expected = |part: &PromptPart| EXPECTED.contains(part);
    let both = PromptPart::ALL.iter().zip(documented.iter().zip(other));
    both.map(|(part, (documented, other))| if is_expected(part) { *other } else { *documented }).collect()
}

/// Whether OpenAI's own servers took it, or Azure's: others put its models' prompts together otherwise.
fn is_home(row: &Row) -> bool {
    OPENAI.contains(&row.family) && matches!(row.provider.as_str(), "openai" | "azure")
}

/// A provider's own table for a family, if it does better than those of the models on calls that it was not fitted
/// to; and what its models add to that.
fn at_provider(
    fitted: &mut Fitted,
    style: &str,
    family: &str,
    rows: &[&Row],
    nearest: &[f64],
    of_model: &BTreeMap<String, Weights>,
) {
    if rows.len() < TEMPLATE_CALLS_MIN {
        return;
    }
    let of = |stem: &str| of_model.get(stem).map_or(nearest, Vec::as_slice);
    let known: Vec<f64> = rows.iter().flat_map(|row| errors(&[row], of(&model_stem(&row.model)))).collect();
    let free = if rows.len() < CALLS_MIN { Free::Template } else { Free::All };
    let solver = Solver { style, family, priors: nearest, strength: FAMILY_STRENGTH, free };
    let own = (solver.crossed_error(rows) + GAIN_MIN < mean(&known)).then(|| solver.solve(rows));
    if let Some(own) = &own {
        fitted.tell(&format!("{family}*"), rows, &solver, own);
    }
    for (stem, rows) in grouped(rows, |row| model_stem(&row.model)) {
        model(fitted, style, family, &stem, &rows, own.as_deref().unwrap_or_else(|| of(&stem)));
    }
}

/// A model's own table, if it does better on calls that it was not fitted to.
fn model(
    fitted: &mut Fitted,
    style: &str,
    family: &str,
    stem: &str,
    rows: &[&Row],
    nearest: &[f64],
) -> Option<Weights> {
    if rows.len() < TEMPLATE_CALLS_MIN {
        return None;
    }
    let free = |free| Solver { style, family, priors: nearest, strength: FAMILY_STRENGTH, free };
    let mut solvers = vec![free(Free::NoSystem), free(Free::Template)];
    if rows.len() >= CALLS_MIN {
        solvers.push(free(Free::All));
    }
    let crossed = solvers.iter().map(|solver| (solver.crossed_error(rows), solver));
    let (error, best) = crossed.min_by(|(a, _), (b, _)| a.total_cmp(b))?;
    // A table must earn its place.
    (error + GAIN_MIN < mean(&errors(rows, nearest))).then(|| {
        let own = best.solve(rows);
        fitted.keep(style, stem, &own);
        own
    })
}

fn grouped<'r>(rows: &[&'r Row], name: impl Fn(&Row) -> String) -> BTreeMap<String, Vec<&'r Row>> {
    let mut groups: BTreeMap<String, Vec<&Row>> = BTreeMap::new();
    for row in rows {
        groups.entry(name(row)).or_default().push(row);
    }
    groups
}

/// What each row has of each part.
fn matrix(rows: &[&Row]) -> Vec<Vec<f64>> {
    let count = |row: &Row, part: &PromptPart| row.parts.get(part.name()).copied().unwrap_or(0) as f64;
    let used = |part: &PromptPart| !LEFT_OUT.contains(part);
    let line = |row: &&Row| {
        PromptPart::ALL.iter().map(|part| if used(part) { count(row, part) } else { 0.0 }).collect()
    };
    rows.iter().map(line).collect()
}

fn prior(part: PromptPart) -> f64 {
    PRIOR.iter().find(|(known, _)| *known == part).map_or(0.0, |(_, weight)| *weight)
}

/// Whose rule for images is in the dialects.
fn documented_images(family: &str) -> bool {
    family.starts_with("claude") || family.starts_with("gemini")
}

/// Which weights a fit may change.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Free {
    /// All of them.
    All,
    /// What the model's template puts around everything: for models of which little was recorded.
    Template,
    /// What it says where nobody says how to behave, and nothing else.
    NoSystem,
}

/// How a table is fitted.
#[derive(Clone, Copy)]
struct Solver<'a> {
    style: &'a str,
    family: &'a str,
    /// What a part weighs where the recordings say nothing.
    priors: &'a [f64],
    strength: f64,
    free: Free,
}

impl Solver<'_> {
    /// Both ways to begin can end in a corner of their own: the better one is taken.
    fn solve(&self, rows: &[&Row]) -> Weights {
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
                if calls.len() < EXPECTED_CALLS_MIN {
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
            PromptPart::Images if exact || documented_images(self.family) => (1.0, 1.0),
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
            PromptPart::NoSystem if exact || documented_images(self.family) => (0.0, 0.0),
            PromptPart::Text => (0.9, 1.1),
            PromptPart::Messages => (0.0, 20.0),
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
    fn crossed_error(&self, rows: &[&Row]) -> f64 {
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

fn dot(line: &[f64], x: &[f64]) -> f64 {
    line.iter().zip(x).map(|(a, x)| a * x).sum()
}

/// Errors on the calls themselves, and on each repository by weights that were fitted without it.
fn report(style: &str, name: &str, rows: &[&Row], solver: &Solver<'_>, weights: &[f64]) {
    let repos: BTreeSet<&str> = rows.iter().map(|row| row.repo.as_str()).collect();
    let mut crossed = Vec::new();
    for repo in repos.iter().filter(|_| rows.len() >= REPORTED_CALLS_MIN) {
        let (with, without): (Vec<&Row>, Vec<&Row>) = rows.iter().partition(|row| row.repo == *repo);
        if without.len() >= CALLS_MIN {
            crossed.extend(errors(&with, &solver.solve(&without)));
        }
    }
    eprintln!(
        "{style}/{name}: {} calls of {} repositories, error {}, of repositories not fitted {}",
        rows.len(),
        repos.len(),
        quantiles(errors(rows, weights)),
        quantiles(crossed)
    );
}

fn errors(rows: &[&Row], weights: &[f64]) -> Vec<f64> {
    let error = |(line, row): (Vec<f64>, &&Row)| {
        let truth = row.truth.unwrap_or(1) as f64;
        (dot(&line, weights).round() / truth - 1.0).abs()
    };
    matrix(rows).into_iter().zip(rows).map(error).collect()
}

/// The mean error, each error 100 % at most.
fn mean(errors: &[f64]) -> f64 {
    errors.iter().map(|error| error.min(1.0)).sum::<f64>() / errors.len() as f64
}

fn quantiles(mut errors: Vec<f64>) -> String {
    errors.sort_by(f64::total_cmp);
    let at = |share: f64| {
        let index = ((errors.len().saturating_sub(1)) as f64 * share).round() as usize;
        errors.get(index).map_or("-".to_owned(), |error| format!("{:.1} %", error * 100.0))
    };
    format!("p50 {} p95 {}", at(0.5), at(0.95))
}

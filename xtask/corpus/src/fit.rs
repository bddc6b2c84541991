//! Fits the weights of prompt parts to recorded usage: for which calls there is a table, and how well each does on
//! repositories that it was not fitted to. `solver` fits one.

mod held_out;
mod solver;

pub(crate) use held_out::held_out;

use crate::measure::Row;
use solver::{EXPECTED, Free, OPENAI, PRIOR_STRENGTH, Solver, Weights, errors, mean, prior};
use std::collections::{BTreeMap, BTreeSet};
use tokenstile_engine::dialect::{PromptPart, home_style, model_stem};

/// How much the family's weights count against one call of a model.
const FAMILY_STRENGTH: f64 = 0.05;
/// By how much a model's own table must lessen the mean error.
const GAIN_MIN: f64 = 0.02;
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
/// Whose servers are those of the maker, by family.
const MAKERS: &[(&str, &str)] =
    &[("grok", "x-ai"), ("mistral", "mistral"), ("deepseek", "deepseek"), ("glm", "zai")];
/// Fewer calls than this make no table of all parts, or none at all.
const CALLS_MIN: usize = 8;
/// See there.
const TEMPLATE_CALLS_MIN: usize = 2;
/// Fewer calls than this say nothing of how a table does on repositories that it was not fitted to.
const REPORTED_CALLS_MIN: usize = 40;
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
    // Tables of families by style and family.
    let mut homes: BTreeMap<(&str, String), Weights> = BTreeMap::new();
    let mut ordered: Vec<_> = styles.iter().collect();
    ordered.sort_by_key(|(style, _)| !HOMES.contains(style));
    for (style, rows) in ordered {
        let all =
            Solver { style, family: "", priors: &documented, strength: PRIOR_STRENGTH, free: Free::All };
        let other = all.solve(rows);
        fitted.tell("*", rows, &all, &other);
        let mut families = grouped(rows, |row| row.family.to_owned());
        let first: Vec<_> = KIN.iter().filter_map(|(first, _)| families.remove_entry(*first)).collect();
        let mut elders: BTreeMap<&str, Weights> = BTreeMap::new();
        for (family, rows) in first.into_iter().chain(families) {
            let of_home = home_style(style, &family);
            let of_home = of_home.and_then(|home| homes.get(&(home, family.clone()))).cloned();
            let mut nearest = of_home.clone().unwrap_or_else(|| other.clone());
            let elder = KIN.iter().find(|(first, kin)| *first != family && kin.contains(&family.as_str()));
            let elder = elder.and_then(|(first, _)| elders.get(first));
            let expecting = expecting(&documented, &other);
            let priors = elder.or(of_home.as_ref()).unwrap_or(&expecting);
            let solver = Solver { family: &family, priors, ..all };
            let home: Vec<&Row> = rows.iter().filter(|row| is_home(row)).copied().collect();
            let home = if home.len() >= CALLS_MIN { &home } else { &rows };
            if family != "other" && home.len() >= CALLS_MIN {
                nearest = solver.solve(home);
                fitted.tell(&format!("{family}*"), home, &solver, &nearest);
                homes.insert((*style, family.clone()), nearest.clone());
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

/// Styles whose tables others borrow (`home_style`): fitted first.
const HOMES: &[&str] = &["anthropic", "gemini", "chat"];

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

/// Whether the maker's own servers took it: others put its models' prompts together otherwise, and say other things by
/// themselves. (Azure serves OpenAI's models as OpenAI does.)
fn is_home(row: &Row) -> bool {
    if OPENAI.contains(&row.family) {
        return matches!(row.provider.as_str(), "openai" | "azure");
    }
    let maker = MAKERS.iter().find(|(family, _)| row.family.starts_with(family));
    maker.is_some_and(|(_, maker)| row.host == Some(*maker))
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

fn quantiles(mut errors: Vec<f64>) -> String {
    errors.sort_by(f64::total_cmp);
    let at = |share: f64| {
        let index = ((errors.len().saturating_sub(1)) as f64 * share).round() as usize;
        errors.get(index).map_or("-".to_owned(), |error| format!("{:.1} %", error * 100.0))
    };
    format!("p50 {} p95 {}", at(0.5), at(0.95))
}

//! `tokenstile ab`: the arms of an experiment compared. It owns the statistics.
//!
//! Subjects were assigned, and not calls; the calls of one subject are alike. A mean by call is therefore the ratio of
//! two sums over subjects, R = Σy/Σn, of which the variance is k/(k−1) · Σ(y − R·n)² / (Σn)² over k subjects (the delta
//! method: Deng, Knoblich and Lu, 2018, <https://arxiv.org/abs/1803.06336>). A difference lies with 95% within
//! t · √(v₁ + v₂), where t is Student's quantile with Welch's degrees of freedom,
//! (v₁ + v₂)² / (v₁²/(k₁−1) + v₂²/(k₂−1)): arms of unlike sizes and variances have fewer (Welch, 1947,
//! <https://doi.org/10.1093/biomet/34.1-2.28>). Whether subjects came in the shares of the split is judged by the
//! chi-squared test (Fabijan et al., 2019, <https://doi.org/10.1145/3292500.3330722>); who is held out is in no arm of
//! the split.

use super::dimension::Dimension;
use super::measure::MEASURES;
use super::{Record, so_many};
use serde_json::{Value, json};
use statrs::distribution::{ChiSquared, ContinuousCDF, StudentsT};
use std::collections::BTreeMap;
use tokenstile_engine::policy::HOLDOUT;

/// Below this, the shares of subjects are not those of the split.
pub const MISMATCH_P: f64 = 0.001;

/// Calls of one subject, and the sums of what is measured.
#[derive(Debug, Clone, Default)]
struct Subject {
    calls: f64,
    sums: [f64; MEASURES.len()],
    stepped: Stepped,
}

/// Calls that a budget, or a limit of one call, made cheaper: an arm whose calls are is not what its name says.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Stepped {
    /// Served by another model.
    pub downgraded: u64,
    /// With a shorter answer.
    pub clamped: u64,
}

impl Stepped {
    /// A bound may be the arm's own: then the rule that decided is the experiment, or another route.
    fn of(record: &Record) -> Self {
        let is_route = |rule: &str| record.route.as_deref() == Some(rule) || record.arms.contains_key(rule);
        if record.rule.as_deref().is_none_or(is_route) {
            return Self::default();
        }
        let is = |decision: &str| u64::from(record.decision == decision);
        Self { downgraded: is("downgrade"), clamped: is("clamp") }
    }

    fn add(&mut self, other: Self) {
        self.downgraded += other.downgraded;
        self.clamped += other.clamped;
    }
}

/// What the other arms are compared with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Baseline<'a> {
    /// The arm that was asked for.
    Asked(&'a str),
    /// The arm `control`; else one of these, which the policy says change nothing; else the largest. Nobody is held out to
    /// be compared with unless that is asked for.
    Found(&'a [String]),
}

/// Gathers an experiment.
#[derive(Debug)]
pub struct Builder {
    route: String,
    subject: Dimension,
    /// Calls of the experiment of which the subject is not known.
    pub without_subject: u64,
    arms: BTreeMap<String, BTreeMap<String, Subject>>,
}

/// A difference of means, and how far it is certain.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Difference {
    /// The difference.
    pub of: f64,
    /// With 95% it lies so far around.
    pub margin: f64,
}

impl Difference {
    /// Whether none lies outside of it.
    #[must_use]
    pub fn is_certain(&self) -> bool {
        self.of.abs() > self.margin
    }
}

/// One arm.
#[derive(Debug, Clone)]
pub struct Arm {
    /// Its name.
    pub name: String,
    /// Its subjects.
    pub subjects: usize,
    /// Their calls.
    pub calls: f64,
    /// Of these, what budgets and limits made cheaper.
    pub stepped: Stepped,
    /// By call, in the order of [`MEASURES`]: the mean and its variance.
    pub means: Vec<(f64, f64)>,
}

impl Arm {
    /// How many subjects it has, in words.
    #[must_use]
    pub fn subjects(&self) -> String {
        so_many(self.subjects as u64, "subject")
    }
}

/// A whole number of something that statistics have as a fraction, in words.
#[must_use]
pub fn counted(count: f64, what: &str) -> String {
    format!("{count} {what}{}", if (count - 1.0).abs() < 0.5 { "" } else { "s" })
}

/// An experiment: the first arm is what the others are compared with.
#[derive(Debug)]
pub struct Experiment {
    /// Its arms.
    pub arms: Vec<Arm>,
    /// Why the first is that.
    pub first_because: &'static str,
    /// Who was seen in more than one arm.
    pub in_several: usize,
    /// How probable such shares of subjects are, if the split is as it says.
    pub shares_p: Option<f64>,
    /// Who is held out is no part of those shares: nobody has said how many that shall be.
    pub without_holdout: bool,
}

impl Builder {
    /// Of this route's experiment, with subjects by this dimension.
    #[must_use]
    pub fn new(route: &str, subject: &str) -> Self {
        Self {
            route: route.to_owned(),
            subject: Dimension::named(subject),
            without_subject: 0,
            arms: BTreeMap::new(),
        }
    }

    /// Adds a call, if it is in the experiment. Of who chose an arm nothing follows for the others.
    pub fn add(&mut self, record: &Record) {
        if record.arms_chosen.contains(&self.route) {
            return;
        }
        let Some(arm) = record.arms.get(&self.route) else { return };
        let name = self.subject.of(record);
        if name.is_empty() {
            self.without_subject += 1;
            return;
        }
        let subject = self.arms.entry(arm.clone()).or_default().entry(name).or_default();
        subject.calls += 1.0;
        subject.stepped.add(Stepped::of(record));
        for (sum, measure) in subject.sums.iter_mut().zip(MEASURES) {
            *sum += (measure.of)(record);
        }
    }

    /// Compares; `weights` are the shares of the arms by name, else all are alike. The arm `holdout` is no part of them
    /// unless it has a weight.
    ///
    /// # Errors
    /// There are not two arms with two subjects each, an arm has no weight, or there is no such baseline.
    pub fn finish(
        self,
        weights: &BTreeMap<String, f64>,
        baseline: Baseline<'_>,
    ) -> Result<Experiment, String> {
        if self.arms.values().filter(|subjects| subjects.len() > 1).count() < 2 {
            return Err(format!("experiment `{}` has not two arms with two subjects each", self.route));
        }
        let share = |name: &str| if weights.is_empty() { Some(1.0) } else { weights.get(name).copied() };
        let is_part = |name: &str| name != HOLDOUT || weights.contains_key(HOLDOUT);
        let counts: Result<Vec<(f64, f64)>, String> = self
            .arms
            .iter()
            .filter(|(name, _)| is_part(name))
            .map(|(name, subjects)| {
                let share = share(name).ok_or_else(|| format!("arm `{name}` has no weight"))?;
                Ok((subjects.len() as f64, share))
            })
            .collect();
        let shares_p = mismatch(&counts?);
        let without_holdout = !self.arms.keys().all(|name| is_part(name));
        let in_several = self.in_several();
        let mut arms: Vec<Arm> = self.arms.into_iter().map(|(name, subjects)| arm(name, &subjects)).collect();
        let (first, first_because) = first(&arms, baseline)?;
        if let Some(before) = arms.get_mut(..=first) {
            before.rotate_right(1);
        }
        Ok(Experiment { arms, first_because, in_several, shares_p, without_holdout })
    }

    fn in_several(&self) -> usize {
        let mut arms_of: BTreeMap<&str, usize> = BTreeMap::new();
        for subject in self.arms.values().flat_map(BTreeMap::keys) {
            *arms_of.entry(subject).or_default() += 1;
        }
        arms_of.values().filter(|arms| **arms > 1).count()
    }
}

/// The place of the arm that others are compared with, and why it is that one.
fn first(arms: &[Arm], baseline: Baseline<'_>) -> Result<(usize, &'static str), String> {
    let place = |name: &str| arms.iter().position(|arm| arm.name == name);
    let idle = match baseline {
        Baseline::Asked(name) => {
            let names: Vec<&str> = arms.iter().map(|arm| arm.name.as_str()).collect();
            let missing = || format!("no record is in arm `{name}`; there is {}", names.join(", "));
            return Ok((place(name).ok_or_else(missing)?, "as was asked"));
        }
        Baseline::Found(idle) => idle,
    };
    let largest = |is_one: &dyn Fn(&str) -> bool| {
        let ones = arms.iter().enumerate().filter(|(_, arm)| arm.name != HOLDOUT && is_one(&arm.name));
        // Of arms that are as large, the first by name.
        ones.rev().max_by_key(|(_, arm)| arm.subjects).map(|(place, _)| place)
    };
    let control = place("control").map(|place| (place, "by its name"));
    let idle = || {
        largest(&|name| idle.iter().any(|idle| idle == name)).map(|place| (place, "which changes nothing"))
    };
    let any = || largest(&|_| true).map(|place| (place, "the largest arm"));
    control.or_else(idle).or_else(any).ok_or_else(|| "there is no arm but the holdout".to_owned())
}

fn arm(name: String, subjects: &BTreeMap<String, Subject>) -> Arm {
    let k = subjects.len() as f64;
    let calls: f64 = subjects.values().map(|subject| subject.calls).sum();
    let mean = |measure: usize| {
        let y = |subject: &Subject| subject.sums.get(measure).copied().unwrap_or_default();
        let ratio = subjects.values().map(y).sum::<f64>() / calls;
        let squares: f64 = subjects.values().map(|s| (y(s) - ratio * s.calls).powi(2)).sum();
        (ratio, k / (k - 1.0) * squares / calls.powi(2))
    };
    let means = (0..MEASURES.len()).map(mean).collect();
    let mut stepped = Stepped::default();
    subjects.values().for_each(|subject| stepped.add(subject.stepped));
    Arm { name, subjects: subjects.len(), calls, stepped, means }
}

/// The chi-squared test of counts against shares.
fn mismatch(counts: &[(f64, f64)]) -> Option<f64> {
    let all: f64 = counts.iter().map(|(count, _)| count).sum();
    let shares: f64 = counts.iter().map(|(_, share)| share).sum();
    let statistic: f64 = counts
        .iter()
        .map(|(count, share)| (count - all * share / shares).powi(2) / (all * share / shares))
        .sum();
    ChiSquared::new(counts.len() as f64 - 1.0).ok().map(|law| law.sf(statistic))
}

impl Experiment {
    /// How an arm differs from the first, in a measure by its place in [`MEASURES`]; the first itself from none.
    #[must_use]
    pub fn difference(&self, arm: &Arm, measure: usize) -> Option<Difference> {
        let first = self.arms.first().filter(|first| first.name != arm.name)?;
        let ((a, v), (b, w)) = (*first.means.get(measure)?, *arm.means.get(measure)?);
        let variance = v + w;
        let spare = |subjects: usize| subjects as f64 - 1.0;
        let freedom =
            variance.powi(2) / (v.powi(2) / spare(first.subjects) + w.powi(2) / spare(arm.subjects));
        // Where all subjects of both arms are alike, there is nothing to be uncertain of.
        let t = if variance > 0.0 { StudentsT::new(0.0, 1.0, freedom).ok()?.inverse_cdf(0.975) } else { 0.0 };
        Some(Difference { of: b - a, margin: t * variance.sqrt() }).filter(|d| d.margin.is_finite())
    }

    /// Whether subjects came in other shares than the split says: then nothing else here can be trusted.
    #[must_use]
    pub fn is_mismatched(&self) -> bool {
        self.shares_p.is_some_and(|p| p < MISMATCH_P)
    }

    /// What the shares of subjects were judged without.
    #[must_use]
    pub fn left_out(&self) -> Option<&'static str> {
        const SAID: &str = "The arm “holdout” is no part of the split: its subjects are left out where shares are judged, unless \
                            it has a weight.";
        self.without_holdout.then_some(SAID)
    }

    /// With what the arms are compared, and why.
    #[must_use]
    pub fn baseline(&self) -> String {
        let name = self.arms.first().map_or("", |arm| &arm.name);
        format!("Compared with “{name}”, {}; `--baseline ARM` takes another.", self.first_because)
    }

    /// What is wrong with the subjects, if something is.
    #[must_use]
    pub fn moved(&self) -> Option<String> {
        let (who, were) = match self.in_several {
            0 => return None,
            1 => ("1 subject".to_owned(), "was"),
            several => (so_many(several as u64, "subject"), "were"),
        };
        Some(format!(
            "{who} {were} seen in more than one arm: the split was changed meanwhile, or its dimension is not the one of \
             `--subject`."
        ))
    }

    /// What differs of each arm, in a sentence.
    #[must_use]
    pub fn sentences(&self) -> Vec<String> {
        let Some(first) = self.arms.first() else { return Vec::new() };
        let sentence = |arm: &Arm| {
            let differs = MEASURES.iter().enumerate().filter_map(|(i, measure)| {
                let difference = self.difference(arm, i).filter(Difference::is_certain)?;
                let of_first = first.means.get(i).map(|mean| mean.0).filter(|mean| *mean > 0.0);
                let share = of_first.map(|mean| format!("{:.1}%", difference.of.abs() / mean * 100.0));
                Some(measure.words.sentence(share.as_deref(), difference.of > 0.0))
            });
            let differs: Vec<String> = differs.collect();
            match differs.split_last() {
                None => format!(
                    "By request, nothing that is certain sets “{}” apart from “{}”.",
                    arm.name, first.name
                ),
                Some((last, [])) => format!("By request, “{}” {last} than “{}”.", arm.name, first.name),
                Some((last, before)) => {
                    let before = before.join(", ");
                    format!("By request, “{}” {before} and {last} than “{}”.", arm.name, first.name)
                }
            }
        };
        self.arms.iter().skip(1).map(sentence).collect()
    }

    /// As one JSON object.
    #[must_use]
    pub fn json(&self) -> Value {
        let first = self.arms.first();
        let arm = |arm: &Arm| {
            let measures = MEASURES.iter().enumerate().map(|(i, measure)| {
                let difference = self.difference(arm, i).map(|d| json!({"of": d.of, "margin": d.margin}));
                let mut said = json!({"mean": arm.means.get(i).map(|m| m.0)});
                if first.is_some_and(|first| first.name != arm.name) {
                    said["difference"] = json!(difference);
                }
                (measure.name.to_owned(), said)
            });
            let measures: serde_json::Map<String, Value> = measures.collect();
            json!({"arm": arm.name, "subjects": arm.subjects, "requests": arm.calls, "by_request": measures,
                "downgraded": arm.stepped.downgraded, "clamped": arm.stepped.clamped})
        };
        json!({"baseline": self.arms.first().map(|arm| &arm.name), "subjects_in_several_arms": self.in_several, "arms": self.arms.iter().map(arm).collect::<Vec<_>>(), "level": 0.95,
            "shares_p": self.shares_p, "shares_mismatch": self.is_mismatched(),
            "shares_without_holdout": self.without_holdout})
    }

    /// In sentences.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = String::new();
        if self.is_mismatched() {
            text += "Subjects did not come in the shares of the split: do not trust what follows; find out why first.\n";
        }
        if let Some(left_out) = self.left_out() {
            text += &format!("{left_out}\n");
        }
        if let Some(moved) = self.moved() {
            text += &format!("{moved}\n");
        }
        text += &format!("{}\n", self.baseline());
        for arm in &self.arms {
            let Stepped { downgraded, clamped } = arm.stepped;
            text += &format!("{}: {}, {}", arm.name, arm.subjects(), counted(arm.calls, "request"));
            text += &format!(", of which budgets and limits downgraded {downgraded} and clamped {clamped}\n");
            for (i, measure) in MEASURES.iter().enumerate() {
                let mean = arm.means.get(i).map_or(0.0, |mean| mean.0);
                text += &format!("  {} by request: {}", measure.label, measure.unit.mean(mean));
                if let Some(d) = self.difference(arm, i) {
                    let sure = if d.is_certain() { "a difference" } else { "no certain difference" };
                    let (of, margin) = measure.unit.difference(d.of, d.margin);
                    text += &format!(", {of} {margin}: {sure}");
                }
                text.push('\n');
            }
        }
        for sentence in self.sentences() {
            text += &format!("{sentence}\n");
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::{Builder, Record};
    use rand::{RngExt as _, SeedableRng as _};
    use std::collections::BTreeMap;

    /// Subjects with a habit of their own, so that calls are far from independent; the arms differ by 100.
    fn simulated(seed: u64) -> super::Experiment {
        let mut random = rand_chacha::ChaCha8Rng::seed_from_u64(seed);
        let mut builder = Builder::new("r", "user");
        for user in 0..200_u32 {
            let arm = if user % 2 == 0 { "a" } else { "b" };
            let habit = random.random_range(0..2_000_i64);
            for _ in 0..random.random_range(1..30) {
                let mut record =
                    Record { cost_nano_usd: habit + random.random_range(0..500), ..Record::default() };
                record.cost_nano_usd += if arm == "b" { 100 } else { 0 };
                record.arms.insert("r".to_owned(), arm.to_owned());
                record.identity.insert("user".to_owned(), user.to_string());
                builder.add(&record);
            }
        }
        builder.finish(&BTreeMap::new(), super::Baseline::Found(&[])).unwrap()
    }

    /// 95% of 1,000 intervals are 950, with a deviation of 7: four of them are allowed.
    #[test]
    fn the_interval_holds_the_truth_as_often_as_it_says() {
        let holds = |seed: &u64| {
            let experiment = simulated(*seed);
            let difference = experiment.difference(&experiment.arms[1], 0).unwrap();
            (difference.of - 100.0).abs() <= difference.margin
        };
        let held = (0..1_000).filter(holds).count();
        assert!((922..=978).contains(&held), "{held}");
    }

    #[test]
    fn shares_that_the_split_did_not_make_are_seen() {
        let p = |a: f64, b: f64| super::mismatch(&[(a, 1.0), (b, 1.0)]).unwrap();
        // 100²/500 twice is 40; 10²/500 twice is 0.4, of which the p is 0.5271.
        assert!(p(600.0, 400.0) < super::MISMATCH_P);
        assert!((p(510.0, 490.0) - 0.5271).abs() < 0.0001);
    }
}

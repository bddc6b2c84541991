//! Least squares of relative errors, held near the family's overall ratio where there is little to learn from.

/// Tokens of `o200k_base` by kind of text, and the tokens that the provider counted.
#[derive(Clone, Copy)]
pub(crate) struct Sample {
    pub(crate) features: [f64; 6],
    pub(crate) tokens: f64,
}

/// The result: a weight for each kind, and what an answer costs beside its text (its end, mostly).
#[derive(Clone, Copy)]
pub(crate) struct Fitted {
    pub(crate) weights: [f64; 6],
    pub(crate) constant: f64,
}

impl Fitted {
    pub(crate) fn apply(&self, features: &[f64; 6]) -> f64 {
        self.weights.iter().zip(features).map(|(weight, tokens)| weight * tokens).sum()
    }
}

/// How strongly a weight is held at the overall ratio: as by so many answers that say just that.
const HELD: f64 = 2.0;
/// An answer ends with a token or two.
const CONSTANT: f64 = 1.0;

/// Minimises the sum of squared relative errors over the samples, plus the pull towards the overall ratio.
pub(crate) fn fit(samples: &[Sample]) -> Fitted {
    let overall = overall_ratio(samples);
    let mut matrix = [[0.0; 8]; 7];
    for sample in samples {
        let row: Vec<f64> = sample.features.iter().chain(&[1.0]).map(|value| value / sample.tokens).collect();
        for (line, left) in matrix.iter_mut().zip(&row) {
            line.iter_mut().zip(row.iter().chain(&[1.0])).for_each(|(sum, right)| *sum += left * right);
        }
    }
    // A weight is worth about a sixth of the tokens; the constant is worth little whatever it is.
    for (at, line) in matrix.iter_mut().enumerate() {
        let (held, value) = if at < 6 { (HELD / 36.0, overall) } else { (0.01, CONSTANT) };
        line[at] += held;
        line[7] += held * value;
    }
    let solution = solve(matrix);
    Fitted { weights: std::array::from_fn(|at| solution[at]), constant: solution[6] }
}

/// The median of tokens by tokens of o200k.
fn overall_ratio(samples: &[Sample]) -> f64 {
    let mut ratios: Vec<f64> =
        samples.iter().map(|s| (s.tokens - CONSTANT) / s.features.iter().sum::<f64>()).collect();
    ratios.sort_by(f64::total_cmp);
    ratios.get(ratios.len() / 2).copied().unwrap_or(1.1)
}

/// Gaussian elimination with the largest pivot.
fn solve(mut matrix: [[f64; 8]; 7]) -> [f64; 7] {
    for column in 0..7 {
        let pivot = (column..7).max_by(|a, b| matrix[*a][column].abs().total_cmp(&matrix[*b][column].abs()));
        matrix.swap(column, pivot.unwrap_or(column));
        let row = matrix[column];
        for (_, line) in matrix.iter_mut().enumerate().filter(|(at, _)| *at != column) {
            let factor = line[column] / row[column];
            line.iter_mut().zip(&row).for_each(|(value, other)| *value -= factor * other);
        }
    }
    std::array::from_fn(|at| matrix[at][7] / matrix[at][at])
}

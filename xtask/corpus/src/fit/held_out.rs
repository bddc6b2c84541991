//! What the weights make of calls that are like none that they were fitted to.

use super::solver::{dot, matrix};
use super::{Table, tables};
use crate::measure::Row;
use std::collections::{BTreeSet, HashMap};
use tokenstile_engine::dialect::{first_table, model_stem};

/// In how many parts the files are divided.
const FOLDS: usize = 5;

/// The rows with what tables estimate that were fitted without their files: a fold of the files at a time.
pub(crate) fn held_out(rows: &[Row]) -> Vec<Row> {
    let mut estimated = rows.to_vec();
    let mut folds: HashMap<&str, usize> = HashMap::new();
    for row in rows {
        let next = folds.len() % FOLDS;
        folds.entry(&row.file).or_insert(next);
    }
    for fold in 0..FOLDS {
        eprintln!("fitting without part {} of {FOLDS} …", fold + 1);
        let (without, with): (Vec<&Row>, Vec<_>) =
            rows.iter().partition(|row| folds[row.file.as_str()] == fold);
        let tables = tables(&with, false);
        let ids: BTreeSet<&str> = without.iter().map(|row| row.id.as_str()).collect();
        for row in estimated.iter_mut().filter(|row| ids.contains(row.id.as_str())) {
            let weights = weights_of(&tables, row);
            row.estimate = row.estimate.and_then(|_| {
                let line = matrix(&[row]).pop()?;
                Some(dot(&line, weights?).round() as u64)
            });
        }
    }
    estimated
}

/// The table that the engine would take.
fn weights_of<'t>(tables: &'t [Table], row: &Row) -> Option<&'t [f64]> {
    first_table(row.style, row.host, &model_stem(&row.model), row.family, |style, name| {
        let found = tables.iter().find(|table| (table.0.as_str(), table.1.as_str()) == (style, name))?;
        Some(found.2.as_slice())
    })
}

//! What the command makes of cost records: `report`, `focus`, `ab` and `reconcile`, each as a user calls it.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by a panic")]

mod ab;
mod bills;
mod focus;
mod lines;
mod odd_numbers;
mod page;
#[path = "../page_support/mod.rs"]
mod page_support;
mod reconcile;
mod report;

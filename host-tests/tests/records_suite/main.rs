//! What the command makes of cost records: `report`, `focus`, `ab` and `reconcile`, each as a user calls it.

mod ab;
mod focus;
mod lines;
mod report;

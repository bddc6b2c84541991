//! Reports as pages with plots. Called by `tokenstile report --html` and `ab --html`. It owns what stands on them; how
//! pages look is `crate::page`'s, what is summed [`super::report`]'s and [`super::ab`]'s.

pub mod ab;
pub mod report;

//! `tokenstile top`: what a proxy spends right now, in a terminal. It owns the live view: [`board`] what is counted,
//! [`source`] where it comes from, [`view`] how it looks, [`screen`] the terminal and its keys. It knows no policy.

pub mod board;
mod records;
mod scrape;
pub mod screen;
pub mod source;
pub mod view;

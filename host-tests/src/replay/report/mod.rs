//! A replay's result as people read it: in a terminal ([`text`]), and as a page ([`html`]) with plots ([`plots`]).
//! Called by `tokenstile replay`. It owns words and forms, and computes nothing that [`super::tally`] has not.

pub mod html;
pub mod plots;
pub mod text;
pub(crate) mod words;

//! Owns whole exchanges: what a client sends, what the upstream answers, and in between the callbacks in the
//! order in which the profile's proxy makes them. Called by tests and by `tokenstile run`. It must not know any
//! particular filter.
//!
//! A [`Driver`] holds no VM: several exchanges may take turns on one, and one that waits for a tick or for the
//! answer to a call goes on with [`Driver::poll`].

mod answer;
mod machine;
mod replies;
mod report;
mod request;
mod steps;

pub use answer::{Answer, Sent};
pub use machine::{Driver, Waiting};
pub use report::{ClientSaw, Ended, Report};
pub use request::{HangUp, Request};

use super::Vm;

/// Drives one exchange as far as it goes by itself. If it waits then, the report says so.
pub fn drive(vm: &mut Vm, request: Request, upstream: impl FnMut(&Sent) -> Answer + 'static) -> Report {
    let mut driver = Driver::new(vm, request, upstream);
    driver.start(vm);
    driver.report(vm)
}

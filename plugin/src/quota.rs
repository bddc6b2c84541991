//! The quota endpoint on a proxy: answers it from the pages as they stand. Called when a request's headers are there.

use crate::identity;
use crate::pairs::Pairs;
use crate::root::Root;
use std::cell::RefCell;
use std::rc::Rc;
use tokenstile_engine::policy::Head;
use tokenstile_engine::quota::{self, Question};
use tokenstile_engine::refusal::Reply;

/// The answer to a request of which the headers are there, or could not be read.
pub(crate) fn answer(
    root: &Rc<RefCell<Root>>,
    method: &[u8],
    path: &[u8],
    headers: Option<&Pairs<'_>>,
) -> Reply {
    if let Some(reply) = quota::at_once(method, path) {
        return reply;
    }
    let mut root = root.borrow_mut();
    let kind = root.kind();
    let (Some(now), Some(headers)) = (root.now(), headers) else {
        root.metrics.failed("host", "the quota endpoint has no clock or no headers");
        return quota::unavailable();
    };
    let policy = root.policy.clone();
    let (identity, failed) = identity::read(&policy, Head { headers, path, dialect: "" }, kind);
    if let Some(why) = failed {
        root.metrics.failed("host", &why);
        return quota::unavailable();
    }
    let question = Question::new(&policy, &identity, path, now);
    let mut levels = Vec::new();
    for hold in question.holds() {
        match root.told_level(hold, now) {
            Ok(level) => levels.push(level),
            Err(why) => {
                root.metrics.failed("store", &why);
                return quota::unavailable();
            }
        }
    }
    question.reply(&levels)
}

//! What tests of call-outs from the tick share: time that passes, answers of the receiver, and counters.

use std::time::Duration;
use tokenstile_host::host::{HeaderMap, Shared, Vm};
use tokenstile_host::metrics;

/// The sum of a counter over the labels that are not named.
pub(crate) fn metric(shared: &Shared, name: &str) -> i64 {
    let all = shared.metrics().snapshot();
    let series = all.iter().map(|(name, value)| (name.as_str(), *value));
    metrics::sum(series, &format!("tokenstile_{name}")).unwrap_or(0)
}

/// So many seconds, with a tick in each.
pub(crate) fn pass(vm: &mut Vm, seconds: u64) {
    for _ in 0..seconds {
        vm.shared().clock().advance(Duration::from_secs(1));
        vm.tick().unwrap();
    }
}

/// The receiver answers the first request that runs.
pub(crate) fn answer(vm: &mut Vm, status: &str) {
    let token = vm.http_calls()[0].token;
    vm.http_call_response(token, [(":status", status)], "", HeaderMap::new()).unwrap();
}

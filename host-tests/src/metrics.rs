//! Owns how the filter's metrics are named: `tokenstile_tokens;type=input;model=openai/gpt-4o`, as `plugin/src/telemetry.rs`
//! writes them. Called by the cases and by the real Envoy's reader. It must not know who counted.

/// The sum of all series of a metric that have the labels of `wanted`, itself such a name; `None` if there are none.
pub fn sum<'a, N>(series: impl IntoIterator<Item = (&'a str, N)>, wanted: &str) -> Option<N>
where
    N: std::ops::Add<Output = N>,
{
    let wanted: Vec<&str> = wanted.split(';').collect();
    let has_all = |name: &str| {
        let parts: Vec<&str> = name.split(';').collect();
        parts.first() == wanted.first() && wanted.iter().all(|part| parts.contains(part))
    };
    series.into_iter().filter(|(name, _)| has_all(name)).map(|(_, value)| value).reduce(N::add)
}

/// `name{label="value"}`, as Prometheus reads it, in the filter's own form.
pub(crate) fn from_prometheus(series: &str) -> String {
    let Some((name, labels)) = series.trim_end_matches('}').split_once('{') else { return series.to_owned() };
    let label = |pair: &str| format!(";{}", pair.replacen("=\"", "=", 1));
    let labels = labels.trim_end_matches('"').split("\",").filter(|pair| !pair.is_empty()).map(label);
    name.to_owned() + &labels.collect::<String>()
}

#[cfg(test)]
mod tests {
    use super::{from_prometheus, sum};

    #[test]
    fn series_are_added_up_over_the_labels_that_nobody_asked_for() {
        let series = [("a;x=1;y=1", 1), ("a;x=1;y=2", 2), ("a;x=2", 4), ("ab;x=1", 8), ("a", 16)];
        assert_eq!(sum(series, "a;x=1"), Some(3));
        assert_eq!(sum(series, "a;y=2;x=1"), Some(2));
        assert_eq!(sum(series, "a"), Some(23));
        assert_eq!(sum(series, "a;x=3"), None);
    }

    #[test]
    fn prometheus_names_the_same_series() {
        let name = "tokenstile_tokens{model=\"openai/gpt-4.1\",type=\"input\"}";
        assert_eq!(from_prometheus(name), "tokenstile_tokens;model=openai/gpt-4.1;type=input");
        assert_eq!(from_prometheus("tokenstile_failures{}"), "tokenstile_failures");
        assert_eq!(from_prometheus("tokenstile_failures"), "tokenstile_failures");
    }
}

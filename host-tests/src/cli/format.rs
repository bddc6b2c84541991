//! How commands that judge say what they found: for people, for programs, and for the two formats that CI systems
//! read. Called by `check` and `test`; it must not know what is judged.

use std::fmt::Write;

/// How to say it.
#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Format {
    /// Text
    Human,
    /// One JSON object
    Json,
    /// JUnit's XML, which GitLab, Jenkins and others show
    Junit,
    /// Annotations of GitHub Actions
    Github,
}

/// One line of GitHub's workflow commands:
/// <https://docs.github.com/en/actions/reference/workflows-and-actions/workflow-commands#setting-an-error-message>.
pub(crate) fn annotation(
    level: &str,
    file: &str,
    places: &[(&str, usize)],
    title: &str,
    text: &str,
) -> String {
    let data = |text: &str| text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A");
    let property = |text: &str| data(text).replace(':', "%3A").replace(',', "%2C");
    let mut line = format!("::{level} file={}", property(file));
    for (name, value) in places {
        let _ = write!(line, ",{name}={value}");
    }
    let _ = writeln!(line, ",title={}::{}", property(title), data(text));
    line
}

/// One case of a JUnit report.
pub(crate) struct Case {
    pub(crate) class: String,
    pub(crate) name: String,
    pub(crate) seconds: f64,
    /// Title and text.
    pub(crate) failure: Option<(String, String)>,
    pub(crate) skipped: Option<String>,
}

/// A JUnit report: <https://github.com/testmoapp/junitxml>.
pub(crate) fn junit(suite: &str, cases: &[Case]) -> String {
    let count = |of: &dyn Fn(&Case) -> bool| cases.iter().filter(|case| of(case)).count();
    let seconds: f64 = cases.iter().map(|case| case.seconds).sum();
    let mut xml = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>\n  <testsuite name=\"{}\" tests=\"{}\" \
         failures=\"{}\" skipped=\"{}\" time=\"{seconds:.3}\">\n",
        escape(suite),
        cases.len(),
        count(&|case| case.failure.is_some()),
        count(&|case| case.skipped.is_some()),
    );
    for case in cases {
        let _ = write!(
            xml,
            "    <testcase classname=\"{}\" name=\"{}\" time=\"{:.3}\"",
            escape(&case.class),
            escape(&case.name),
            case.seconds
        );
        match (&case.failure, &case.skipped) {
            (Some((title, text)), _) => {
                let (title, text) = (escape(title), escape(text));
                let _ =
                    writeln!(xml, ">\n      <failure message=\"{title}\">{text}</failure>\n    </testcase>");
            }
            (None, Some(why)) => {
                let _ = writeln!(xml, ">\n      <skipped message=\"{}\"/>\n    </testcase>", escape(why));
            }
            (None, None) => xml.push_str("/>\n"),
        }
    }
    xml.push_str("  </testsuite>\n</testsuites>\n");
    xml
}

/// XML has no way to write most control characters.
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\n' => out.push_str("&#10;"),
            '\t' => out.push('\t'),
            c if c.is_control() => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::{Case, annotation, junit};

    #[test]
    fn what_has_a_meaning_in_a_format_is_escaped() {
        let line = annotation("error", "a,b.json", &[("line", 3)], "50% off: now", "two\nlines");
        assert_eq!(line, "::error file=a%2Cb.json,line=3,title=50%25 off%3A now::two%0Alines\n");
        let failure = Some(("a < b".to_owned(), "\u{1b}[31m\"red\"".to_owned()));
        let case = Case { class: "p".into(), name: "x & y".into(), seconds: 0.5, failure, skipped: None };
        let xml = junit("s", &[case]);
        assert!(xml.contains("name=\"x &amp; y\""), "{xml}");
        assert!(xml.contains("message=\"a &lt; b\">\u{fffd}[31m&quot;red&quot;</failure>"), "{xml}");
        assert!(xml.contains("tests=\"1\" failures=\"1\" skipped=\"0\" time=\"0.500\""), "{xml}");
    }
}

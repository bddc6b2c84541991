//! Owns what an expected value may be: a value that must be equal, `null` for something that must be absent, or
//! an object with one of `contains` (text, or a list of texts; `lacks` may stand beside it), `lacks`, `between` ([least, most]) and `present`.

use serde_json::{Value, json};

/// What is wrong with `got`, if something is.
pub(crate) fn mismatch(expected: &Value, got: Option<&Value>) -> Option<String> {
    if let Some(both) = expected.as_object().filter(|fields| fields.len() == 2)
        && let (Some(contains), Some(lacks)) = (both.get("contains"), both.get("lacks"))
    {
        let rules = [("contains", contains), ("lacks", lacks)].map(|(name, arg)| json!({ name: arg }));
        return rules.iter().find_map(|rule| mismatch(rule, got));
    }
    let shown = || got.map_or("nothing".to_owned(), |got| format!("`{}`", text(got)));
    let wrong = |what: String| Some(format!("expected {what}, got {}", shown()));
    let rule =
        expected.as_object().filter(|fields| fields.len() == 1).and_then(|fields| fields.iter().next());
    match (expected, rule) {
        (Value::Null, _) if matches!(got, None | Some(Value::Null)) => None,
        (Value::Null, _) => wrong("nothing".to_owned()),
        (_, Some((name, arg))) if name == "contains" => {
            let got_text = got.map(text).unwrap_or_default();
            let missing = list(arg).into_iter().find(|part| got.is_none() || !got_text.contains(part));
            missing.and_then(|part| wrong(format!("something with `{part}`")))
        }
        (_, Some((name, arg))) if name == "lacks" => {
            let got_text = got.map(text).unwrap_or_default();
            let found = list(arg).into_iter().find(|part| got_text.contains(part));
            found.and_then(|part| wrong(format!("nothing with `{part}`")))
        }
        (_, Some((name, arg))) if name == "between" => {
            let bound = |i: usize| arg.get(i).and_then(Value::as_f64).unwrap_or(f64::NAN);
            let number = got.and_then(|got| got.as_f64().or_else(|| text(got).parse().ok()));
            let inside = number.is_some_and(|n| n >= bound(0) && n <= bound(1));
            if inside { None } else { wrong(format!("{} to {}", bound(0), bound(1))) }
        }
        (_, Some((name, _))) if name == "present" => {
            if got.is_some() {
                None
            } else {
                wrong("something".to_owned())
            }
        }
        _ if got == Some(expected) => None,
        // A header's number is text.
        _ if got.map(text) == Some(text(expected)) && !expected.is_object() => None,
        _ => wrong(format!("`{}`", text(expected))),
    }
}

fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn list(arg: &Value) -> Vec<String> {
    arg.as_array().map_or_else(|| vec![text(arg)], |items| items.iter().map(text).collect())
}

#[cfg(test)]
mod tests {
    use super::mismatch;
    use serde_json::json;

    #[test]
    fn each_rule_can_fail() {
        let fine = [
            (json!(5), Some(json!(5))),
            (json!("5"), Some(json!(5))),
            (json!(null), None),
            (json!({"contains": ["a", "b"]}), Some(json!("abc"))),
            (json!({"lacks": "x"}), Some(json!("abc"))),
            (json!({"between": [1, 5]}), Some(json!("5"))),
            (json!({"present": true}), Some(json!(0))),
        ];
        for (expected, got) in fine {
            assert_eq!(mismatch(&expected, got.as_ref()), None, "{expected}");
        }
        let wrong = [
            (json!(5), Some(json!(6))),
            (json!(5), None),
            (json!(null), Some(json!(1))),
            (json!({"contains": ["a", "x"]}), Some(json!("abc"))),
            (json!({"contains": "a"}), None),
            (json!({"lacks": "b"}), Some(json!("abc"))),
            (json!({"contains": "a", "lacks": "b"}), Some(json!("abc"))),
            (json!({"contains": "x", "lacks": "y"}), Some(json!("abc"))),
            (json!({"between": [1, 5]}), Some(json!("6"))),
            (json!({"between": [1, 5]}), None),
            (json!({"present": true}), None),
        ];
        for (expected, got) in wrong {
            assert!(mismatch(&expected, got.as_ref()).is_some(), "{expected}");
        }
    }
}

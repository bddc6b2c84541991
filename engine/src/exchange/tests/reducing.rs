//! Nobody is refused what a step would make fit: a call passes if the call that its ladders make of it would.

use super::*;

fn shop(steps: &Value, limits: [(&str, i64); 2], swapped: bool) -> Shop {
    Shop::new(|policy| {
        let budget = |name: &str, (unit, limit): (&str, i64), steps: &[Value]| {
            let limit = match unit {
                "usd" => json!({"usd": format!("0.{limit:06}")}),
                unit => json!({ unit: limit }),
            };
            let ladder: Vec<Value> =
                steps.iter().cloned().chain([json!({"at": "100%", "deny": {}})]).collect();
            json!({"name": name, "per": [], "limit": limit, "window": {"calendar": "day"}, "ladder": ladder})
        };
        let mut budgets =
            vec![budget("a", limits[0], steps.as_array().unwrap()), budget("b", limits[1], &[])];
        if swapped {
            budgets.reverse();
        }
        policy["budgets"] = json!(budgets);
        policy["expected_output_tokens"] = json!(400);
    })
}

/// Whether a call passes that asks for this, what it holds in each budget, and what goes upstream.
fn passes(shop: &mut Shop, model: &str, bound: u64) -> Option<(Vec<i64>, String, u64)> {
    let mut call = shop.call();
    let asked = json!({"model": model, "max_tokens": bound, "messages": [{"role": "user", "content": "hi"}]});
    let mut next = call.body(asked.to_string().as_bytes(), false, NOON);
    loop {
        next = match next {
            Next::Look => {
                let level = |look: &Look| {
                    let page = shop.store.0.get(&look.hold.key.page);
                    Some(page.map(|page| page.level(&look.hold, NOON)).unwrap_or_default())
                };
                let levels: Vec<_> = call.looks().iter().map(level).collect();
                call.looked(&levels, NOON)
            }
            Next::Reserve => shop.reserve(&mut call),
            Next::Forward(edits) => {
                let body = crate::dialect::splice(asked.to_string().as_bytes(), &edits.body);
                let sent: Value = serde_json::from_slice(&body).unwrap();
                let holds = call.holds().iter().map(|hold| hold.amount).collect();
                let upstream = sent["model"].as_str().unwrap().to_owned();
                call.answer_head(500, JSON, false, &[], NOON);
                call.end(true, NOON);
                shop.book(&mut call);
                return Some((holds, upstream, sent["max_tokens"].as_u64().unwrap()));
            }
            Next::Reply(_) => {
                call.end(true, NOON);
                shop.book(&mut call);
                return None;
            }
            other => panic!("{other:?}"),
        };
    }
}

proptest! {
    #[test]
    fn a_call_passes_if_what_its_ladders_make_of_it_would(
        downgrades in any::<bool>(),
        clamp in proptest::option::of(16_u64..300),
        units in proptest::sample::select(vec![["tokens", "tokens"], ["usd", "usd"], ["tokens", "usd"], ["usd", "tokens"]]),
        limits in [20_i64..900, 20_i64..900],
        asked in 16_u64..600,
        swapped in any::<bool>(),
    ) {
        let mut steps = Vec::new();
        steps.extend(clamp.map(|bound| json!({"at": "0%", "clamp": {"max_output_tokens": bound}})));
        steps.extend(downgrades.then(|| json!({"at": "0%", "downgrade": "economy"})));
        let limits = [(units[0], limits[0]), (units[1], limits[1])];
        let mut asks = shop(&json!(steps), limits, swapped);
        let mut plain = shop(&json!([]), limits, swapped);
        let model = if downgrades { "gpt-4o-mini" } else { "gpt-4o" };
        let bound = clamp.map_or(asked, |bound| bound.min(asked));
        let made = passes(&mut plain, model, bound);
        let got = passes(&mut asks, "gpt-4o", asked);
        prop_assert_eq!(got.is_some(), made.is_some());
        if let (Some((holds, sent, max)), Some((least, ..))) = (got, made) {
            prop_assert_eq!((sent.as_str(), max), (model, bound));
            // No less is held than what serves is expected to come to.
            prop_assert!(holds.iter().zip(&least).all(|(held, least)| held >= least), "{:?} {:?}", holds, least);
        }
    }
}

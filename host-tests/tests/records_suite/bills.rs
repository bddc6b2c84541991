//! `tokenstile reconcile`: which bills are understood, and what of them.

use crate::lines::{log, record, repository, says, tokenstile};
use crate::reconcile::{causes, file, reconciled, week};
use serde_json::{Value, json};

/// The same calls on each provider's bill, under the names that it has for its models.
#[test]
fn bills_of_every_form_are_understood() {
    let on = |provider: &str, model: &str| {
        let change =
            json!({"provider": provider, "price": format!("{provider}/{model}"), "model_served": model});
        [record("a", &change), record("b", &change)]
    };
    let at = "2026-11-20";
    let haiku = "claude-haiku-4-5-20251001";
    let bedrock = "us.anthropic.claude-haiku-4-5-20251001-v1:0";
    let cases: [(&str, [Value; 2], String); 8] = [
        ("OpenAI costs", on("openai", "gpt-4o"),
            "start_time,end_time,amount_value,currency,line_item\n\
             1795132800,,0.007,usd,\"gpt-4o-2024-08-06, input\"\n\
             1795219200,,,,\n".to_owned()),
        ("OpenAI costs", on("openai", "gpt-4o"), json!({"object": "page", "has_more": false, "data": [{
            "object": "bucket", "start_time": 1_795_132_800, "end_time": 1_795_219_200, "results": [
                {"object": "organization.costs.result", "amount": {"value": 0.007, "currency": "usd"},
                 "line_item": "gpt-4o, output", "project_id": null}]}]}).to_string()),
        ("Claude Console costs", on("anthropic", haiku), format!(
            "usage_date_utc,model,workspace,api_key,usage_type,context_window,token_type,cost_usd,list_price_usd,cost_type\n\
             {at},Claude Haiku 4.5,Default,k,message,≤ 200k,input_no_cache,0.006,0.006,token\n\
             {at},Claude Haiku 4.5,Default,k,message,≤ 200k,output,0.001,0.001,token\n")),
        ("Anthropic cost report", on("anthropic", haiku), json!({"data": [{"starting_at": "2026-11-20T00:00:00Z",
            "ending_at": "2026-11-21T00:00:00Z", "results": [{"amount": "0.7", "currency": "USD", "model": haiku,
            "description": "Claude Haiku 4.5 Usage - Input Tokens"}]}], "has_more": false}).to_string()),
        ("AWS cost and usage report", on("aws", bedrock),
            "line_item_usage_start_date,line_item_usage_type,line_item_unblended_cost,line_item_currency_code\n\
             2026-11-20T10:00:00Z,USW2-Claude4.5Haiku-input-tokens,0.005,USD\n\
             2026-11-20T10:00:00Z,USW2-Claude4.5Haiku-cache-read-input-token-count,0.002,USD\n\
             2026-11-20T10:00:00Z,USW2-TimedStorage-ByteHrs,100,USD\n".to_owned()),
        ("AWS cost and usage report", on("aws", bedrock),
            "identity/LineItemId,lineItem/UsageStartDate,lineItem/UsageType,lineItem/UnblendedCost,lineItem/CurrencyCode\n\
             x,2026-11-20T10:00:00Z,USW2-Claude4.5Haiku-output-tokens,0.007,USD\n".to_owned()),
        ("Google Cloud billing export", on("google", "gemini-2.5-flash"),
            "usage_start_time,service_description,sku_description,cost,currency\n\
             2026-11-20 10:00:00 UTC,Vertex AI,Gemini 2.5 Flash Text Input - Predictions,7e-03,USD\n\
             2026-11-20 10:00:00 UTC,Compute Engine,N1 Core,12,USD\n".to_owned()),
        ("CSV", on("openai", "gpt-4o"), format!("\u{feff}date;model;cost\n{at};gpt-4o;0.007\n")),
    ];
    for (number, (form, records, bill)) in cases.iter().enumerate() {
        let said = reconciled(&format!("form-{number}"), records, bill, &["--tolerance", "0.001"], 0);
        assert_eq!(said["form"], *form);
        assert_eq!(
            (&said["total"]["recorded_nano_usd"], &said["total"]["billed_nano_usd"]),
            (&json!(7_000_000), &json!(7_000_000))
        );
        assert_eq!(said["models"].as_array().unwrap().len(), 1, "{said:#}");
    }
}

#[test]
fn a_bill_that_is_not_understood_is_told_with_the_way_out() {
    for (name, bill, more, told) in [
        (
            "none.csv",
            "when,what,how_much\n",
            &[][..],
            "say which they are: `--columns date=…,model=…,cost=…`",
        ),
        (
            "none.csv",
            "when,what,how_much\n",
            &["--columns", "date=day"],
            "the bill has no column `day`; it has when, what",
        ),
        ("none.csv", "when,what,how_much\n", &["--columns", "day=when"], "`day=when` is no column"),
        (
            "euro.csv",
            "date,model,cost,currency\n2026-11-20,gpt-4o,1,EUR\n",
            &[],
            "line 2: the bill is in EUR",
        ),
        (
            "cell.csv",
            "date,model,cost\n2026-11-20,gpt-4o,free\n",
            &[],
            "line 2: `free` is no amount of money",
        ),
        ("day.csv", "date,model,cost\n20.11.2026,gpt-4o,1\n", &[], "line 2: `20.11.2026` is no day"),
        ("empty.csv", "date,model,cost\n", &[], "has no line with an amount"),
        (
            "nothing.csv",
            "",
            &["--columns", "date=Day"],
            "the bill has no header: its first line names no column",
        ),
        ("page.json", "{\"data\": [], \"has_more\": true}", &[], "one page of several"),
        ("other.json", "{\"a\": 1}", &[], "no answer of OpenAI's or Anthropic's cost API"),
    ] {
        let bill = file(name, bill);
        let args = [&["reconcile"], more, &["-", bill.to_str().unwrap()]].concat();
        let output = tokenstile(&args, &log(&week()));
        let errors = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{errors}");
        assert!(errors.contains(told), "{errors}");
    }
    let days = repository("examples/reconcile/openai-costs.csv");
    for zone in ["Mars", "+25:00", "+14:01", "-12:30", "+02:60", "+1:-5", "++2:00"] {
        let output = tokenstile(
            &["reconcile", &format!("--timezone={zone}"), "-", days.to_str().unwrap()],
            &log(&week()),
        );
        assert_eq!(output.status.code(), Some(2), "{zone}");
        assert!(String::from_utf8(output.stderr).unwrap().contains(&format!("`{zone}` is no time zone")));
    }
    for zone in ["+14:00", "-12:00", "+05:30"] {
        let output = tokenstile(
            &["reconcile", &format!("--timezone={zone}"), "-", days.to_str().unwrap()],
            &log(&week()),
        );
        assert_eq!(output.status.code(), Some(1), "{zone}");
    }
}

/// Bills have searches in lines of their own, and records in the cost of each call.
#[test]
fn searches_are_compared_with_the_searches_of_all_models() {
    let usage = json!({"input": 5_000, "output": 200, "web_searches": 3, "source": "reported"});
    let on = |provider: &str, model: &str, id: &str, cost: u64| {
        record(
            id,
            &json!({"provider": provider, "price": format!("{provider}/{model}"), "model_served": model,
            "model_requested": model, "usage": usage, "cost_nano_usd": cost}),
        )
    };
    // Three searches of a cent each; 5,000 tokens at 3 and 200 at 15 dollars a million, and at 1 and 5.
    let claude = [
        on("anthropic", "claude-sonnet-4-5", "a", 48_000_000),
        on("anthropic", "claude-haiku-4-5", "b", 36_000_000),
    ];
    // 5,000 tokens at 1.25 and 200 at 10 dollars a million.
    let gpt = [on("openai", "gpt-5", "a", 38_250_000), on("openai", "gpt-5", "b", 38_250_000)];
    let tokens = |amount: &str, model: &str| {
        json!({"amount": amount, "currency": "USD", "cost_type": "tokens", "model": model,
        "description": "Claude Usage - Input Tokens"})
    };
    let report = json!({"data": [{"starting_at": "2026-11-20T00:00:00Z", "ending_at": "2026-11-21T00:00:00Z", "results": [
        tokens("1.8", "claude-sonnet-4-5-20250929"), tokens("0.6", "claude-haiku-4-5-20251001"),
        {"amount": "6.0", "currency": "USD", "cost_type": "web_search", "description": "Web Search Usage", "model": null}]}],
        "has_more": false});
    let console = "usage_date_utc,model,token_type,cost_usd,cost_type\n\
                   2026-11-20,Claude Sonnet 4.5,input_no_cache,0.018,token\n\
                   2026-11-20,Claude Haiku 4.5,output,0.006,token\n2026-11-20,,,0.06,web_search\n";
    let costs = "start_time,amount_value,amount_currency,line_item\n\
                 1795132800,0.0125,usd,\"gpt-5-2025-08-07, input\"\n\
                 1795132800,0.004,usd,\"gpt-5-2025-08-07, output\"\n1795132800,0.06,usd,web search tool calls\n";
    let exact = ["--tolerance", "0"];
    for (name, records, bill) in [
        ("searches.json", &claude, report.to_string()),
        ("searches.csv", &claude, console.to_owned()),
        ("tools.csv", &gpt, costs.to_owned()),
    ] {
        let said = reconciled(name, records, &bill, &exact, 0);
        let of = |model: &str| {
            said["models"].as_array().unwrap().iter().find(|of| of["model"] == model).unwrap()["sums"].clone()
        };
        let searches = of("web searches");
        assert_eq!(
            (&searches["web_searches"], &searches["requests"]),
            (&json!(6), &json!(0)),
            "{name}: {said:#}"
        );
        assert_eq!(searches["recorded_nano_usd"], 60_000_000, "{name}");
        assert_eq!(said["total"]["requests"], 2, "{name}");
        let text = says(&["reconcile", "-", file(name, &bill).to_str().unwrap()], &log(records), 0);
        assert!(text.contains(" web searches ") && text.contains(" 6 searches "), "{text}");
    }
    // Where the bill has none apart, they are a part of the model's sum; where no record has any, they did not pass.
    let said = reconciled("whole.csv", &gpt, "date,model,cost\n2026-11-20,gpt-5,0.0765\n", &exact, 0);
    assert_eq!(said["models"].as_array().unwrap().len(), 1, "{said:#}");
    let said = reconciled(
        "none.csv",
        &[record("a", &json!({}))],
        "date,model,cost\n2026-11-20,gpt-4o,0.0035\n\
        2026-11-20,Web Search Usage,0.01\n",
        &exact,
        1,
    );
    assert_eq!(causes(&said), ["never_passed"], "{said:#}");
}

/// A spreadsheet of a place with decimal commas.
#[test]
fn decimal_commas_are_no_thousands() {
    let records = [record("a", &json!({"cost_nano_usd": 5_260_000_000_u64}))];
    let (plain, named) =
        ("date,model,cost\n2026-11-20,gpt-4o,", ["--columns", "date=Day,model=Model,cost=USD"]);
    for (bill, more, billed) in [
        ("Day;Model;USD\n2026-11-20;gpt-4o;5,2600\n".to_owned(), &named[..], 5_260_000_000_u64),
        ("Day;Model;USD\n2026-11-20;gpt-4o;5,260\n".to_owned(), &named, 5_260_000_000),
        (format!("{plain}\"1,260\"\n2026-11-20,gpt-4o,\"4,00\"\n"), &[], 5_260_000_000),
        (format!("{plain}\"5,260\"\n"), &["--decimal", "comma"], 5_260_000_000),
        (format!("{plain}\"5,260\"\n"), &["--decimal", "point"], 5_260_000_000_000),
        (format!("{plain}\"5,259\"\n2026-11-20,gpt-4o,1.0\n"), &[], 5_260_000_000_000),
    ] {
        let status = i32::from(billed != 5_260_000_000);
        let said = reconciled("commas.csv", &records, &bill, more, status);
        assert_eq!(said["total"]["billed_nano_usd"], billed, "{bill}");
    }
    let ambiguous = file("ambiguous.csv", &format!("{plain}\"5,260\"\n"));
    let output = tokenstile(&["reconcile", "-", ambiguous.to_str().unwrap()], &log(&records));
    let errors = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{errors}");
    assert!(
        errors
            .contains("`5,260` may be thousands or have three decimals; say which it is: `--decimal point`"),
        "{errors}"
    );
}

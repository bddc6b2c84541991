//! How long prompts are: by message, tools, thoughts, documents, and what stands elsewhere.

use super::*;

/// The example of OpenAI's cookbook, "How to count tokens with tiktoken", section 6: 124 tokens for
/// gpt-4o by the API's own usage.
#[test]
fn the_cookbooks_example_counts_as_the_api_does() {
    let message = |name: &str, content: &str| {
        if name.is_empty() {
            serde_json::json!({"role": "system", "content": content})
        } else {
            serde_json::json!({"role": "system", "name": name, "content": content})
        }
    };
    let mut messages = vec![
        message(
            "",
            "You are a helpful, pattern-following assistant that translates corporate jargon into plain English.",
        ),
        message("example_user", "New synergies will help drive top-line growth."),
        message("example_assistant", "Things working well together will increase revenue."),
        message(
            "example_user",
            "Let's circle back when we have more bandwidth to touch base on opportunities for increased leverage.",
        ),
        message("example_assistant", "Let's talk later when we're less busy about how to do better."),
    ];
    messages.push(serde_json::json!({"role": "user", "content": "This late pivot means we don't have time to boil the ocean for the client deliverable."}));
    let body = serde_json::json!({"model": "gpt-4o", "messages": messages}).to_string();
    for (model, expected) in [("gpt-4o", 124), ("gpt-4", 129)] {
        let facts = chat().read(body.replace("gpt-4o", model).as_bytes()).unwrap();
        assert_eq!(chat().count_prompt(body.as_bytes(), &facts).tokens, expected, "{model}");
    }
}

#[test]
fn thoughts_end_with_their_turn() {
    let responses = route("POST", "/v1/responses").unwrap();
    let thought = r#"{"type":"reasoning","encrypted_content":"abcd","summary":[{"text":"not shown again"}]}"#;
    let call = r#"{"type":"function_call_output","call_id":"1","output":"x"}"#;
    let user = r#"{"content":"more","role":"user"}"#;
    let with = |items: &[&str]| format!(r#"{{"model":"gpt-5","input":[{}]}}"#, items.join(","));
    assert_eq!(part(&responses, &with(&[user, thought, call]), "sealed_bytes"), 4);
    assert_eq!(part(&responses, &with(&[user, thought, call, user]), "sealed_bytes"), 0);
    assert_eq!(part(&responses, &with(&[user, thought, call, user]), "text"), 3, "no summary is counted");
    assert_eq!(
        part(&responses, &with(&[user, thought, call, user]), "messages"),
        3,
        "a thought is no message"
    );

    let gemini = route("POST", "/v1beta/models/gemini-3-pro:generateContent").unwrap();
    let model =
        r#"{"role":"model","parts":[{"functionCall":{"name":"f","args":{}},"thoughtSignature":"abcd"}]}"#;
    let result = r#"{"role":"user","parts":[{"functionResponse":{"name":"f","response":{"text":"x"}}}]}"#;
    let file = r#"{"parts":[{"inlineData":{"mimeType":"image/png","data":"iVBORw0KGgo="}}],"role":"user"}"#;
    let with = |items: &[&str]| format!(r#"{{"contents":[{}]}}"#, items.join(","));
    assert_eq!(part(&gemini, &with(&[model, result]), "sealed_bytes"), 4);
    assert_eq!(part(&gemini, &with(&[model, result, file]), "sealed_bytes"), 0);

    let messages = route("POST", "/v1/messages").unwrap();
    let body = |last: &str| {
        format!(
            r#"{{"model":"claude-sonnet-4-5","max_tokens":9,"messages":[{{"role":"assistant","content":[{{"type":"thinking","thinking":"hm","signature":"abcd"}},{{"type":"web_search_tool_result","content":[{{"encrypted_content":"abcdef"}}]}}]}},{{"role":"user","content":{last}}}]}}"#
        )
    };
    let (tool, words) = (r#"[{"type":"tool_result","tool_use_id":"1","content":"x"}]"#, r#""and?""#);
    assert_eq!(part(&messages, &body(tool), "sealed_bytes"), 4);
    assert_eq!(part(&messages, &body(words), "sealed_bytes"), 0);
    assert_eq!(part(&messages, &body(words), "sealed_result_bytes"), 6, "what was found stays");
}

#[test]
fn tools_count_by_whether_they_may_be_called() {
    let body = |model: &str, choice: &str| {
        format!(
            r#"{{"model":"{model}","messages":[],"tools":[{{"type":"function","function":{{"name":"f","parameters":{{}}}}}}],"tool_choice":{choice}}}"#
        )
    };
    let count = |model: &str, choice: &str| parts(&chat(), &body(model, choice)).0;
    for (choice, base) in [(r#""auto""#, "any_tool"), (r#""required""#, "must_tool")] {
        assert_eq!(count("gpt-4o", choice), [(base, 1), ("tools", 1), ("named_tools", 1), ("tool_text", 1)]);
    }
    assert_eq!(
        count("gpt-4o", r#"{"type":"function","function":{"name":"f"}}"#).first(),
        Some(&("must_tool", 1))
    );
    assert_eq!(count("gpt-4o", r#""none""#).first(), Some(&("any_tool", 1)), "OpenAI charges for them");
    assert_eq!(
        count("qwen3", r#""none""#).first(),
        Some(&("any_tool", 1)),
        "so does vLLM, unless it is told"
    );
    let mistral = recognise(b"POST", b"api.mistral.ai", b"/v1/chat/completions").metered().unwrap();
    assert_eq!(
        parts(&mistral, &body("mistral-large", r#""none""#)).0,
        [("base", 1)],
        "Mistral leaves them out"
    );
    let twice = body("mistral-large", r#""none","tool_choice":"auto""#);
    assert_eq!(parts(&mistral, &twice).0.first(), Some(&("any_tool", 1)), "the last word counts");
}

#[test]
fn what_is_elsewhere_is_told() {
    let responses = route("POST", "/v1/responses").unwrap();
    let gemini = route("POST", "/v1beta/models/gemini-2.5-flash:generateContent").unwrap();
    let cases: &[(&Route, &str, bool)] = &[
        (&responses, r#"{"model":"gpt-5","input":"hi"}"#, false),
        (&responses, r#"{"model":"gpt-5","input":"hi","previous_response_id":null}"#, false),
        (&responses, r#"{"model":"gpt-5","input":"hi","previous_response_id":"resp_1"}"#, true),
        (&responses, r#"{"model":"gpt-5","input":"hi","tools":[{"type":"web_search_preview"}]}"#, true),
        (&responses, r#"{"input":"hi","prompt":{"id":"pmpt_1"}}"#, true),
        (&gemini, r#"{"contents":[],"cachedContent":"cachedContents/1"}"#, true),
        (&gemini, r#"{"contents":[{"parts":[{"fileData":{"fileUri":"https://x/y"}}]}]}"#, true),
        (&gemini, r#"{"contents":[{"parts":[{"inlineData":{"data":"iVBORw0KGgo="}}]}]}"#, false),
    ];
    for (route, body, partial) in cases {
        assert_eq!(parts(route, body).1, *partial, "{body}");
    }
    let image = r#"{"model":"gpt-4o","messages":[{"role":"user","content":[{"type":"image_url","image_url":{"url":"https://x/y.png"}}]}]}"#;
    assert_eq!(
        parts(&chat(), image),
        (vec![("base", 1), ("messages", 1), ("no_system", 1), ("unseen_images", 1)], true)
    );
}

#[test]
fn documents_count_by_what_they_hold() {
    let messages = route("POST", "/v1/messages").unwrap();
    let body = |source: &str| {
        format!(
            r#"{{"model":"claude-sonnet-4-5","max_tokens":9,"messages":[{{"role":"user","content":[{{"type":"document","source":{source},"citations":{{"enabled":true}}}}]}}]}}"#
        )
    };
    let plain = body(r#"{"data":"Plain words that stand for themselves.","type":"text"}"#);
    assert_eq!(
        parts(&messages, &plain),
        (vec![("base", 1), ("text", 8), ("messages", 1), ("no_system", 1), ("citations", 1)], false)
    );
    // %PDF-1 /Type /Page /Type/Pages
    let pdf = body(r#"{"type":"base64","data":"JVBERi0xIC9UeXBlIC9QYWdlIC9UeXBlL1BhZ2Vz"}"#);
    assert_eq!(part(&messages, &pdf, "pages"), 1);
}

#[test]
fn what_the_totals_leave_out_is_charged() {
    let usage = |body: &str| {
        let route = route("POST", "/v1/messages").unwrap();
        let mut reader = crate::usage::AnswerReader::new(route.dialect, b"application/json", false, "claude");
        reader.feed(body.as_bytes());
        let usage = reader.stated().unwrap();
        (usage.input, usage.cache_read, usage.output)
    };
    let answer = |iterations: &str| {
        format!(
            r#"{{"usage":{{"input_tokens":220,"cache_read_input_tokens":10,"output_tokens":8,"iterations":{iterations}}}}}"#
        )
    };
    let message = r#"{"input_tokens":220,"cache_read_input_tokens":10,"output_tokens":8,"type":"message"}"#;
    let compaction =
        r#"{"type":"compaction","input_tokens":55196,"cache_read_input_tokens":4,"output_tokens":125}"#;
    assert_eq!(usage(&answer("null")), (230, 10, 8));
    assert_eq!(usage(&answer(&format!("[{message}]"))), (230, 10, 8));
    assert_eq!(usage(&answer(&format!("[{compaction},{message}]"))), (55_430, 14, 133));
}

#[test]
fn a_function_without_a_schema_is_the_callers_and_other_tools_are_told_apart() {
    let responses = route("POST", "/v1/responses").unwrap();
    let body = |tool: &str| format!(r#"{{"model":"gpt-5","input":"hi","tools":[{tool}]}}"#);
    let function = body(r#"{"type":"function","name":"now"}"#);
    assert_eq!(part(&responses, &function, "named_tools"), 1);
    assert_eq!(part(&responses, &function, "server_tools"), 0);
    assert!(!parts(&responses, &function).1);
    let kinds = [
        ("web_search", "search_tools"),
        ("web_search_preview", "preview_search_tools"),
        ("code_interpreter", "code_tools"),
        ("computer_use_preview", "computer_tools"),
        ("file_search", "file_search_tools"),
        ("image_generation", "image_tools"),
        ("mcp", "server_tools"),
    ];
    for (kind, name) in kinds {
        let body = body(&format!(r#"{{"type":"{kind}"}}"#));
        assert_eq!((part(&responses, &body, name), parts(&responses, &body).1), (1, true), "{kind}");
        assert_eq!(part(&responses, &body, "named_tools"), 0, "{kind}");
    }

    let gemini = route("POST", "/v1beta/models/gemini-3-pro:generateContent").unwrap();
    let body = r#"{"contents":[],"tools":[{"urlContext":{}},{"functionDeclarations":[{"name":"now"},{"name":"then"}]}]}"#;
    assert_eq!(part(&gemini, body, "named_tools"), 2);
    assert_eq!(part(&gemini, body, "fetch_tools"), 1);
    assert_eq!(part(&gemini, body, "server_tools"), 0);
}

#[test]
fn signatures_in_streams_of_ai_studio_count_apart() {
    let body = r#"{"contents":[{"role":"model","parts":[{"functionCall":{"name":"f","args":{}},"thoughtSignature":"abcd"}]}]}"#;
    let counted = |verb: &str, name| {
        let route = route("POST", &format!("/v1beta/models/gemini-2.5-flash:{verb}")).unwrap();
        part(&route, body, name)
    };
    assert_eq!(counted("streamGenerateContent", "streamed_sealed_bytes"), 4);
    assert_eq!(counted("streamGenerateContent", "streamed_seals"), 1);
    assert_eq!(counted("streamGenerateContent", "sealed_bytes"), 0);
    assert_eq!(counted("generateContent", "sealed_bytes"), 4);
    assert_eq!(counted("generateContent", "streamed_seals"), 0);
}

#[test]
fn who_is_told_how_to_behave_is_known() {
    let says = |path: &str, body: &str| part(&route("POST", path).unwrap(), body, "no_system") == 0;
    let chat = "/v1/chat/completions";
    let user = r#"{"content":"hi","role":"user"}"#;
    let with = |role: &str| {
        format!(r#"{{"model":"m","messages":[{{"role":"{role}","content":"be kind"}},{user}]}}"#)
    };
    assert!(says(chat, &with("system")) && says(chat, &with("developer")));
    assert!(!says(chat, &with("user")));
    // A text that says so is no role.
    assert!(!says(chat, r#"{"model":"m","messages":[{"role":"user","content":"system"}]}"#));
    let responses = "/v1/responses";
    assert!(says(responses, r#"{"model":"m","instructions":"be kind","input":"hi"}"#));
    assert!(says(responses, r#"{"model":"m","input":[{"role":"developer","content":"be kind"}]}"#));
    assert!(!says(responses, r#"{"model":"m","input":"hi"}"#));
    let messages = "/v1/messages";
    assert!(says(messages, &format!(r#"{{"model":"claude","system":"be kind","messages":[{user}]}}"#)));
    assert!(!says(messages, &format!(r#"{{"model":"claude","messages":[{user}]}}"#)));
    let gemini = "/v1beta/models/gemini-3-pro:generateContent";
    assert!(says(
        gemini,
        r#"{"systemInstruction":{"parts":[{"text":"be kind"}]},"contents":[{"parts":[{"text":"hi"}]}]}"#
    ));
    assert!(!says(gemini, r#"{"contents":[{"parts":[{"text":"hi"}]}]}"#));
    // Nobody is spoken to.
    assert!(says("/v1/embeddings", r#"{"model":"m","input":"hi"}"#));
}

#[test]
fn tools_that_a_search_has_not_found_are_not_in_the_prompt() {
    let messages = route("POST", "/v1/messages").unwrap();
    let tool = |name: &str, more: &str| {
        format!(
            r#"{{"name":"{name}"{more},"description":"to have","input_schema":{{"type":"object","properties":{{"x":{{"type":"string"}}}}}}}}"#
        )
    };
    let search = r#"{"type":"tool_search_tool_bm25_20251119","name":"search"}"#;
    let body = |tools: &[String], found: &[&str]| {
        let found: Vec<String> =
            found.iter().map(|name| format!(r#"{{"type":"tool_reference","tool_name":"{name}"}}"#)).collect();
        let result = format!(
            r#"{{"role":"assistant","content":[{{"type":"tool_search_tool_result","tool_use_id":"1","content":{{"type":"tool_search_tool_search_result","tool_references":[{}]}}}}]}}"#,
            found.join(",")
        );
        format!(
            r#"{{"model":"claude-opus-4-8","messages":[{result}],"tools":[{search},{}]}}"#,
            tools.join(",")
        )
    };
    let deferred = r#","defer_loading":true"#;
    let both = [tool("one", deferred), tool("two", deferred)];
    let named = |body: &str| part(&messages, body, "named_tools");
    let none = body(&both, &[]);
    assert_eq!((named(&none), part(&messages, &none, "properties")), (0, 0));
    assert_eq!(
        (part(&messages, &none, "deferred_tools"), part(&messages, &none, "tool_search_tools")),
        (1, 1)
    );
    let one = body(&both, &["one"]);
    assert_eq!(
        (named(&one), part(&messages, &one, "properties"), part(&messages, &one, "deferred_tools")),
        (1, 1, 0)
    );
    assert_eq!(named(&body(&both, &["one", "two", "one"])), 2, "a tool is loaded once");
    let now = [tool("one", ""), tool("two", deferred)];
    assert_eq!(named(&body(&now, &[])), 1, "what is not deferred is there");
    assert_eq!(named(&body(&[tool("one", r#","defer_loading":false"#)], &[])), 1);
    let unsearched = none.replace(search, &tool("three", ""));
    assert_eq!(named(&unsearched), 3, "where nothing searches, all are there");
    assert_eq!(named(&body(&both, &["three"])), 0, "of a name that no tool has nothing is known");
    let big =
        [tool("one", deferred), tool("two", deferred).replace("to have", &"to have and to hold ".repeat(99))];
    let tokens = |found: &[&str]| part(&messages, &body(&big, found), "tool_text");
    assert!(tokens(&["two"]) > 20 * tokens(&["one"]), "each counts by itself");
    let falsely = both[0].replace(deferred, r#","defer_loading":true,"defer_loading":false"#);
    assert_eq!(named(&body(&[falsely], &[])), 1, "the last word counts");
    let renamed = one.replace(r#"{"name":"one""#, r#"{"name":"zero","name":"one""#);
    assert!(named(&renamed) > 0, "so it does of names");
    let unknown = none.replace("claude-opus-4-8", "deepseek-chat");
    assert_eq!(named(&unknown), 2, "who does not know the word reads all of them");
    let adding = none.replace(
        r#"[{"role":"assistant""#,
        r#"[{"role":"system","content":[{"type":"tool_addition","tool":{"type":"tool_reference","name":"one"}}]},{"role":"assistant""#,
    );
    assert_eq!(named(&adding), 1);
    // What a client's own search has found.
    let own = r#"{"model":"claude-opus-4-8","messages":[{"role":"user","content":[{"type":"tool_result","tool_use_id":"1","content":[{"type":"tool_reference","tool_name":"one"}]}]}],"tools":["#;
    assert_eq!(named(&format!("{own}{}]}}", tool("one", deferred))), 1);
}

#[test]
fn of_deferred_functions_the_model_sees_names_and_of_namespaces_their_own() {
    let responses = route("POST", "/v1/responses").unwrap();
    let tool = r#"{"type":"function","name":"one","defer_loading":true,"description":"to have","parameters":{"type":"object","properties":{"x":{"type":"string"}}}}"#;
    let body = |tools: &str| {
        format!(r#"{{"model":"gpt-5.4","input":"hi","tools":[{{"type":"tool_search"}},{tools}]}}"#)
    };
    let counted = |body: &str| {
        ["named_tools", "tool_text", "properties", "server_tools"].map(|name| part(&responses, body, name))
    };
    assert_eq!(counted(&body(tool)), [0, 3, 0, 0]);
    let space = format!(
        r#"{{"name":"tools","description":"all of them","tools":[{tool},{tool}],"type":"namespace"}}"#
    );
    assert_eq!(counted(&body(&space)), [0, 4, 0, 0]);
    let ready = space.replace(r#""defer_loading":true,"#, "");
    assert_eq!(counted(&body(&ready)), [2, 10, 2, 0]);
    // What a search has found stands in the conversation.
    let found = format!(
        r#"{{"model":"gpt-5.4","input":[{{"type":"tool_search_output","tools":[{tool}]}}],"tools":[{{"type":"tool_search"}},{tool}]}}"#
    );
    assert_eq!(counted(&found)[..1], [1]);
    let will_search = |body: &str| part(&responses, body, "deferred_tools");
    assert_eq!((will_search(&body(tool)), will_search(&found)), (1, 0));
}

#[test]
fn tools_that_take_a_text_are_the_callers_own() {
    let tool = r#""name":"sum","description":"adds","format":{"type":"grammar",GRAMMAR}"#;
    let chat_tool = tool.replace("GRAMMAR", r#""grammar":{"syntax":"lark","definition":"a plus b"}"#);
    let chat_body = format!(
        r#"{{"model":"gpt-5","messages":[],"tools":[{{"type":"custom","custom":{{{chat_tool}}}}}]}}"#
    );
    let tool = tool.replace("GRAMMAR", r#""syntax":"lark","definition":"a plus b""#);
    let body = format!(r#"{{"model":"gpt-5","input":[],"tools":[{{"type":"custom",{tool}}}]}}"#);
    for (route, body) in [(chat(), chat_body), (route("POST", "/v1/responses").unwrap(), body)] {
        let counted = ["custom_tools", "tool_text", "server_tools"].map(|name| part(&route, &body, name));
        assert_eq!((counted, parts(&route, &body).1), ([1, 5, 0], false), "{body}");
    }
    // Anthropic's are functions.
    let messages = route("POST", "/v1/messages").unwrap();
    let body = r#"{"model":"claude","messages":[],"tools":[{"type":"custom","name":"f","input_schema":{"type":"object"}}]}"#;
    assert_eq!(["custom_tools", "named_tools"].map(|name| part(&messages, body, name)), [0, 1]);
}

#[test]
fn what_a_compaction_stands_for_is_left_out() {
    let messages = route("POST", "/v1/messages").unwrap();
    let body = |kind: &str| {
        format!(
            r#"{{"model":"claude","system":"be kind","messages":[{{"role":"user","content":[{{"type":"text","text":"one"}},{{"type":"tool_result","tool_use_id":"1"}}]}},{{"role":"assistant","content":[{{"type":"text","text":"two"}},{{"content":"three","type":"{kind}"}},{{"id":"2","type":"tool_use"}}]}}],"tools":[{{"name":"f","input_schema":{{}}}}],"context_management":{{"edits":[{{"type":"compact_20260112"}}]}}}}"#
        )
    };
    let counted = |body: &str| {
        ["systems", "named_tools", "tool_results", "tool_calls"].map(|name| part(&messages, body, name))
    };
    let text = |body: &str| part(&messages, body, "text");
    let (whole, left) = (body("text"), body("compaction"));
    assert_eq!((counted(&whole), counted(&left)), ([1, 1, 1, 1], [1, 1, 0, 1]));
    assert!(text(&left) < text(&whole));
    // Others read on, and so does Claude where no summaries are asked for.
    let unknown = left.replace("claude", "deepseek-chat");
    assert_eq!(counted(&unknown), [1, 1, 1, 1]);
    let unasked = left.replace("context_management", "metadata");
    assert_eq!((counted(&unasked), text(&unasked)), ([1, 1, 1, 1], text(&whole)));
    let other_edit = left.replace("compact_20260112", "clear_tool_uses_20250919");
    assert_eq!(counted(&other_edit), [1, 1, 1, 1]);
    // One that failed is empty: "the server treats these as no-ops" (`BetaCompactionBlockParam` of the SDKs).
    for failed in [r#""content":null"#, r#""content":"""#, r#""x":"three""#] {
        assert_eq!(counted(&left.replace(r#""content":"three""#, failed)), [1, 1, 1, 1], "{failed}");
    }
    let two_kinds = left.replace(r#""type":"compaction""#, r#""type":"compaction","type":"text""#);
    assert_eq!(counted(&two_kinds), [1, 1, 1, 1]);
    let bedrock = route("POST", "/model/anthropic.claude-sonnet-4-6/converse").unwrap();
    assert_eq!(part(&bedrock, &left, "tool_results"), 1, "Converse has none");
    // Inside a tool's result it is what a tool said.
    let inside = r#"{"model":"claude","context_management":{"edits":[{"type":"compact_20260112"}]},"messages":[{"role":"user","content":[{"type":"tool_result","tool_use_id":"1"},{"type":"tool_result","tool_use_id":"1","content":[{"type":"compaction","text":"three"}]}]}]}"#;
    assert_eq!(part(&messages, inside, "tool_results"), 2);
}

#[test]
fn an_empty_description_describes_nothing() {
    let counted = |text: &str| {
        let body = format!(
            r#"{{"model":"gpt-4o","messages":[],"tools":[{{"type":"function","function":{{"name":"f","parameters":{{"description":"{text}"}}}}}}]}}"#
        );
        part(&chat(), &body, "descriptions")
    };
    assert_eq!((counted(""), counted("what it takes")), (0, 1));
}

#[test]
fn what_tools_of_the_providers_gave_is_read_again() {
    let text = |path: &str, body: &str| part(&route("POST", path).unwrap(), body, "text");
    let with =
        |block: &str| format!(r#"{{"model":"gpt-4o","messages":[{{"role":"user","content":[{block}]}}]}}"#);
    let messages = |block: &str| text("/v1/messages", &with(block));
    for block in [
        r#"{"type":"bash_code_execution_tool_result","content":{"type":"bash_code_execution_result","stdout":"one two three"}}"#,
        r#"{"type":"web_fetch_tool_result","content":{"type":"web_fetch_result","content":{"type":"document","source":{"type":"text","data":"one two three"}}}}"#,
        r#"{"type":"document","context":"one two three","source":{"type":"file","file_id":"f"}}"#,
    ] {
        assert_eq!(messages(block), 3, "{block}");
    }
    let responses = |item: &str| text("/v1/responses", &format!(r#"{{"model":"gpt-4o","input":[{item}]}}"#));
    for item in [
        r#"{"type":"shell_call_output","output":[{"stdout":"one two three"}]}"#,
        r#"{"type":"shell_call","action":{"commands":["one two three"]}}"#,
        r#"{"type":"code_interpreter_call","code":"one two three"}"#,
        r#"{"type":"code_interpreter_call","outputs":[{"type":"logs","logs":"one two three"}]}"#,
        r#"{"type":"file_search_call","results":[{"text":"one two three"}]}"#,
        r#"{"type":"apply_patch_call","operation":{"diff":"one two three"}}"#,
    ] {
        assert_eq!(responses(item), 3, "{item}");
    }
    assert_eq!(
        text("/v1/responses", r#"{"model":"gpt-4o","prompt":{"id":"p","variables":{"x":"one two three"}}}"#),
        3
    );
    for part in
        [r#"{"executableCode":{"code":"one two"}}"#, r#"{"codeExecutionResult":{"output":"one two"}}"#]
    {
        let body = format!(r#"{{"contents":[{{"parts":[{part}]}}]}}"#);
        assert!(text("/v1beta/models/gemini-2.5-flash:generateContent", &body) > 0, "{part}");
    }
    // A server's list of its tools.
    let list = r#"{"model":"gpt-4o","input":[{"type":"mcp_list_tools","tools":[{"name":"f","input_schema":{"type":"object"}},{"name":"g"}]}]}"#;
    let responses = route("POST", "/v1/responses").unwrap();
    assert_eq!(["named_tools", "server_tools"].map(|name| part(&responses, list, name)), [2, 0]);
}

#[test]
fn long_numbers_have_the_tokens_of_their_digits() {
    let body = |number: &str| {
        format!(
            r#"{{"model":"gpt-4o","messages":[],"tools":[{{"name":"f","input_schema":{{"enum":[{number}]}}}}]}}"#
        )
    };
    let counted = |number: &str| part(&route("POST", "/v1/messages").unwrap(), &body(number), "schema_text");
    assert_eq!(counted(&"7".repeat(39)) - counted("7"), 12);
}

#[test]
fn tools_that_anthropics_callers_run_cost_what_is_documented() {
    let body = r#"{"model":"gpt-4o","messages":[],"tools":[{"type":"bash_20250124","name":"bash"}]}"#;
    let messages = route("POST", "/v1/messages").unwrap();
    assert_eq!(
        ["any_tool", "tool_text", "server_tools"].map(|name| part(&messages, body, name)),
        [1, 246, 0]
    );
    assert!(!parts(&messages, body).1);
    let shell = r#"{"model":"gpt-5.4","input":"hi","tools":[{"type":"local_shell"},{"type":"apply_patch"}]}"#;
    let responses = route("POST", "/v1/responses").unwrap();
    assert_eq!(["custom_tools", "server_tools"].map(|name| part(&responses, shell, name)), [2, 0]);
}

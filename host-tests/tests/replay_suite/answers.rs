//! Answers that stand in for recorded ones are read as what they state, in every dialect that has words for it.

use tokenstile_engine::dialect::DIALECTS;
use tokenstile_engine::usage::{AnswerReader, Usage};
use tokenstile_host::replay::answer::{shortened, stating};

#[test]
fn an_answer_in_anothers_place_states_the_usage_that_it_was_made_of() {
    let mut seen = 0;
    for dialect in DIALECTS {
        let plain = Usage { input: 1_000, output: 300, ..Usage::default() };
        let usage = match dialect.name {
            "openai-chat" | "openai-completions" => {
                Usage { cache_read: 400, reasoning: 120, input_audio: 30, output_audio: 20, ..plain }
            }
            "openai-responses" => Usage { cache_read: 400, reasoning: 120, web_searches: 2, ..plain },
            "gemini-generate" => {
                Usage { cache_read: 400, reasoning: 120, input_image: 70, web_searches: 2, ..plain }
            }
            "anthropic-messages" | "vertex-anthropic" => {
                Usage { cache_read: 400, cache_write: 200, cache_write_1h: 50, web_searches: 1, ..plain }
            }
            "bedrock-converse" => Usage { cache_read: 400, cache_write: 200, ..plain },
            "openai-embeddings" => Usage { output: 0, ..plain },
            _ => plain,
        };
        let Some(answer) = stating(dialect.name, "m", usage) else { continue };
        let mut reader = AnswerReader::new(dialect, b"application/json", false, "m");
        reader.feed(answer.to_string().as_bytes());
        assert_eq!(reader.stated(), Some(usage), "{}: {answer}", dialect.name);
        seen += 1;
    }
    assert!(seen >= 9, "{seen}");
}

#[test]
fn a_shorter_answer_has_no_part_that_is_longer() {
    let usage = Usage { input: 10, output: 300, reasoning: 200, ..Usage::default() };
    let short = shortened(usage, 100);
    assert_eq!((short.input, short.output, short.reasoning), (10, 100, 100));
    assert_eq!(shortened(usage, 400), usage);
}

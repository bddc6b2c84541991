//! The built filter in a real Envoy with two workers: what goes in, what the upstream sees, what comes out,
//! what is billed. The simulated provider's ledger is the independent figure.
//!
//! Each policy runs with request headers held until the body was read, and without: as Istio and Envoy Gateway
//! run filters. `cargo xtask test` builds the filter and finds an Envoy; without either, every test fails and
//! says so.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by a panic")]

mod access_log;
mod alerts;
mod bodies;
mod client;
mod concurrency;
mod configuration;
mod grafana;
mod hot_change;
mod identity;
mod noon;
mod passing;
mod quota;
mod receiver;
mod record_sink;
mod replacing;
mod rewriting;
mod setup;
mod streams;
mod strict;
mod top;

use setup::{LIMIT, Setup, counted, limited, policy, total};

/// Everything is let through and paid: the default.
async fn lenient(held: bool) {
    let mut policy = policy(held);
    policy["max_body_bytes"] = 10_000.into();
    // Holds are compared with the provider's own count.
    policy["count"] = "always".into();
    let setup = &Setup::new(&policy, |_| {});
    bodies::a_json_call_is_billed_as_stated_and_told_what_remains(setup).await;
    bodies::a_chunked_body_arrives_whole_and_is_counted_whole(setup).await;
    bodies::http2_calls_are_billed(setup).await;
    bodies::a_body_over_the_policys_limit_pays_by_its_answer(setup).await;
    bodies::a_compressed_body_passes_as_it_is_and_pays_by_its_answer(setup).await;
    bodies::a_body_that_is_not_json_gets_the_providers_own_error(setup).await;
    bodies::a_body_that_is_empty_gets_the_providers_own_error(setup).await;
    bodies::a_body_that_waits_to_be_asked_for_is_asked_for(setup).await;
    bodies::a_hang_up_in_the_upload_costs_nothing(setup).await;
    bodies::a_user_id_that_is_no_text_is_a_user_like_others(setup).await;
    streams::a_stream_passes_unchanged_and_is_billed_as_stated(setup).await;
    streams::a_stream_over_http2_is_billed(setup).await;
    streams::an_answer_without_usage_is_counted(setup).await;
    streams::a_hang_up_pays_for_what_was_streamed(setup).await;
    streams::a_hang_up_before_the_answer_pays_for_the_prompt(setup).await;
    streams::a_stream_that_the_upstream_breaks_off_pays_for_what_came(setup).await;
    streams::errors_of_the_provider_pass_unchanged_and_cost_nothing(setup).await;
    passing::other_methods_and_headers_pass_as_they_are(setup).await;
    passing::the_providers_headers_pass_beside_ours(setup).await;
    passing::the_providers_limits_and_errors_pass_as_they_are(setup).await;
    the_counters_are_the_records_sums(setup);
    the_histograms_show_how_long_answers_took(setup).await;
    no_prompt_and_no_key_is_in_the_log(setup);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_are_billed_to_the_token_with_headers_held() {
    lenient(true).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_are_billed_to_the_token_with_headers_gone() {
    lenient(false).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_read_is_refused_where_the_policy_says_so() {
    for held in [true, false] {
        let mut policy = policy(held);
        policy["opaque"] = "deny".into();
        policy["unread"] = "deny".into();
        policy["max_body_bytes"] = 10_000.into();
        let setup = &Setup::new(&policy, |options| options.buffer_limit_bytes = 16 * 1024);
        strict::a_compressed_body_is_refused(setup).await;
        strict::a_body_that_is_not_json_is_refused(setup).await;
        strict::a_body_with_two_models_is_refused(setup).await;
        strict::a_body_over_the_policys_limit_is_refused(setup).await;
        passing::other_paths_pass_byte_for_byte(setup).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_bypasses_a_small_budget_and_nothing_leaks_from_it() {
    for held in [true, false] {
        let setup = &Setup::new(&limited(held, bodies::SMALL_LIMIT, 24), |options| {
            options.buffer_limit_bytes = 16 * 1024;
            options.upstream_http2 = true;
        });
        bodies::request_trailers_do_not_bypass_the_budget(setup).await;
        bodies::a_body_over_envoys_buffer_is_refused_by_envoy_and_holds_nothing(setup).await;
        bodies::a_body_over_envoys_buffer_does_not_bypass_the_budget_over_http2(setup).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_downgrade_changes_the_model_and_not_a_byte_more() {
    for held in [true, false] {
        let policy = rewriting::downgrading(held);
        let setup = &Setup::new(&policy, |options| options.retries = rewriting::RETRIES);
        rewriting::every_framing_arrives_whole(setup).await;
        rewriting::a_request_with_trailers_arrives_whole(setup).await;
        rewriting::what_envoy_tries_again_arrives_whole_and_is_one_call(setup).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_pays_is_what_envoy_has_verified() {
    identity::verified_claims_are_read_from_envoys_metadata().await;
    identity::verified_claims_are_read_from_the_forwarded_payload().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_quota_endpoint_tells_a_caller_what_it_has_left() {
    for held in [true, false] {
        quota::a_caller_is_told_what_it_has_left(held).await;
    }
}

fn the_counters_are_the_records_sums(setup: &Setup) {
    let records = setup.envoy.log().records();
    let metrics = setup.envoy.metrics().unwrap();
    let tokens = counted(&metrics, "tokenstile_tokens;type=input")
        + counted(&metrics, "tokenstile_tokens;type=output");
    assert_eq!(tokens, records.iter().map(total).sum::<u64>() as f64, "{metrics:?}");
    let requests = "tokenstile_requests;decision=allow";
    assert_eq!(counted(&metrics, requests), records.len() as f64, "{metrics:?}");
    let cost: u64 = records.iter().filter_map(|record| record["cost_nano_usd"].as_u64()).sum();
    assert_eq!(counted(&metrics, "tokenstile_cost_nano_usd"), cost as f64, "{metrics:?}");
    let used = counted(&metrics, "tokenstile_budget_used;rule=daily;unit=tokens");
    assert_eq!(used, records.iter().map(total).sum::<u64>() as f64, "{metrics:?}");
    let held = counted(&metrics, "tokenstile_held_tokens");
    assert!(held > 0.0 && held == counted(&metrics, "tokenstile_released_tokens"), "{metrics:?}");
    let stated = records.iter().filter(|record| record["usage"]["source"] == "reported");
    let stated: u64 = stated.filter(|record| record["hold_tokens"] != 0).map(total).sum();
    assert_eq!(counted(&metrics, "tokenstile_reported_tokens"), stated as f64, "{metrics:?}");
    assert_eq!(metrics.get("tokenstile_budget_limit;rule=daily;unit=tokens"), Some(&(LIMIT as f64)));
    let failures: Vec<_> = metrics.keys().filter(|name| name.contains("failures")).collect();
    assert!(failures.is_empty(), "{metrics:?}");
}

async fn the_histograms_show_how_long_answers_took(setup: &Setup) {
    let page = || setup.envoy.admin_page("/stats/prometheus").unwrap_or_default();
    let has = |name: &str| page().lines().any(|line| line.starts_with(name) && !line.ends_with(" 0"));
    setup::until(|| has("tokenstile_duration_ms_count{dialect=\"openai-chat\"}")).await;
    setup::until(|| has("tokenstile_time_to_first_chunk_ms_count{dialect=\"openai-chat\"}")).await;
}

fn no_prompt_and_no_key_is_in_the_log(setup: &Setup) {
    let log = setup.envoy.log();
    for secret in ["Say hello", "dull boy", client::KEY] {
        assert!(!log.text().contains(secret), "`{secret}` stands in the log");
    }
}

//! Policies that are wrong, each with what is said of it.

use super::*;

/// Who mends one mistake is not told of the next one then.
#[test]
fn a_key_that_nobody_knows_hides_no_other_mistake() {
    let mut policy = good();
    policy["budgets"][0]["limti"] = json!({});
    policy["blocks"] = json!([{"name": "b", "match": {"usr": "x"}}]);
    let errors = Policy::parse(policy.to_string().as_bytes()).unwrap_err().to_string();
    for part in ["unknown field `limti`", "unknown dimension `usr`", "the policy has 2 errors"] {
        assert!(errors.contains(part), "{part}: {errors}");
    }
    // What such a key may have meant is no other mistake.
    let mut policy = good();
    policy["budgets"][0]["ladder"][0] = json!({"at": "90%", "wran": {}});
    let errors = Policy::parse(policy.to_string().as_bytes()).unwrap_err().to_string();
    assert!(errors.contains("the policy has 1 error\n"), "{errors}");
}

/// A typo must never switch a budget off (coraza ignores unknown keys, apisix-website#2028).
#[test]
fn each_mistake_is_named_with_its_place_and_the_way_out() {
    let cases = [
        (
            "/budgets/0/limti",
            json!({}),
            "`budgets[0]`: unknown field `limti`: did you mean `limit`? expected one of",
        ),
        ("/budgets/0/ladder/0/at", json!("ninety"), "`budgets[0].ladder[0].at`: `ninety` is no percentage"),
        ("/budgets/0/ladder/0/at", json!("120%"), "`budgets[0].ladder[1].at`: steps must climb"),
        ("/budgets/0/ladder/1", json!({"at": "95%", "deny": {}}), "`budgets[0].ladder[2]`: never reached"),
        ("/budgets/0/ladder/0", json!({"at": "90%"}), "`budgets[0].ladder[0]`: exactly one of `warn`"),
        (
            "/budgets/0/ladder/0",
            json!({"at": "90%", "clamp": {"max_output_tokens": 15}}),
            "`budgets[0].ladder[0].clamp.max_output_tokens`: at least 16",
        ),
        (
            "/budgets/0/ladder/0",
            json!({"at": "90%", "clamp": {"max_output_tokens": 64, "to": "remaining"}}),
            "`budgets[0].ladder[0].clamp`: exactly one of `max_output_tokens`",
        ),
        (
            "/budgets/0/ladder/0",
            json!({"at": "90%", "clamp": {"max_output_tokens": 64, "at_least": 32}}),
            "`budgets[0].ladder[0].clamp.at_least`: only",
        ),
        (
            "/budgets/0/ladder/0",
            json!({"at": "90%", "clamp": {"reasoning_effort": "lo"}}),
            "`budgets[0].ladder[0].clamp.reasoning_effort`: unknown value `lo`",
        ),
        (
            "/budgets/0/ladder/1",
            json!({"at": "100%", "overage": {"usd_per_usd": "0.02"}}),
            "`budgets[0].ladder[1].overage`: a budget of `tokens` needs `usd_per_1k_tokens`",
        ),
        (
            "/budgets/0/ladder/1",
            json!({"at": "100%", "overage": {"usd_per_1k_tokens": "0"}}),
            "`budgets[0].ladder[1].overage.usd_per_1k_tokens`: `0` is no amount of dollars above 0",
        ),
        (
            "/budgets/0/ladder/1",
            json!({"at": "99%", "overage": {"usd_per_1k_tokens": "0.02"}}),
            "`budgets[0].ladder[1].at`: below `100%` the budget itself pays",
        ),
        (
            "/budgets/0/ladder/2",
            json!({"at": "150%", "overage": {"usd_per_1k_tokens": "0.02", "up_to": {"usd": "5"}}}),
            "`budgets[0].ladder[2].overage.up_to`: no step says what happens then",
        ),
        (
            "/budgets/0/ladder/0",
            json!({"at": "90%", "delay": {"up_to": "31s"}}),
            "`budgets[0].ladder[0].delay.up_to`: `31s` is longer than `30s`",
        ),
        (
            "/learned_output",
            json!({"quantile": "100%", "per": []}),
            "`learned_output.quantile`: `100%` is no quantile",
        ),
        (
            "/learned_output",
            json!({"quantile": "90%", "per": ["feature"]}),
            "`learned_output.per`: unknown dimension `feature`",
        ),
        (
            "/downgrades/economy/0/can",
            json!(["fly"]),
            "`downgrades.economy[0].can[0]`: unknown feature `fly`; known are `tools`",
        ),
        ("/budgets/0/ladder", json!([]), "`budgets[0].ladder`: no step"),
        (
            "/budgets/0/ladder/1/downgrade",
            json!("cheap"),
            "`budgets[0].ladder[1].downgrade`: no list `cheap`",
        ),
        (
            "/budgets/0/ladder/2/deny/message",
            json!("{usd}"),
            "`budgets[0].ladder[2].deny.message`: unknown placeholder `{usd}`",
        ),
        (
            "/budgets/0/ladder/2/deny/message",
            json!({"de_DE": "x"}),
            "`budgets[0].ladder[2].deny.message.de_DE`: `de_DE` is no language tag",
        ),
        (
            "/budgets/0/ladder/2/deny/message",
            json!({"en": "x", "de": "{usd}"}),
            "`budgets[0].ladder[2].deny.message.de`: unknown placeholder `{usd}`",
        ),
        (
            "/budgets/0/ladder/2/deny/message",
            json!({"de": "x", "DE": "y"}),
            "`budgets[0].ladder[2].deny.message.DE`: this language stands twice",
        ),
        ("/budgets/0/ladder/2/deny/message", json!({"de": 3}), "`budgets[0].ladder[2].deny.message.de`: "),
        ("/budgets/0/ladder/2/deny/message", json!(3), "`budgets[0].ladder[2].deny.message`: "),
        (
            "/budgets/0/window/timezone",
            json!("Mars/Base"),
            "`budgets[0].window.timezone`: unknown time zone `Mars/Base`",
        ),
        (
            "/budgets/0/window/calendar",
            json!("decade"),
            "`budgets[0].window.calendar`: unknown value `decade`",
        ),
        (
            "/budgets/0/per",
            json!(["usr"]),
            "`budgets[0].per`: unknown dimension `usr`; `tier`, `user` are declared",
        ),
        ("/budgets/0/match/teir", json!("x"), "`budgets[0].match`: unknown dimension `teir`"),
        ("/budgets/0/limit", json!({"tokens": 1, "usd": "1"}), "`budgets[0].limit`: exactly one of"),
        ("/budgets/0/limit", json!({"usd": "1e3"}), "`budgets[0].limit.usd`: `1e3` is no amount of dollars"),
        ("/budgets/0/limit/tokens", json!(-1), "`budgets[0].limit.tokens`: "),
        (
            "/budgets/0/bucket",
            json!({"tokens": 1, "refill": {"tokens": 1, "every": "1m"}}),
            "`budgets[0]`: either `limit`",
        ),
        ("/budgets/1/name", json!("free-daily"), "`budgets[1].name`: `free-daily` names two rules"),
        ("/budgets/1/name", json!("a\"b"), "`budgets[1].name`: a name of 1 to 64 letters"),
        (
            "/budgets/1/bucket/refill/every",
            json!("soon"),
            "`budgets[1].bucket.refill.every`: `soon` is no duration",
        ),
        (
            "/budgets/1/bucket/refill/tokens",
            json!(0),
            "`budgets[1].bucket.refill.tokens`: a bucket that is never refilled",
        ),
        ("/budgets/0/limit", json!({}), "`budgets[0].limit`: exactly one of `tokens`, `input_tokens`"),
        (
            "/budgets/0/limit",
            json!({"requests_in_flight": 3}),
            "`budgets[0].window`: `requests_in_flight` takes no window: a call counts for as long as it runs",
        ),
        (
            "/budgets/0/limit",
            json!({"requests_in_flight": 0}),
            "`budgets[0].limit.requests_in_flight`: no call ends where none may begin; to refuse all, write",
        ),
        ("/budgets/0/window", json!({}), "`budgets[0].window`: exactly one of `calendar` and `rolling`"),
        (
            "/budgets/0/window",
            json!({"calendar": "day", "rolling": "24h"}),
            "`budgets[0].window`: exactly one of `calendar` and `rolling`",
        ),
        ("/budgets/0/window", json!({"rolling": "day"}), "`budgets[0].window.rolling`: `day` is no duration"),
        (
            "/budgets/0/window",
            json!({"rolling": "400d"}),
            "`budgets[0].window.rolling`: `400d` is not between",
        ),
        (
            "/budgets/0/window",
            json!({"rolling": "10ms"}),
            "`budgets[0].window.rolling`: `10ms` is not between",
        ),
        (
            "/budgets/0/window",
            json!({"rolling": "24h", "timezone": "UTC"}),
            "`budgets[0].window.timezone`: a rolling window has no `timezone`",
        ),
        (
            "/budgets/0/window",
            json!({"calendar": "billing_month"}),
            "`budgets[0].window.day`: a `billing_month` needs the `day`",
        ),
        (
            "/budgets/0/window",
            json!({"calendar": "billing_month", "day": 32}),
            "`budgets[0].window.day`: a `billing_month` needs the `day`",
        ),
        (
            "/budgets/0/window",
            json!({"calendar": "month", "day": 15}),
            "`budgets[0].window.day`: only a `billing_month` begins on a day of your choice",
        ),
        (
            "/budgets/1/bucket/refill",
            json!({"requests": 1, "every": "1m"}),
            "`budgets[1].bucket.refill`: a bucket of `tokens` is refilled by `tokens`, not by `requests`",
        ),
        ("/budgets/1/bucket/requests", json!(5), "`budgets[1].bucket`: exactly one of"),
        (
            "/budgets/1/bucket/requests_in_flight",
            json!(5),
            "`budgets[1].bucket`: unknown field `requests_in_flight`",
        ),
        (
            "/budgets/0/ladder/1/deny",
            json!({"streams": "cut"}),
            "`budgets[0].ladder[1].deny.streams`: unknown value `cut`",
        ),
        (
            "/budgets/0",
            json!({"name": "n", "per": [], "limit": {"requests": 1}, "window": {"calendar": "day"},
                "ladder": [{"at": "100%", "deny": {"streams": "stop"}}]}),
            "`budgets[0].ladder[0].deny.streams`: an answer that runs uses no more `requests`; leave it out",
        ),
        ("/budgets/0/per", json!(["user", "user"]), "`budgets[0].per`: `user` stands twice"),
        (
            "/budgets/0/per",
            json!(["route"]),
            "`budgets[0].per`: the policy has no `routes`; the proxy's own route is a dimension with the source",
        ),
        ("/budgets/0/match/route", json!("faq"), "`budgets[0].match`: the policy has no `routes`"),
        (
            "/routes",
            json!([{"name": "none", "set": {"model": "gpt-4o-mini"}}]),
            "`routes[0].name`: `none` is the route of calls for which no route chooses",
        ),
        (
            "/blocks",
            json!([{"name": "b", "match": {"route": "none"}}]),
            "`blocks[0].match.route`: routes are chosen by rules like this one",
        ),
        ("/budgets/0/match/model", json!(""), "`budgets[0].match.model`: a model name or a pattern"),
        (
            "/budgets/0/match/provider",
            json!("opneai"),
            "`budgets[0].match.provider`: the price book knows no provider `opneai`",
        ),
        (
            "/budgets/0/on_error",
            json!("deney"),
            "`budgets[0].on_error`: unknown value `deney`: did you mean `deny`?",
        ),
        (
            "/budgets/0/ladder/0",
            json!({"at": "90%", "alert": "finop"}),
            "`budgets[0].ladder[0].alert`: no sink `finop` in `alerts`: did you mean `finops`?",
        ),
        (
            "/records",
            json!({"http": {"otlp": {}, "ndjson": {}}}),
            "`records.http`: exactly one of `otlp`, `ndjson` is needed",
        ),
        (
            "/records",
            json!({"http": {"otpl": {}}}),
            "`records.http.otpl`: unknown kind `otpl`: did you mean `otlp`? known are `otlp`, `ndjson`",
        ),
        (
            "/records",
            json!({"http": {"otlp": {"authority": "collector"}}}),
            "`records.http.otlp.cluster`: the name of a cluster of the proxy is needed",
        ),
        ("/records", json!({"http": "collector"}), "`records.http`: an object is needed"),
        (
            "/alerts",
            json!({"a": {}}),
            "`alerts.a`: exactly one of `log`, `slack`, `pagerduty`, `cloudevents` is needed",
        ),
        (
            "/alerts",
            json!({"a": {"logs": {}}}),
            "`alerts.a.logs`: unknown kind `logs`: did you mean `log`? known are",
        ),
        (
            "/alerts",
            json!({"a": {"slack": {"cluster": "s"}}}),
            "`alerts.a.slack.path`: the path of the webhook",
        ),
        (
            "/alerts",
            json!({"a": {"pagerduty": {"cluster": "p"}}}),
            "`alerts.a.pagerduty.routing_key`: the integration key",
        ),
        (
            "/alerts",
            json!({"a": {"pagerduty": {"routing_key": "k"}}}),
            "`alerts.a.pagerduty.cluster`: the name of a cluster",
        ),
        (
            "/alerts",
            json!({"a": {"cloudevents": {"cluster": "c"}}}),
            "`alerts.a.cloudevents.authority`: a host is needed",
        ),
        (
            "/alerts",
            json!({"a": {"cloudevents": {"cluster": "c", "authority": "h", "path": "x\r\n"}}}),
            "`alerts.a.cloudevents.path`: a path is needed",
        ),
        (
            "/alerts",
            json!({"a": {"cloudevents": {"cluster": "c", "authority": "h", "authorization": "a\nb"}}}),
            "`alerts.a.cloudevents.authorization`: the value of a header",
        ),
        (
            "/alerts",
            json!({"a": {"slack": {"cluster": "s", "path": "/x", "routing_key": "k"}}}),
            "`alerts.a.slack.routing_key`: only PagerDuty has one",
        ),
        (
            "/alerts",
            json!({"a": {"slack": {"cluster": "s", "path": "/x", "timeout": "2m"}}}),
            "`alerts.a.slack.timeout`: a time from",
        ),
        (
            "/budgets/0/ladder/0/warn",
            json!({"repeat": "twice"}),
            "`budgets[0].ladder[0].warn.repeat`: unknown value `twice`",
        ),
        (
            "/budgets/1/ladder",
            json!([{"at": "1%", "warn": {"repeat": "once"}}, {"at": "2%", "warn": {"repeat": "once"}},
                {"at": "3%", "warn": {"repeat": "once"}}, {"at": "4%", "warn": {"repeat": "once"}},
                {"at": "5%", "warn": {"repeat": "once"}}]),
            "`budgets[1].ladder`: at most 4 warnings may be given `once`",
        ),
        ("/identity/model", json!(["header:x-model"]), "`identity.model`: every call has a `model` already"),
        ("/identity/user", json!([]), "`identity.user`: no source"),
        (
            "/identity/user/0",
            json!("jwtt:sub"),
            "`identity.user[0]`: unknown source `jwtt:sub`: did you mean `jwt`? known are",
        ),
        (
            "/identity/user/0",
            json!("haeder:x"),
            "`identity.user[0]`: unknown source `haeder:x`: did you mean `header`?",
        ),
        (
            "/identity/user/0",
            json!("header:"),
            "`identity.user[0]`: `header` needs a header's name behind a colon",
        ),
        ("/identity/user/0", json!("header:a b"), "`identity.user[0]`: `a b` is no header's name"),
        (
            "/identity/user/0",
            json!("header:Authorization"),
            "`identity.user[0]`: `authorization` holds a secret; use `api_key`",
        ),
        (
            "/identity/user/0",
            json!("header:cookie"),
            "`identity.user[0]`: cookies are secrets; use `cookie:NAME`",
        ),
        ("/identity/user/0", json!("query:key"), "`identity.user[0]`: `key` holds a secret; use `api_key`"),
        ("/identity/user/0", json!("jwt"), "`identity.user[0]`: `jwt` needs a claim, such as `jwt:sub`"),
        (
            "/identity/user/0",
            json!("jwt:a..b"),
            "`identity.user[0]`: each key has 1 to 63 bytes; write `org.id`",
        ),
        (
            "/identity/user/0",
            json!("api_key:x"),
            "`identity.user[0]`: `api_key` takes nothing behind a colon",
        ),
        ("/identity/user/0", json!("path_segment:0"), "`identity.user[0]`: segments are counted from 1"),
        (
            "/identity/user/0",
            json!("body:user"),
            "`identity.user[0]`: `user` is no JSON Pointer; write `/user`",
        ),
        (
            "/identity/user/0",
            json!("property:request.headers.x-user"),
            "`identity.user[0]`: headers are here already",
        ),
        (
            "/jwt",
            json!({"payload_header": "a", "payload_in_metadata": "b"}),
            "`jwt`: either `payload_header` or",
        ),
        ("/jwt", json!({"payload_header": "a b"}), "`jwt.payload_header`: `a b` is no header's name"),
        ("/trusted_hops", json!(-1), "`trusted_hops`: "),
        (
            "/strip_request_headers",
            json!(["x-a", "content-*"]),
            "`strip_request_headers[1]`: a request cannot go without",
        ),
        (
            "/strip_request_headers",
            json!([":path"]),
            "`strip_request_headers[0]`: `:path` is no header's name",
        ),
        ("/strip_request_headers", json!(["x-*-id*"]), "`strip_request_headers[0]`: a `*` stands at the end"),
        (
            "/overrides",
            json!([{"match": {"user": "u"}, "budget": "free-dialy", "limit": {"tokens": 1}}]),
            "`overrides[0].budget`: no budget `free-dialy`; there are `free-daily`, `burst`",
        ),
        (
            "/overrides",
            json!([{"match": {}, "budget": "free-daily", "limit": {"tokens": 1}}]),
            "`overrides[0].match`: it would be for everyone",
        ),
        (
            "/overrides",
            json!([{"match": {"user": "u"}, "budget": "free-daily", "limit": {"usd": "1"}}]),
            "`overrides[0].limit`: `free-daily` is counted in `tokens`",
        ),
        (
            "/overrides",
            json!([{"match": {"user": "u"}, "budget": "burst", "limit": {"tokens": 1}}]),
            "`overrides[0].limit`: a bucket has one size for all",
        ),
        (
            "/overrides",
            json!([{"match": {"user": "u"}, "budget": "free-daily", "limit": {"tokens": 1}, "until": "31.1.2027"}]),
            "`overrides[0].until`: `31.1.2027` is no date; write the last day, `2027-01-31`",
        ),
        ("/exempt", json!([{"match": {"usr": "u"}}]), "`exempt[0].match`: unknown dimension `usr`"),
        ("/exempt", json!([{"match": {}}]), "`exempt[0].match`: it would be for everyone"),
        // deserr drops such entries of a map: the budget would be everyone's, the price the book's.
        ("/budgets/0/match/tier", json!(3), "`budgets[0].match.tier`: invalid value type"),
        ("/identity/user", json!("api_key"), "`identity.user`: invalid value type"),
        ("/downgrades/economy", json!({}), "`downgrades.economy`: invalid value type"),
        (
            "/prices",
            json!({"unknown_price": {"input": 1}}),
            "`prices.unknown_price.input`: invalid value type",
        ),
        ("/budgets/0/tiers", json!({"pro": {"tokens": -1}}), "`budgets[0].tiers.pro.tokens`: "),
        (
            "/budgets/0/tiers",
            json!({"pro": {"usd": "1"}}),
            "`budgets[0].tiers.pro`: `free-daily` is counted in `tokens`",
        ),
        (
            "/routes",
            json!([{"name": "r"}]),
            "`routes[0]`: a route needs one of `set`, `split` and `keep`, or `forbid` alone",
        ),
        ("/routes", json!([{"name": "r", "set": {}}]), "`routes[0].set`: it chooses nothing"),
        (
            "/routes",
            json!([{"name": "r", "match": {"budget_used": "free-daily"}, "forbid": ["x"]}]),
            "`routes[0].match.budget_used`: budgets and how far they are used are needed",
        ),
        (
            "/routes",
            json!([{"name": "r", "match": {"budget_used": {"daily": {"min": "80%"}}}, "forbid": ["x"]}]),
            "`routes[0].match.budget_used.daily`: no budget `daily`; there are `free-daily`",
        ),
        (
            "/routes",
            json!([{"name": "r", "match": {"budget_used": {"free-daily": {"min": 80}}}, "forbid": ["x"]}]),
            "`routes[0].match.budget_used.free-daily.min`: invalid value: a percentage is needed, such as \"80%\"",
        ),
        (
            "/routes",
            json!([{"name": "r", "match": {"budget_used": {"free-daily": {"min": "80%", "max": "79.9%"}}}, "forbid": ["x"]}]),
            "`routes[0].match.budget_used.free-daily`: `min` is more than `max`",
        ),
        (
            "/blocks",
            json!([{"name": "b", "match": {"budget_used": {"free-daily": {"min": "80%"}}}}]),
            "`blocks[0].match.budget_used`: only routes ask how far a budget is used",
        ),
        (
            "/budgets/0/match",
            json!({"budget_used": {"free-daily": {"min": "80%"}}}),
            "`budgets[0].match.budget_used`: only routes ask how far a budget is used",
        ),
        (
            "/routes",
            json!([{"name": "free-daily", "set": {"model": "gpt-4o"}}]),
            "`routes[0].name`: `free-daily` names two rules",
        ),
        (
            "/routes",
            json!([{"name": "r", "set": {"model": "gpt-*"}}]),
            "`routes[0].set.model`: one model is needed, not a pattern",
        ),
        (
            "/routes",
            json!([{"name": "r", "set": {"downgrade": "none"}}]),
            "`routes[0].set.downgrade`: no list `none` in `downgrades`",
        ),
        (
            "/routes",
            json!([{"name": "r", "set": {"model": "gpt-4o", "downgrade": "economy"}}]),
            "`routes[0].set`: either a `model`, or a `downgrade` list",
        ),
        (
            "/routes",
            json!([{"name": "r", "set": {"service_tier": "cheap"}}]),
            "`routes[0].set.service_tier`: unknown service tier `cheap`; known are `auto`",
        ),
        (
            "/routes",
            json!([{"name": "r", "set": {"max_output_tokens": 15}}]),
            "`routes[0].set.max_output_tokens`: at least 16",
        ),
        ("/routes", json!([{"name": "r", "set": {"headers": {"x a": "1"}}}]), "`routes[0].set.headers.x a`"),
        (
            "/routes",
            json!([{"name": "r", "set": {"headers": {"x-a": "1\n2"}}}]),
            "`routes[0].set.headers.x-a`: a header's value is one line",
        ),
        (
            "/routes",
            json!([{"name": "r", "set": {"model": "gpt-4o"}, "since": "2027-02-01", "until": "2027-01-31"}]),
            "`routes[0].until`: it ends before it begins",
        ),
        (
            "/routes",
            json!([{"name": "r", "set": {"model": "gpt-4o"}, "match": {"time": {}}}]),
            "`routes[0].match.time`: a time is needed, such as",
        ),
        (
            "/routes",
            json!([{"name": "r", "set": {"model": "gpt-4o"}, "match": {"time": {"from": "24:00"}}}]),
            "`routes[0].match.time.from`: `24:00` is no time of the day; write `22:00`",
        ),
        (
            "/routes",
            json!([{"name": "r", "set": {"model": "gpt-4o"}, "match": {"time": {"days": ["sunday"]}}}]),
            "`routes[0].match.time.days[0]`: `sunday` is no day; write `mon`",
        ),
        (
            "/routes",
            json!([{"name": "r", "set": {"model": "gpt-4o"}, "match": {"time": {"days": [], "timezone": "Mars/Base"}}}]),
            "`routes[0].match.time.timezone`: unknown time zone `Mars/Base`",
        ),
        (
            "/routes",
            json!([{"name": "r", "keep": {"by": "usr"}}]),
            "`routes[0].keep.by`: `usr` is no dimension",
        ),
        (
            "/routes",
            json!([{"name": "r", "keep": {"by": "user", "for": "25h"}}]),
            "`routes[0].keep.for`: 24 hours at most",
        ),
        (
            "/routes",
            json!([{"name": "r", "keep": {"by": "user", "for": "soon"}}]),
            "`routes[0].keep.for`: `soon` is no duration",
        ),
        (
            "/routes",
            json!([{"name": "r", "keep": {"by": "user"}, "set": {"model": "gpt-4o"}}]),
            "`routes[0]`: a route needs one of `set`, `split` and `keep`",
        ),
        (
            "/routes",
            json!([{"name": "r", "split": {"by": "usr", "arms": [{"name": "a", "weight": 1}]}}]),
            "`routes[0].split.by`: `usr` is no dimension",
        ),
        (
            "/routes",
            json!([{"name": "r", "split": {"by": "user", "holdout": 1001, "arms": [{"name": "a", "weight": 1}]}}]),
            "`routes[0].split.holdout`: at most 1000",
        ),
        (
            "/routes",
            json!([{"name": "r", "split": {"by": "user", "secret": "short", "arms": [{"name": "a", "weight": 1}]}}]),
            "`routes[0].split.secret`: at least 16 characters",
        ),
        (
            "/routes",
            json!([{"name": "r", "split": {"by": "user", "ramp": {"from": "2027-02-01", "to": "2027-02-01"}, "arms": [{"name": "a", "weight": 1}]}}]),
            "`routes[0].split.ramp.to`: it ends before it begins",
        ),
        (
            "/routes",
            json!([{"name": "r", "split": {"by": "user", "arms": []}}]),
            "`routes[0].split.arms`: the weights are thousandths of the subjects and add up to 0",
        ),
        (
            "/routes",
            json!([{"name": "r", "split": {"by": "user", "arms": [{"name": "a", "weight": 600}, {"name": "b", "weight": 401}]}}]),
            "`routes[0].split.arms`: the weights are thousandths of the subjects and add up to 1001",
        ),
        (
            "/routes",
            json!([{"name": "r", "split": {"by": "user", "arms": [{"name": "a", "weight": 1}, {"name": "a", "weight": 1}]}}]),
            "`routes[0].split.arms[1].name`: `a` names two arms",
        ),
        (
            "/routes",
            json!([{"name": "r", "split": {"by": "user", "arms": [{"name": "a b", "weight": 1}]}}]),
            "`routes[0].split.arms[0].name`: a name of 1 to 64 letters",
        ),
        (
            "/routes",
            json!([{"name": "r", "split": {"by": "user", "arms": [{"name": "holdout", "weight": 1}]}}]),
            "`routes[0].split.arms[0].name`: `holdout` names two arms",
        ),
        (
            "/routes",
            json!([{"name": "r", "match": {"usr": "a"}, "forbid": ["gpt-*"]}]),
            "`routes[0].match`: unknown dimension `usr`",
        ),
        ("/metrics", json!({"labels": ["usr"]}), "`metrics.labels[0]`: `usr` is no dimension of `identity`"),
        ("/blocks", json!([{"name": "free-daily"}]), "`blocks[0].name`: `free-daily` names two rules"),
        (
            "/blocks",
            json!([{"name": "b", "match": {"usr": "u"}}]),
            "`blocks[0].match`: unknown dimension `usr`",
        ),
        (
            "/blocks",
            json!([{"name": "b", "match": {"tier": true}}]),
            "`blocks[0].match.tier`: invalid value type",
        ),
        (
            "/blocks",
            json!([{"name": "b", "match": {"stream": "yes"}}]),
            "`blocks[0].match.stream`: `true` or `false`",
        ),
        (
            "/blocks",
            json!([{"name": "b", "match": {"uses": ["tools", "magic"]}}]),
            "`blocks[0].match.uses[1]`: unknown feature `magic`; known are `tools`",
        ),
        (
            "/blocks",
            json!([{"name": "b", "match": {"uses": []}}]),
            "`blocks[0].match.uses`: a list is needed",
        ),
        (
            "/blocks",
            json!([{"name": "b", "match": {"uses": [3]}}]),
            "`blocks[0].match.uses[0]`: invalid value type",
        ),
        (
            "/blocks",
            json!([{"name": "b", "match": {"dialect": "openai"}}]),
            "`blocks[0].match.dialect`: unknown dialect `openai`; known are `openai-chat`, `openai-responses`",
        ),
        (
            "/blocks",
            json!([{"name": "b", "match": {"prompt_tokens": {}}}]),
            "`blocks[0].match.prompt_tokens`: `min`, `max` or both are needed",
        ),
        (
            "/blocks",
            json!([{"name": "b", "match": {"output_bound": {"min": 2, "max": 1}}}]),
            "`blocks[0].match.output_bound`: `min` is more than `max`",
        ),
        (
            "/blocks",
            json!([{"name": "b", "match": {"prompt_tokens": {"mim": 2}}}]),
            "`blocks[0].match.prompt_tokens`: unknown field `mim`",
        ),
        (
            "/blocks",
            json!([{"name": "b", "message": "{used} are used"}]),
            "`blocks[0].message`: `{used}` says nothing here; known are {rule}, {model}",
        ),
        (
            "/blocks",
            json!([{"name": "b", "since": "now"}]),
            "`blocks[0].since`: `now` is no date; write the first day",
        ),
        (
            "/blocks",
            json!([{"name": "b", "since": "2027-01-02", "until": "2027-01-01"}]),
            "`blocks[0].until`: it ends before it begins",
        ),
        (
            "/blocks",
            json!([{"name": "b", "enabled": false, "match": {"model": ""}}]),
            "`blocks[0].match.model`: a model name or a pattern",
        ),
        (
            "/budgets/0/match",
            json!({"stream": true}),
            "`budgets[0].match.stream`: a budget must know which calls it counts",
        ),
        ("/identity", json!({"stream": ["api_key"]}), "`identity.stream`: every call has a `stream` already"),
        (
            "/request_limits",
            json!([{"name": "l", "limit": {}, "over": {"deny": {}}}]),
            "`request_limits[0].limit`: exactly one of `prompt_tokens`, `output_tokens`",
        ),
        (
            "/request_limits",
            json!([{"name": "l", "limit": {"usd": "two"}, "over": {"deny": {}}}]),
            "`request_limits[0].limit.usd`: `two` is no amount of dollars",
        ),
        (
            "/request_limits",
            json!([{"name": "l", "limit": {"usd": "2"}, "over": {}}]),
            "`request_limits[0].over`: exactly one of `deny`, `confirm` and `clamp`",
        ),
        (
            "/request_limits",
            json!([{"name": "l", "limit": {"prompt_tokens": 2}, "over": {"clamp": {}}}]),
            "`request_limits[0].over.clamp`: only `output_tokens` can be clamped",
        ),
        (
            "/request_limits",
            json!([{"name": "l", "limit": {"images": 4}, "over": {"deny": {"streams": "stop"}}}]),
            "`request_limits[0].over.deny.streams`: no answer streams yet when a single request is refused",
        ),
        (
            "/request_limits",
            json!([{"name": "l", "limit": {"images": 4}, "over": {"clamp": {}}}]),
            "`request_limits[0].over.clamp`: only `output_tokens` can be clamped: a prompt is not ours to shorten; write `deny` or `confirm`",
        ),
        (
            "/request_limits",
            json!([{"name": "l", "limit": {"output_tokens": 99}, "over": {"clamp": {"to": 16}}}]),
            "`request_limits[0].over.clamp`: unknown field `to`; write {}",
        ),
        (
            "/request_limits",
            json!([{"name": "l", "limit": {"output_tokens": "99"}, "over": {"deny": {}}}]),
            "`request_limits[0].limit`: exactly one of `prompt_tokens`, `output_tokens`",
        ),
        (
            "/request_limits",
            json!([{"name": "l", "limit": {"output_tokens": 15}, "over": {"clamp": {}}}]),
            "`request_limits[0].over.clamp`: at least 16",
        ),
        (
            "/request_limits",
            json!([{"name": "l", "limit": {"usd": "2"}, "over": {"confirm": {}}}]),
            "`confirm.secret`: a secret of at least 16 random characters is needed",
        ),
        (
            "/request_limits",
            json!([{"name": "l", "limit": {"usd": "2"}, "over": {"confirm": {"header": "authorization"}}}]),
            "`request_limits[0].over.confirm.header`: it does not go upstream: choose a header of its own",
        ),
        (
            "/confirm",
            json!({"secret": "short"}),
            "`confirm.secret`: a secret of at least 16 random characters",
        ),
        ("/confirm", json!({"within": "1h"}), "`confirm.within`: 15 minutes at most"),
        ("/confirm", json!({"within": "soon"}), "`confirm.within`: `soon` is no duration"),
        (
            "/budgets/0/ladder/0",
            json!({"at": "90%", "confirm": {}}),
            "`confirm.secret`: a secret of at least 16",
        ),
        (
            "/budgets/0/ladder/0",
            json!({"at": "90%", "confirm": {}, "warn": {}}),
            "`budgets[0].ladder[0]`: exactly one of",
        ),
        ("/downgrades/economy/0/to", json!("gpt-*"), "`downgrades.economy[0].to`: one model is needed"),
        ("/version", json!(2), "`version`: unknown version `2`"),
        ("/name", json!(""), "`name`: a name of 1 to 64 characters"),
        // A misspelt provider would make every model unknown, and its price inert.
        ("/provider", json!("opneai"), "`provider`: the price book knows no provider `opneai`; it knows"),
        (
            "/prices",
            json!({"overrides": [{"model": "x", "provider": "azur", "usd": {"requests": "1"}}]}),
            "`prices.overrides[0].provider`: the price book knows no provider `azur`",
        ),
        (
            "/prices",
            json!({"overrides": [{"model": "x", "usd": {"input": "1"}}]}),
            "`prices.overrides[0].usd`: `input` and `output` are needed",
        ),
        (
            "/prices",
            json!({"overrides": [{"model": "", "usd": {"requests": "1e3"}}]}),
            "`prices.overrides[0].model`: a model name is needed",
        ),
        ("/prices", json!({"unknown_price": {"inptu": "1"}}), "`prices.unknown_price.inptu`: unknown unit"),
        (
            "/prices",
            json!({"unknown": "deny", "unknown_price": {"requests": "1"}}),
            "`prices.unknown_price`: never used",
        ),
        ("/prices", json!({"aliases": {"x": ""}}), "`prices.aliases.x`: a model name is needed"),
        ("/prices", json!({"unknown": "free"}), "`prices.unknown`: unknown value `free`"),
        ("/on_error", json!("alow"), "`on_error`: unknown value `alow`: did you mean `allow`?"),
    ];
    for (pointer, value, expected) in cases {
        let mut policy = good();
        set(&mut policy, pointer, value.clone());
        let found = errors(&policy);
        assert!(found.iter().any(|e| e.starts_with(expected)), "{pointer} = {value}: {found:#?}");
    }
}

/// A server of one's own has a name that no book knows: right, where the policy has prices for it.
#[test]
fn a_provider_of_ones_own_needs_prices_of_ones_own() {
    let mut policy = good();
    set(&mut policy, "/provider", json!("vllm"));
    assert_eq!(errors(&policy).len(), 1);
    let own = json!({"overrides": [{"model": "*", "provider": "vllm", "usd": {"requests": "0"}}]});
    set(&mut policy, "/prices", own);
    assert_eq!(errors(&policy), Vec::<String>::new());
}

#[test]
fn all_mistakes_come_at_once() {
    let mut policy = good();
    set(&mut policy, "/budgets/0/window/timezone", json!("Mars/Base"));
    set(&mut policy, "/budgets/1/bucket/refill/every", json!("soon"));
    set(&mut policy, "/name", json!(""));
    assert_eq!(errors(&policy).len(), 3);
}

#[test]
fn a_key_that_stands_twice_is_an_error() {
    let text = good().to_string().replacen("\"at\":\"100%\"", "\"at\":\"95%\",\"at\":\"100%\"", 1);
    let errors = Policy::parse(text.as_bytes()).unwrap_err();
    assert_eq!(errors.0[0].path, "budgets[0].ladder[1].at", "{errors}");
}

#[test]
fn what_is_not_json_is_told_with_its_place() {
    let errors = Policy::parse(b"{\"version\": 1,}").unwrap_err();
    assert!(errors.to_string().contains("line 1 column 15"), "{errors}");
}

#[test]
fn an_empty_configuration_is_refused() {
    assert!(Policy::parse(b"").is_err());
    assert!(Policy::parse(b"{}").is_err());
}

#[test]
fn a_budget_asks_for_routes_that_there_are() {
    let mut policy = good();
    set(&mut policy, "/routes", json!([{"name": "faq", "set": {"model": "gpt-4o-mini"}}]));
    set(&mut policy, "/budgets/0/per", json!(["user", "route"]));
    set(&mut policy, "/budgets/1/match", json!({"route": "none"}));
    assert_eq!(errors(&policy), Vec::<String>::new());
    set(&mut policy, "/budgets/1/match/route", json!("fqa"));
    let wrong =
        "`budgets[1].match.route`: no route `fqa`; there are `faq`, and `none` where no route chooses";
    assert_eq!(errors(&policy), [wrong]);
}

/// A list of nothing is no help.
#[test]
fn where_there_is_no_budget_it_is_said() {
    let policy = json!({
        "version": 1, "name": "p", "identity": {"user": ["header:x-user-id"]},
        "overrides": [{"match": {"user": "u"}, "budget": "nope", "limit": {"tokens": 1}}],
        "routes": [{"name": "r", "match": {"budget_used": {"nope": {"min": "80%"}}}, "forbid": ["x"]}],
    });
    let wrong = "no budget `nope`; the policy has none in `budgets`";
    let found = errors(&policy);
    let told: Vec<&String> = found.iter().filter(|error| error.ends_with(wrong)).collect();
    assert_eq!(told.len(), 2, "{found:?}");
}

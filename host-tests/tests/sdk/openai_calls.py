"""Calls through a proxy as any program would make them, with the openai SDK as it comes.

Run by sdks.rs with the proxy's address. Prints one JSON object: for each scenario, which is also the user's name,
what each of its calls saw. It judges nothing.
"""

import asyncio
import json
import sys

import openai
from scenarios import SCENARIOS

BASE_URL = sys.argv[1] + "/v1"


def arguments(user, scenario):
    # No `max_retries`: what the SDK does by itself is the point.
    headers = {"x-user-id": user, "x-tier": scenario["tier"], **scenario["headers"]}
    return {"base_url": BASE_URL, "api_key": "sk-test", "default_headers": headers}


def request(scenario):
    messages = [{"role": "user", "content": scenario["prompt"]}]
    stream = {"stream": True, "stream_options": {"include_usage": True}} if scenario["stream"] else {}
    return {"model": "gpt-4o", "messages": messages, **stream}


def caught(error):
    return {
        "class": type(error).__module__.split(".")[0] + "." + type(error).__name__,
        "status": error.status_code,
        "code": error.code,
        "type": error.type,
        "message": error.body["message"],
        "text": str(error),
        "fields": error.body,
        "headers": dict(error.response.headers),
    }


def told(raw, text, usage):
    return {"text": text, "tokens": usage.total_tokens, "headers": dict(raw.headers)}


def call(client, scenario):
    try:
        raw = client.chat.completions.with_raw_response.create(**request(scenario))
        answer = raw.parse()
        if not scenario["stream"]:
            return told(raw, answer.choices[0].message.content, answer.usage)
        text, usage = "", None
        for chunk in answer:
            text += "".join(choice.delta.content or "" for choice in chunk.choices)
            usage = chunk.usage or usage
        return told(raw, text, usage)
    except openai.APIStatusError as error:
        return {"error": caught(error)}


async def call_async(client, scenario):
    try:
        raw = await client.chat.completions.with_raw_response.create(**request(scenario))
        answer = raw.parse()
        return told(raw, answer.choices[0].message.content, answer.usage)
    except openai.APIStatusError as error:
        return {"error": caught(error)}


async def all_async(user, scenario):
    async with openai.AsyncOpenAI(**arguments(user, scenario)) as client:
        return [await call_async(client, scenario) for _ in range(scenario["calls"])]


def main():
    seen = {}
    for user, scenario in SCENARIOS.items():
        with openai.OpenAI(**arguments(user, scenario)) as client:
            seen[user] = [call(client, scenario) for _ in range(scenario["calls"])]
    seen["quota-async"] = asyncio.run(all_async("quota-async", SCENARIOS["quota"]))
    print(json.dumps(seen))


main()

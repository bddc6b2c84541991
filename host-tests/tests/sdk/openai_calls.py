"""Calls through a proxy as any program would make them, with the openai SDK as it comes.

Run by sdk_openai.rs with the proxy's address. Prints one JSON object: for each scenario, which is also the
user's name, what the program saw. It judges nothing.
"""

import asyncio
import json
import sys

import openai

QUESTION = [{"role": "user", "content": "Say hello."}]


def arguments(base_url, user, tier, http_client, **headers):
    # No `max_retries`: what the SDK does by itself is the point.
    return {
        "base_url": base_url + "/v1",
        "api_key": "sk-test",
        "http_client": http_client,
        "default_headers": {"x-user-id": user, "x-tier": tier, **headers},
    }


def caught(error):
    return {
        "class": type(error).__module__.split(".")[0] + "." + type(error).__name__,
        "code": error.code,
        "type": error.type,
        "message": error.body["message"],
        "text": str(error),
        "body": error.body,
        "retry_after": error.response.headers.get("retry-after"),
        "should_retry": error.response.headers.get("x-should-retry"),
    }


def plain(base_url, user, tier, **headers):
    """Two calls, the second with another answer length; every HTTP request is counted."""
    seen = {"requests": 0}

    def count(_):
        seen["requests"] += 1

    with openai.DefaultHttpxClient(event_hooks={"request": [count]}) as http:
        client = openai.OpenAI(**arguments(base_url, user, tier, http, **headers))
        answer = client.chat.completions.create(model="gpt-4o", messages=QUESTION)
        seen["first"] = {"model": answer.model, "total_tokens": answer.usage.total_tokens}
        seen["requests_first"], seen["requests"] = seen["requests"], 0
        try:
            answer = client.chat.completions.create(model="gpt-4o", messages=QUESTION)
            seen["second"] = {"total_tokens": answer.usage.total_tokens}
        except openai.APIStatusError as error:
            seen["error"] = caught(error)
    return seen


def streamed(base_url, user, tier):
    """The same with streams."""
    seen = {"requests": 0}

    def count(_):
        seen["requests"] += 1

    with openai.DefaultHttpxClient(event_hooks={"request": [count]}) as http:
        client = openai.OpenAI(**arguments(base_url, user, tier, http))

        def stream():
            text, usage = "", None
            options = {"include_usage": True}
            for chunk in client.chat.completions.create(
                model="gpt-4o", messages=QUESTION, stream=True, stream_options=options
            ):
                text += "".join(choice.delta.content or "" for choice in chunk.choices)
                usage = chunk.usage or usage
            return {"text": text, "total_tokens": usage.total_tokens}

        seen["first"] = stream()
        seen["requests_first"], seen["requests"] = seen["requests"], 0
        try:
            seen["second"] = stream()
        except openai.APIStatusError as error:
            seen["error"] = caught(error)
    return seen


def too_large(base_url, user, tier):
    """One call that needs more than its bucket ever holds."""
    seen = {"requests": 0}

    def count(_):
        seen["requests"] += 1

    with openai.DefaultHttpxClient(event_hooks={"request": [count]}) as http:
        client = openai.OpenAI(**arguments(base_url, user, tier, http))
        question = [{"role": "user", "content": "Say hello. " * 100}]
        try:
            client.chat.completions.create(model="gpt-4o", messages=question)
        except openai.APIStatusError as error:
            seen["error"] = caught(error)
    return seen


async def asynchronous(base_url, user, tier):
    """The same with the asynchronous client."""
    seen = {"requests": 0}

    async def count(_):
        seen["requests"] += 1

    async with openai.DefaultAsyncHttpxClient(event_hooks={"request": [count]}) as http:
        client = openai.AsyncOpenAI(**arguments(base_url, user, tier, http))
        answer = await client.chat.completions.create(model="gpt-4o", messages=QUESTION)
        seen["first"] = {"total_tokens": answer.usage.total_tokens}
        seen["requests_first"], seen["requests"] = seen["requests"], 0
        try:
            answer = await client.chat.completions.create(model="gpt-4o", messages=QUESTION)
            seen["second"] = {"total_tokens": answer.usage.total_tokens}
        except openai.APIStatusError as error:
            seen["error"] = caught(error)
    return seen


def main(base_url):
    # An answer much longer than expected empties the bucket for seconds.
    long_answer = {"x-sim-output-tokens": "200"}
    seen = {
        "quota": plain(base_url, "quota", "metered"),
        "quota-stream": streamed(base_url, "quota-stream", "metered"),
        "quota-async": asyncio.run(asynchronous(base_url, "quota-async", "metered")),
        "rate": plain(base_url, "rate", "paced", **long_answer),
        "never-fits": too_large(base_url, "never-fits", "paced"),
        "free": streamed(base_url, "free", "unlimited"),
    }
    print(json.dumps(seen))


main(sys.argv[1])

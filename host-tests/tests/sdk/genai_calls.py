"""The calls of openai_calls.py with the google-genai SDK as it comes."""

import json
import sys

from google import genai
from google.genai import errors, types
from scenarios import SCENARIOS

BASE_URL = sys.argv[1]


def client_of(user, scenario):
    # No `retry_options`: what the SDK does by itself is the point.
    headers = {"x-user-id": user, "x-tier": scenario["tier"], **scenario["headers"]}
    return genai.Client(api_key="test", http_options=types.HttpOptions(base_url=BASE_URL, headers=headers))


def caught(error):
    return {
        "class": type(error).__module__.split(".")[0] + "." + type(error).__name__,
        "status": error.code,
        "type": error.status,
        "message": error.message,
        "text": str(error),
        "fields": error.details["error"],
        "headers": {key.lower(): value for key, value in error.response.headers.items()},
    }


def told(chunks):
    text = "".join(chunk.text or "" for chunk in chunks)
    headers = chunks[0].sdk_http_response.headers
    return {"text": text, "tokens": chunks[-1].usage_metadata.total_token_count, "headers": dict(headers)}


def call(client, scenario):
    question = {"model": "gemini-2.5-flash", "contents": scenario["prompt"]}
    try:
        if scenario["stream"]:
            return told(list(client.models.generate_content_stream(**question)))
        return told([client.models.generate_content(**question)])
    except errors.APIError as error:
        return {"error": caught(error)}


def main():
    seen = {}
    for user, scenario in SCENARIOS.items():
        client = client_of(user, scenario)
        seen[user] = [call(client, scenario) for _ in range(scenario["calls"])]
    print(json.dumps(seen))


main()

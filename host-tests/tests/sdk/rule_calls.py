"""Calls that a rule stops or asks about, with OpenAI's, Anthropic's and Google's SDKs. Prints what they saw."""

import json
import sys

import anthropic
import openai
from google import genai

BASE_URL = sys.argv[1]
QUESTION = [{"role": "user", "content": "Say hello."}]


def seen_of(error, status, body):
    return {"class": f"{type(error).__module__.split('.')[0]}.{type(error).__name__}", "status": status, "body": body}


def of_openai(headers):
    client = openai.OpenAI(base_url=f"{BASE_URL}/v1", api_key="test")
    try:
        client.chat.completions.create(model="gpt-4o", max_tokens=100, messages=QUESTION, extra_headers=headers)
    except openai.APIStatusError as error:
        return seen_of(error, error.status_code, error.body)
    return {"status": 200}


def of_anthropic(headers):
    client = anthropic.Anthropic(base_url=BASE_URL, api_key="test")
    try:
        client.messages.create(
            model="claude-sonnet-4-5", max_tokens=100, messages=QUESTION, extra_headers=headers
        )
    except anthropic.APIStatusError as error:
        return seen_of(error, error.status_code, error.body["error"])
    return {"status": 200}


def of_google(headers):
    options = genai.types.HttpOptions(base_url=BASE_URL, headers=headers)
    client = genai.Client(api_key="test", http_options=options)
    config = genai.types.GenerateContentConfig(max_output_tokens=100)
    try:
        client.models.generate_content(model="gemini-2.5-flash", contents="Say hello.", config=config)
    except genai.errors.APIError as error:
        return seen_of(error, error.code, error.details["error"]["details"][0]["metadata"])
    return {"status": 200}


seen = {}
for name, call in [("openai", of_openai), ("anthropic", of_anthropic), ("google", of_google)]:
    blocked = call({"x-user-id": f"{name}-blocked", "x-tier": "blocked"})
    headers = {"x-user-id": f"{name}-asked", "x-tier": "asked"}
    asked = call(headers)
    confirm = {asked["body"]["confirm_header"]: asked["body"]["confirm_token"]}
    seen[name] = {
        "blocked": blocked,
        "asked": asked,
        "confirmed": call(headers | confirm),
        "again": call(headers | confirm),
    }
print(json.dumps(seen))

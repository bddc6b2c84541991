"""Streams that end in an error of the proxy's, by each SDK as it comes: what the program had by then, and what it catches."""

import json
import sys

import anthropic
import openai
from google import genai
from google.genai import errors, types

BASE_URL = sys.argv[1]
PROMPT = "Say hello."


def headers(user):
    return {"x-user-id": user, "x-tier": "stopped", "x-sim-output-tokens": "400", "x-sim-chunk-delay-ms": "5"}


def name(error):
    return type(error).__module__.split(".")[0] + "." + type(error).__name__


def of_openai():
    client = openai.OpenAI(base_url=BASE_URL + "/v1", api_key="sk-test", default_headers=headers("openai"))
    text = ""
    try:
        messages = [{"role": "user", "content": PROMPT}]
        for chunk in client.chat.completions.create(model="gpt-4o", messages=messages, stream=True):
            text += "".join(choice.delta.content or "" for choice in chunk.choices)
    except openai.APIError as error:
        return {"text": text, "class": name(error), "message": error.message, "fields": error.body}


def of_responses():
    client = openai.OpenAI(base_url=BASE_URL + "/v1", api_key="sk-test", default_headers=headers("responses"))
    text = ""
    try:
        for event in client.responses.create(model="gpt-4o", input=PROMPT, stream=True):
            text += event.delta if event.type == "response.output_text.delta" else ""
    except openai.APIError as error:
        return {"text": text, "class": name(error), "message": error.message, "fields": error.body}


def of_anthropic():
    client = anthropic.Anthropic(base_url=BASE_URL, api_key="sk-ant-test", default_headers=headers("anthropic"))
    text = ""
    try:
        messages = [{"role": "user", "content": PROMPT}]
        with client.messages.stream(model="claude-sonnet-4-6", max_tokens=1000, messages=messages) as stream:
            for piece in stream.text_stream:
                text += piece
    except anthropic.APIStatusError as error:
        fields = error.body["error"]
        return {"text": text, "class": name(error), "message": fields["message"], "fields": fields}


def of_google():
    options = types.HttpOptions(base_url=BASE_URL, headers=headers("google"))
    client = genai.Client(api_key="test", http_options=options)
    text = ""
    try:
        for chunk in client.models.generate_content_stream(model="gemini-2.5-flash", contents=PROMPT):
            text += chunk.text or ""
    except errors.APIError as error:
        fields = error.details["error"]
        return {"text": text, "class": name(error), "message": error.message, "fields": fields}


print(json.dumps({"openai": of_openai(), "responses": of_responses(), "anthropic": of_anthropic(), "google": of_google()}))

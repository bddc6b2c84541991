"""One call each with the SDKs of Bedrock, Cohere and Ollama, all of them refused. Prints what they saw."""

import json
import sys

import boto3
import cohere
import ollama

BASE_URL = sys.argv[1]
QUESTION = [{"role": "user", "content": "Say hello."}]
CONVERSE = {"modelId": "amazon.nova-lite-v1:0", "messages": [{"role": "user", "content": [{"text": "Say hello."}]}]}


def headers(user):
    return {"x-user-id": user, "x-tier": "closed"}


def bedrock(user, call):
    client = boto3.client(
        "bedrock-runtime",
        region_name="us-east-1",
        endpoint_url=BASE_URL,
        aws_access_key_id="test",
        aws_secret_access_key="test",
    )
    client.meta.events.register("before-send", lambda request, **_: request.headers.update(headers(user)))
    try:
        call(client)
    except client.exceptions.ClientError as error:
        status = error.response["ResponseMetadata"]["HTTPStatusCode"]
        return {"class": type(error).__name__, "status": status, "message": error.response["message"]}


def of_cohere():
    client = cohere.ClientV2(api_key="test", base_url=BASE_URL)
    options = {"additional_headers": headers("cohere"), "max_retries": 0}
    try:
        client.chat(model="command-a-03-2025", messages=QUESTION, request_options=options)
    except cohere.core.ApiError as error:
        return {"class": type(error).__name__, "status": error.status_code, "message": error.body["message"]}


def of_ollama():
    try:
        ollama.Client(host=BASE_URL, headers=headers("ollama")).chat(model="llama3.2", messages=QUESTION)
    except ollama.ResponseError as error:
        return {"class": type(error).__name__, "status": error.status_code, "message": error.error}


seen = {
    "bedrock": bedrock("bedrock", lambda client: client.converse(**CONVERSE)),
    "bedrock-stream": bedrock("bedrock-stream", lambda client: client.converse_stream(**CONVERSE)),
    "bedrock-invoke": bedrock("bedrock-invoke", lambda client: client.invoke_model(modelId="m", body=b"{}")),
    "cohere": of_cohere(),
    "ollama": of_ollama(),
}
print(json.dumps(seen))

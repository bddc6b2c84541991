// The calls of stopped_calls.py with the SDKs for Node as they come.

import Anthropic from "@anthropic-ai/sdk";
import { ApiError, GoogleGenAI } from "@google/genai";
import OpenAI from "openai";

const url = process.argv[2];
const content = "Say hello.";
const headers = (user) => ({
  "x-user-id": user, "x-tier": "stopped", "x-sim-output-tokens": "400", "x-sim-chunk-delay-ms": "5",
});

async function ofOpenai() {
  const client = new OpenAI({ baseURL: url + "/v1", apiKey: "sk-test", defaultHeaders: headers("openai") });
  let text = "";
  try {
    const messages = [{ role: "user", content }];
    for await (const chunk of await client.chat.completions.create({ model: "gpt-4o", messages, stream: true })) {
      text += chunk.choices.map((choice) => choice.delta.content ?? "").join("");
    }
  } catch (error) {
    if (!(error instanceof OpenAI.APIError)) throw error;
    return { text, class: "openai.APIError", message: error.error.message, fields: error.error };
  }
}

async function ofResponses() {
  const client = new OpenAI({ baseURL: url + "/v1", apiKey: "sk-test", defaultHeaders: headers("responses") });
  let text = "";
  try {
    for await (const event of await client.responses.create({ model: "gpt-4o", input: content, stream: true })) {
      text += event.type === "response.output_text.delta" ? event.delta : "";
    }
  } catch (error) {
    if (!(error instanceof OpenAI.APIError)) throw error;
    return { text, class: "openai.APIError", message: error.error.message, fields: error.error };
  }
}

async function ofAnthropic() {
  const client = new Anthropic({ baseURL: url, apiKey: "sk-ant-test", defaultHeaders: headers("anthropic") });
  let text = "";
  try {
    const asked = { model: "claude-sonnet-4-6", max_tokens: 1000, messages: [{ role: "user", content }] };
    for await (const event of await client.messages.create({ ...asked, stream: true })) {
      text += event.delta?.text ?? "";
    }
  } catch (error) {
    if (!(error instanceof Anthropic.APIError)) throw error;
    const fields = error.error.error;
    return { text, class: "anthropic.APIError", message: fields.message, fields };
  }
}

async function ofGoogle() {
  const client = new GoogleGenAI({ apiKey: "test", httpOptions: { baseUrl: url, headers: headers("google") } });
  let text = "";
  try {
    for await (const chunk of await client.models.generateContentStream({ model: "gemini-2.5-flash", contents: content })) {
      text += chunk.text ?? "";
    }
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    const fields = JSON.parse(error.message.slice(error.message.indexOf("{"))).error;
    return { text, class: "google.ApiError", message: fields.message, fields };
  }
}

const seen = { openai: await ofOpenai(), responses: await ofResponses(), anthropic: await ofAnthropic() };
console.log(JSON.stringify({ ...seen, google: await ofGoogle() }));

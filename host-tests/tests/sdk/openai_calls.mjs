// The calls of openai_calls.py with OpenAI's SDK for Node as it comes.

import { readFileSync } from "node:fs";
import OpenAI from "openai";

const scenarios = JSON.parse(readFileSync(new URL("scenarios.json", import.meta.url)));
const seen = {};

function caught(error) {
  return {
    class: error instanceof OpenAI.RateLimitError ? "openai.RateLimitError" : error.constructor.name,
    status: error.status,
    code: error.code,
    type: error.type,
    message: error.error.message,
    text: String(error),
    fields: error.error,
    headers: Object.fromEntries(error.headers),
  };
}

async function call(client, { prompt, stream }) {
  const options = stream ? { stream, stream_options: { include_usage: true } } : {};
  const messages = [{ role: "user", content: prompt }];
  try {
    const asked = client.chat.completions.create({ model: "gpt-4o", messages, ...options });
    const { data, response } = await asked.withResponse();
    const headers = Object.fromEntries(response.headers);
    if (!stream) return { text: data.choices[0].message.content, tokens: data.usage.total_tokens, headers };
    let text = "", usage;
    for await (const chunk of data) {
      text += chunk.choices.map((choice) => choice.delta.content ?? "").join("");
      usage = chunk.usage ?? usage;
    }
    return { text, tokens: usage.total_tokens, headers };
  } catch (error) {
    if (!(error instanceof OpenAI.APIError)) throw error;
    return { error: caught(error) };
  }
}

for (const [user, scenario] of Object.entries(scenarios)) {
  const defaultHeaders = { "x-user-id": user, "x-tier": scenario.tier, ...scenario.headers };
  // No `maxRetries`: what the SDK does by itself is the point.
  const client = new OpenAI({ baseURL: process.argv[2] + "/v1", apiKey: "sk-test", defaultHeaders });
  seen[user] = [];
  for (let i = 0; i < scenario.calls; i += 1) seen[user].push(await call(client, scenario));
}
console.log(JSON.stringify(seen));

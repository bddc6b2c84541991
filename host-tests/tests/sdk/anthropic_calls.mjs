// The calls of openai_calls.py with Anthropic's SDK for Node as it comes.

import { readFileSync } from "node:fs";
import Anthropic from "@anthropic-ai/sdk";

const scenarios = JSON.parse(readFileSync(new URL("scenarios.json", import.meta.url)));
const seen = {};

function caught(error) {
  return {
    class: error instanceof Anthropic.RateLimitError ? "anthropic.RateLimitError" : error.constructor.name,
    status: error.status,
    type: error.error.error.type,
    message: error.error.error.message,
    text: String(error),
    fields: error.error.error,
    headers: Object.fromEntries(error.headers),
  };
}

async function call(client, { prompt, stream }) {
  const messages = [{ role: "user", content: prompt }];
  try {
    const asked = client.messages.create({ model: "claude-sonnet-4-6", max_tokens: 1000, messages, stream });
    const { data, response } = await asked.withResponse();
    const headers = Object.fromEntries(response.headers);
    if (!stream) {
      const { input_tokens, output_tokens } = data.usage;
      return { text: data.content[0].text, tokens: input_tokens + output_tokens, headers };
    }
    let text = "", tokens = 0;
    for await (const event of data) {
      if (event.type === "message_start") tokens += event.message.usage.input_tokens;
      if (event.type === "content_block_delta") text += event.delta.text;
      if (event.type === "message_delta") tokens += event.usage.output_tokens;
    }
    return { text, tokens, headers };
  } catch (error) {
    if (!(error instanceof Anthropic.APIError)) throw error;
    return { error: caught(error) };
  }
}

for (const [user, scenario] of Object.entries(scenarios)) {
  const defaultHeaders = { "x-user-id": user, "x-tier": scenario.tier, ...scenario.headers };
  // No `maxRetries`: what the SDK does by itself is the point.
  const client = new Anthropic({ baseURL: process.argv[2], apiKey: "sk-ant-test", defaultHeaders });
  seen[user] = [];
  for (let i = 0; i < scenario.calls; i += 1) seen[user].push(await call(client, scenario));
}
console.log(JSON.stringify(seen));

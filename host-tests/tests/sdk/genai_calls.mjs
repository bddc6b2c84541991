// The calls of openai_calls.py with Google's Gen AI SDK for Node as it comes.

import { readFileSync } from "node:fs";
import { ApiError, GoogleGenAI } from "@google/genai";

const scenarios = JSON.parse(readFileSync(new URL("scenarios.json", import.meta.url)));
const seen = {};

function caught(error) {
  // The SDK puts the whole body into the message; of headers it keeps none.
  const fields = JSON.parse(error.message).error;
  return {
    class: "google." + error.constructor.name,
    status: error.status,
    type: fields.status,
    message: fields.message,
    text: String(error),
    fields,
    headers: null,
  };
}

async function call(client, { prompt, stream }) {
  const question = { model: "gemini-2.5-flash", contents: prompt };
  try {
    const chunks = [];
    if (stream) for await (const chunk of await client.models.generateContentStream(question)) chunks.push(chunk);
    else chunks.push(await client.models.generateContent(question));
    return {
      text: chunks.map((chunk) => chunk.text ?? "").join(""),
      tokens: chunks.at(-1).usageMetadata.totalTokenCount,
      headers: chunks[0].sdkHttpResponse.headers,
    };
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    return { error: caught(error) };
  }
}

for (const [user, scenario] of Object.entries(scenarios)) {
  const headers = { "x-user-id": user, "x-tier": scenario.tier, ...scenario.headers };
  // No `retryOptions`: what the SDK does by itself is the point.
  const client = new GoogleGenAI({ apiKey: "test", httpOptions: { baseUrl: process.argv[2], headers } });
  seen[user] = [];
  for (let i = 0; i < scenario.calls; i += 1) seen[user].push(await call(client, scenario));
}
console.log(JSON.stringify(seen));

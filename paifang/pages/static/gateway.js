// Talks to the gateway as any client does: /v1/models and a streamed /v1/chat/completions.

/** The gateway said no. Status 0: it began to answer and then broke off. */
export class Refusal extends Error {
  constructor(status, message, requestId) {
    super(message);
    this.status = status;
    this.requestId = requestId;
  }
}

/** The names of the models the token may call. */
export async function listModels(token) {
  const options = { signal: AbortSignal.timeout(15_000) };
  const response = await call("/v1/models", token, options);
  return (await response.json()).data.map((entry) => entry.id);
}

/**
 * Asks a question and hands each piece of the answer to `write`.
 * Returns the usage in tokens when the gateway tells, else null.
 */
export async function ask({ token, model, question, signal, write }) {
  const body = {
    model,
    messages: [{ role: "user", content: question }],
    stream: true,
    stream_options: { include_usage: true },
  };
  const options = { method: "POST", body: JSON.stringify(body), signal };
  const response = await call("/v1/chat/completions", token, options);
  const requestId = response.headers.get("x-request-id");
  let usage = null;
  try {
    for await (const event of events(response)) {
      if (event.error) throw new Refusal(0, event.error.message ?? "", requestId);
      const piece = event.choices?.[0]?.delta?.content ?? event.choices?.[0]?.message?.content;
      if (piece) write(piece);
      if (event.usage) {
        usage = { input: event.usage.prompt_tokens, output: event.usage.completion_tokens };
      }
    }
  } catch (error) {
    if (error instanceof Refusal || signal.aborted) throw error;
    throw new Refusal(0, error.message, requestId);
  }
  return usage;
}

async function call(path, token, options) {
  const headers = { authorization: `Bearer ${token}`, "content-type": "application/json" };
  const settings = { headers, cache: "no-store", credentials: "omit", ...options };
  const response = await fetch(path, settings);
  if (!response.ok) throw await refusal(response);
  return response;
}

async function refusal(response) {
  let message = response.statusText;
  try {
    const body = await response.json();
    message = body.error?.message ?? body.detail ?? message;
  } catch {
    // Not JSON: a proxy in between has spoken. The status says enough.
  }
  return new Refusal(response.status, message, response.headers.get("x-request-id"));
}

/** The events of a stream; an answer that is no stream is one event. */
async function* events(response) {
  if (!response.headers.get("content-type")?.startsWith("text/event-stream")) {
    yield await response.json();
    return;
  }
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  let ended = false;
  for (;;) {
    const { done, value } = await reader.read();
    if (done) break;
    const lines = (rest + value).split(/\r?\n/);
    rest = lines.pop();
    for (const line of lines) {
      if (!line.startsWith("data:")) continue;
      const data = line.slice(5).trim();
      if (data === "[DONE]") ended = true;
      else if (data) yield JSON.parse(data);
    }
  }
  if (!ended) throw new Error("the stream ended before [DONE]");
}

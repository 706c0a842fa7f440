/** Talks to the gateway as any client does: /v1/models and a streamed /v1/chat/completions. */

/** The gateway said no. Status 0: it began to answer and then broke off. */
export class Refusal extends Error {
  constructor(
    readonly status: number,
    message: string,
    readonly requestId: string | null,
  ) {
    super(message);
  }
}

export interface Usage {
  input: number;
  output: number;
}

interface Chunk {
  error?: { message?: string };
  choices?: { delta?: { content?: string }; message?: { content?: string } }[];
  usage?: { prompt_tokens: number; completion_tokens: number };
}

const LIST_MS = 15_000;

/** The names of the models the token may call. */
export async function listModels(token: string): Promise<string[]> {
  const response = await call("/v1/models", token, { signal: AbortSignal.timeout(LIST_MS) });
  const body = (await response.json()) as { data: { id: string }[] };
  return body.data.map((entry) => entry.id);
}

/** Asks a question and hands each piece of the answer to `write`; the usage when it is told. */
export async function ask(question: {
  token: string;
  model: string;
  text: string;
  signal: AbortSignal;
  write: (piece: string) => void;
}): Promise<Usage | null> {
  const { token, model, text, signal, write } = question;
  const body = JSON.stringify({
    model,
    messages: [{ role: "user", content: text }],
    stream: true,
    stream_options: { include_usage: true },
  });
  const response = await call("/v1/chat/completions", token, { method: "POST", body, signal });
  const requestId = response.headers.get("x-request-id");
  let usage: Usage | null = null;
  try {
    for await (const chunk of chunks(response)) {
      if (chunk.error) throw new Refusal(0, chunk.error.message ?? "", requestId);
      const choice = chunk.choices?.[0];
      const piece = choice?.delta?.content ?? choice?.message?.content;
      if (piece) write(piece);
      if (chunk.usage) {
        usage = { input: chunk.usage.prompt_tokens, output: chunk.usage.completion_tokens };
      }
    }
  } catch (error) {
    if (error instanceof Refusal || signal.aborted) throw error;
    throw new Refusal(0, error instanceof Error ? error.message : "", requestId);
  }
  return usage;
}

async function call(path: string, token: string, options: RequestInit): Promise<Response> {
  const headers = { authorization: `Bearer ${token}`, "content-type": "application/json" };
  const response = await globalThis.fetch(path, {
    headers,
    cache: "no-store",
    credentials: "omit",
    ...options,
  });
  if (!response.ok) throw await refusal(response);
  return response;
}

async function refusal(response: Response): Promise<Refusal> {
  let message = response.statusText;
  try {
    const body = (await response.json()) as { error?: { message?: string }; detail?: string };
    message = body.error?.message ?? body.detail ?? message;
  } catch {
    // Not JSON: a proxy in between has spoken. The status says enough.
  }
  return new Refusal(response.status, message, response.headers.get("x-request-id"));
}

/** The events of a stream; an answer that is no stream is one event. */
async function* chunks(response: Response): AsyncGenerator<Chunk> {
  if (!response.headers.get("content-type")?.startsWith("text/event-stream") || !response.body) {
    yield (await response.json()) as Chunk;
    return;
  }
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  let ended = false;
  for (;;) {
    const { done, value } = await reader.read();
    if (done) break;
    const lines = (rest + value).split(/\r?\n/);
    rest = lines.pop() ?? "";
    for (const line of lines) {
      if (!line.startsWith("data:")) continue;
      const data = line.slice(5).trim();
      if (data === "[DONE]") ended = true;
      else if (data) yield JSON.parse(data) as Chunk;
    }
  }
  if (!ended) throw new Error("the stream ended before [DONE]");
}

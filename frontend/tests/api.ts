/** A server for tests: answers by method and path, in order, and remembers what it was asked. */
import { vi } from "vitest";

export interface Asked {
  method: string;
  path: string;
  token: string | null;
  body: string;
}

type Answer = () => Response | Promise<Response>;

export function json(body: unknown, status = 200, headers: Record<string, string> = {}): Answer {
  return () =>
    new Response(JSON.stringify(body), {
      status,
      headers: { "content-type": "application/json", ...headers },
    });
}

export function refusal(
  status: number,
  code: string,
  more: Record<string, unknown> = {},
  headers: Record<string, string> = {},
): Answer {
  const body = { status, code, detail: `no: ${code}`, request_id: "r1", ...more };
  return () =>
    new Response(JSON.stringify(body), {
      status,
      headers: { "content-type": "application/problem+json", ...headers },
    });
}

export const nothing: Answer = () => new Response(null, { status: 204 });
export const away: Answer = () => Promise.reject(new TypeError("Failed to fetch"));

export class Server {
  readonly asked: Asked[] = [];
  private readonly answers = new Map<string, Answer[]>();

  constructor() {
    vi.stubGlobal("fetch", async (request: Request) => {
      const path = new URL(request.url).pathname.replace("/api/v1", "");
      this.asked.push({
        method: request.method,
        path,
        token: request.headers.get("authorization")?.replace("Bearer ", "") ?? null,
        body: await request.clone().text(),
      });
      const waiting = this.answers.get(`${request.method} ${path}`) ?? [];
      const answer = waiting.length > 1 ? waiting.shift() : waiting[0];
      if (!answer) throw new Error(`nobody told what ${request.method} ${path} answers`);
      return answer();
    });
  }

  /** The last answer holds for every further call. */
  on(call: string, ...answers: Answer[]): this {
    this.answers.set(call, answers);
    return this;
  }

  count(path: string): number {
    return this.asked.filter((call) => call.path === path).length;
  }
}

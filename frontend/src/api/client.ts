import createClient, { type Middleware } from "openapi-fetch";

import { ApiError } from "./errors";
import type { paths } from "./schema";

/** What the client asks of the session, which itself calls through the client. */
export interface ClientHooks {
  /** The access token to send, if there is one. */
  token(): string | null;
  /** A token was refused: get another. False: this call can't be made as anybody. */
  renew(refused: string | null): Promise<boolean>;
  /** The person must show once more who they are. False: they would not. */
  reauthenticate(): Promise<boolean>;
  /** Permissions have changed under us. */
  forbidden(): void;
}

let hooks: ClientHooks = {
  token: () => null,
  renew: () => Promise.resolve(false),
  reauthenticate: () => Promise.resolve(false),
  forbidden: () => undefined,
};

/** Connects the client with the session; done once at the start, and by tests. */
export function connect(real: ClientHooks): void {
  hooks = real;
}

/** A refusal of what was typed, not of the token. */
const NOT_THE_TOKEN = new Set(["wrong_credentials", "factor_required"]);
const MOST_ATTEMPTS = 4;

function isOpen(request: Request): boolean {
  return new URL(request.url).pathname.startsWith("/api/v1/auth/");
}

function authorize(request: Request): Request {
  const token = hooks.token();
  if (token !== null && !isOpen(request)) request.headers.set("authorization", `Bearer ${token}`);
  return request;
}

function bearer(request: Request): string | null {
  return request.headers.get("authorization")?.replace(/^Bearer /, "") ?? null;
}

/** What can be done about a refusal, if anything: true when the call is worth repeating. */
async function mend(error: ApiError, request: Request): Promise<boolean> {
  if (isOpen(request)) return false;
  if (error.status === 401 && !NOT_THE_TOKEN.has(error.code)) return hooks.renew(bearer(request));
  if (error.status !== 403) return false;
  if (error.code === "reauthentication_required") return hooks.reauthenticate();
  hooks.forbidden();
  return false;
}

function unreachable(error: unknown): Error {
  const name = error instanceof Error ? error.name : "";
  if (error instanceof ApiError || name === "AbortError") return error as Error;
  return new ApiError(0, "unreachable", { cause: error });
}

/**
 * Every call: carries the access token; a 401 gets a new one once and is repeated; a call that asks
 * for re-authentication waits for it and is repeated; every other refusal is thrown as an ApiError.
 */
export function middleware(): Middleware {
  const copies = new Map<string, Request>();
  return {
    onRequest({ id, request }) {
      authorize(request);
      copies.set(id, request.clone()); // a body can be read once
      return request;
    },
    async onResponse({ id, response }) {
      const copy = copies.get(id);
      copies.delete(id);
      let answer = response;
      let sent = copy;
      for (let attempt = 1; !answer.ok; attempt += 1) {
        const error = await ApiError.from(answer);
        if (!copy || !sent || attempt >= MOST_ATTEMPTS || !(await mend(error, sent))) throw error;
        sent = authorize(copy.clone());
        try {
          answer = await globalThis.fetch(sent.clone());
        } catch (failure) {
          throw unreachable(failure);
        }
        // A second 401 right after a new token is not about the token.
        if (error.status === 401 && answer.status === 401) throw await ApiError.from(answer);
      }
      return answer;
    },
    onError({ id, error }) {
      copies.delete(id);
      return unreachable(error);
    },
  };
}

/** The API, typed by its document. Rejects with an {@link ApiError} whenever it does not succeed. */
export const api = createClient<paths>({
  baseUrl: globalThis.location.origin,
  credentials: "same-origin",
  // Looked up at each call, so that tests may put another in its place.
  fetch: (request) => globalThis.fetch(request),
});
api.use(middleware());

/** The body of a call's answer. */
export async function take<T>(call: Promise<{ data?: T }>): Promise<T> {
  return (await call).data as T;
}

/** One value of a form that the server did not accept. */
export interface FieldError {
  /** Dotted path in the body, such as `limits.rpm`. */
  field: string;
  /** In English. */
  message: string;
  /** Stable kind, such as `string_too_short`. */
  code?: string;
  /** What the value is held to, by name. */
  bounds?: Record<string, string>;
}

/** The body of every refusal of the API (RFC 9457). */
export interface Problem {
  status: number;
  code: string;
  title?: string;
  detail?: string;
  request_id?: string;
  errors?: FieldError[];
  /** With `challenge_required`: what is to be solved. */
  challenge?: unknown;
}

/** What the client itself may find, beside the codes of the server. */
export type ClientCode = "unreachable" | "unreadable" | "session_ended";

/** A call that did not succeed: the server refused, failed, or was not reached (status 0). */
export class ApiError extends Error {
  readonly status: number;
  /** Stable code of the server, or one of {@link ClientCode}. */
  readonly code: string;
  /** The server's own sentence, in English; empty when there is none. */
  readonly detail: string;
  readonly requestId: string | null;
  readonly errors: readonly FieldError[];
  /** Seconds to wait, with 429 and 503, when the server says so. */
  readonly retryAfter: number | null;
  readonly problem: Problem | null;

  constructor(
    status: number,
    code: string,
    more: {
      detail?: string;
      requestId?: string | null;
      errors?: readonly FieldError[];
      retryAfter?: number | null;
      problem?: Problem;
      cause?: unknown;
    } = {},
  ) {
    super(more.detail ?? code, { cause: more.cause });
    this.name = "ApiError";
    this.status = status;
    this.code = code;
    this.detail = more.detail ?? "";
    this.requestId = more.requestId ?? null;
    this.errors = more.errors ?? [];
    this.retryAfter = more.retryAfter ?? null;
    this.problem = more.problem ?? null;
  }

  /** The refusal that an answer carries. A proxy in between may have answered without a problem. */
  static async from(response: Response): Promise<ApiError> {
    const problem = await readProblem(response);
    return new ApiError(response.status, problem?.code ?? `http_${response.status}`, {
      detail: problem?.detail ?? problem?.title ?? "",
      requestId: problem?.request_id ?? response.headers.get("x-request-id"),
      errors: problem?.errors ?? [],
      retryAfter: readRetryAfter(response.headers.get("retry-after")),
      ...(problem ? { problem } : {}),
    });
  }
}

async function readProblem(response: Response): Promise<Problem | null> {
  if (!/[/+]json\b/.test(response.headers.get("content-type") ?? "")) return null;
  try {
    const body = (await response.json()) as Problem | null;
    return typeof body?.code === "string" ? body : null;
  } catch {
    return null;
  }
}

/** Seconds, or an HTTP date (RFC 9110, 10.2.3). */
export function readRetryAfter(value: string | null, now = Date.now()): number | null {
  if (value === null || value.trim() === "") return null;
  const seconds = Number(value);
  if (Number.isFinite(seconds)) return Math.max(0, Math.ceil(seconds));
  const date = Date.parse(value);
  return Number.isNaN(date) ? null : Math.max(0, Math.ceil((date - now) / 1000));
}

/** Any thrown value as an ApiError, or null when it is something else. */
export function asApiError(error: unknown): ApiError | null {
  return error instanceof ApiError ? error : null;
}

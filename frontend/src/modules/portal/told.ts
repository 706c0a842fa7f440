import { Refusal } from "./gateway";

/** Something to say, as a key of the portal's texts; it is translated where it is shown. */
export interface Told {
  bad: boolean;
  key: string;
  slots?: Record<string, string | number>;
}

/** What went wrong with a call to the gateway. */
export function told(error: unknown): Told {
  if (!(error instanceof Refusal)) return { bad: true, key: "error.unreachable" };
  const { status, message, requestId } = error;
  const slots = { status, message, id: requestId ?? "–" };
  if (status === 401) return { bad: true, key: "error.token", slots };
  return { bad: true, key: status ? "error.refused" : "error.broken", slots };
}

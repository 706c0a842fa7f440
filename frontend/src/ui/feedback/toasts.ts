import { shallowReactive } from "vue";

export interface Toast {
  id: number;
  kind: "ok" | "bad";
  text: string;
  requestId: string | null;
}

const OK_MS = 4_000;
const BAD_MS = 12_000;
const MOST = 3;

export const toasts = shallowReactive<Toast[]>([]);
let next = 1;

/** Says something short at the edge of the page; it goes by itself. */
export function pushToast(toast: {
  kind: Toast["kind"];
  text: string;
  requestId?: string | null;
}): void {
  const same = toasts.findIndex((shown) => shown.text === toast.text);
  if (same >= 0) toasts.splice(same, 1);
  const id = next++;
  toasts.push({ id, kind: toast.kind, text: toast.text, requestId: toast.requestId ?? null });
  if (toasts.length > MOST) toasts.shift();
  setTimeout(() => dropToast(id), toast.kind === "ok" ? OK_MS : BAD_MS);
}

export function dropToast(id: number): void {
  const index = toasts.findIndex((toast) => toast.id === id);
  if (index >= 0) toasts.splice(index, 1);
}

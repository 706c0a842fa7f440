import { onActivated, onBeforeUnmount, onDeactivated, ref, shallowRef } from "vue";

import { api } from "@/api/client";
import { asApiError } from "@/api/errors";

import type { Log } from "../types";
import { eventReader, type ServerEvent } from "./events";

/** Rows that are kept: older ones are in the list. The page stays as light as at the start. */
export const KEPT = 200;
const FIRST_WAIT_MS = 1_000;
const LONGEST_WAIT_MS = 30_000;

/**
 * - `off`: the list shows.
 * - `opening`: the stream is not there yet, or again not.
 * - `live`: calls show as they end.
 * - `paused`: the reader holds it; nothing is asked for.
 */
export type LiveState = "off" | "opening" | "live" | "paused";

/** Opens the stream; for tests another may be given. */
export type Open = (
  query: Record<string, string | number>,
  signal: AbortSignal,
) => Promise<ReadableStream<Uint8Array>>;

async function openTail(query: Record<string, string | number>, signal: AbortSignal) {
  const { data } = await api.GET("/api/v1/gateway/logs/tail", {
    params: { query: query as never },
    parseAs: "stream",
    signal,
  });
  return data as ReadableStream<Uint8Array>;
}

/** Asked anew each time: TypeScript takes it for settled after the first look. */
function isOver(signal: AbortSignal): boolean {
  return signal.aborted;
}

function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, ms);
    signal.addEventListener(
      "abort",
      () => {
        clearTimeout(timer);
        resolve();
      },
      { once: true },
    );
  });
}

/** Newest first, and no more than are kept. */
export function prepend(rows: readonly Log[], more: readonly Log[], most = KEPT): Log[] {
  const known = new Set(rows.slice(0, more.length + KEPT).map((row) => row.id));
  const fresh = more.filter((row) => !known.has(row.id)).reverse();
  return [...fresh, ...rows].slice(0, most);
}

/** Logs as they come in, as long as somebody looks. */
export function useLive(narrow: () => Record<string, string>, open: Open = openTail) {
  const state = ref<LiveState>("off");
  const rows = shallowRef<Log[]>([]);
  const error = shallowRef<unknown>(null);
  /** There were more than could be shown. */
  const skipped = ref(false);
  let controller: AbortController | null = null;
  let last: number | null = null;

  function take(events: readonly ServerEvent[]): void {
    const logs: Log[] = [];
    for (const { event, data, id } of events) {
      if (event === "log") {
        logs.push(JSON.parse(data) as Log);
        last = Math.max(last ?? 0, Number(id));
      } else if (event === "skipped") skipped.value = true;
    }
    if (logs.length > 0) rows.value = prepend(rows.value, logs);
  }

  async function readOnce(signal: AbortSignal): Promise<void> {
    const query = { ...narrow(), ...(last === null ? {} : { after: last }) };
    const stream = await open(query, signal);
    if (isOver(signal)) return;
    state.value = "live";
    error.value = null;
    const reader = stream.pipeThrough(new TextDecoderStream() as never).getReader();
    const events = eventReader();
    try {
      for (;;) {
        const { done, value } = (await reader.read()) as { done: boolean; value?: string };
        if (done || isOver(signal)) return;
        take(events(value ?? ""));
      }
    } finally {
      reader.cancel().catch(() => undefined); // it is over in any case
    }
  }

  async function run(signal: AbortSignal): Promise<void> {
    let wait = FIRST_WAIT_MS;
    while (!isOver(signal)) {
      state.value = "opening";
      try {
        await readOnce(signal);
        wait = FIRST_WAIT_MS;
      } catch (failure) {
        if (isOver(signal)) return;
        const refusal = asApiError(failure);
        error.value = failure;
        // A refusal stays one; what was not reached or is full is asked for again.
        if (refusal && refusal.status >= 400 && refusal.status < 500) {
          state.value = "paused";
          return;
        }
        wait = Math.min(LONGEST_WAIT_MS, Math.max(wait * 2, (refusal?.retryAfter ?? 0) * 1000));
      }
      await pause(wait, signal);
    }
  }

  function start(): void {
    controller?.abort();
    controller = new AbortController();
    void run(controller.signal);
  }

  function hold(next: "off" | "paused"): void {
    controller?.abort();
    controller = null;
    state.value = next;
  }

  function begin(): void {
    rows.value = [];
    last = null;
    skipped.value = false;
    error.value = null;
    start();
  }

  // Nobody looks: nothing is asked for. What came meanwhile is caught up with.
  function look(visible: boolean): void {
    if (state.value === "off" || state.value === "paused") return;
    if (visible) start();
    else {
      controller?.abort();
      controller = null;
    }
  }
  const onVisibility = () => look(!document.hidden);
  document.addEventListener("visibilitychange", onVisibility);
  onActivated(() => look(true));
  onDeactivated(() => look(false));
  onBeforeUnmount(() => {
    document.removeEventListener("visibilitychange", onVisibility);
    hold("off");
  });

  return {
    state,
    rows,
    error,
    skipped,
    begin,
    pause: () => hold("paused"),
    resume: start,
    end: () => hold("off"),
  };
}

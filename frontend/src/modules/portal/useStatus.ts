import { onBeforeUnmount, onMounted, ref } from "vue";

const OK_MS = 30_000;
const BAD_MS = 3_000;
const PATIENCE_MS = 10_000;

export interface GatewayStatus {
  kind: "asking" | "ok" | "draining" | "bad";
  key: string;
  slots: Record<string, string>;
}

/** Asks the gateway whether it is ready, again and again while the page is looked at. */
export function useStatus() {
  const status = ref<GatewayStatus>({ kind: "asking", key: "asking", slots: {} });
  let timer: ReturnType<typeof setTimeout> | undefined;

  async function ask(): Promise<void> {
    clearTimeout(timer);
    try {
      const options = { cache: "no-store", signal: AbortSignal.timeout(PATIENCE_MS) } as const;
      const response = await globalThis.fetch("/readyz", options);
      const answer = (await response.json()) as { status: string; parts?: Record<string, string> };
      if (answer.status === "ok") status.value = { kind: "ok", key: "ready", slots: {} };
      else if (answer.status === "draining") {
        status.value = { kind: "draining", key: "draining", slots: {} };
      } else {
        const failing = Object.entries(answer.parts ?? {}).filter(([, why]) => why !== "ok");
        const parts = failing.map(([name, why]) => `${name}: ${why}`).join("; ");
        status.value = { kind: "bad", key: "unavailable", slots: { parts } };
      }
    } catch {
      status.value = { kind: "bad", key: "unreachable", slots: {} };
    }
    const wait = status.value.kind === "ok" ? OK_MS : BAD_MS;
    if (!document.hidden) timer = setTimeout(() => void ask(), wait);
  }

  function again(): void {
    if (!document.hidden) void ask();
  }

  onMounted(() => {
    void ask();
    document.addEventListener("visibilitychange", again);
  });
  onBeforeUnmount(() => {
    clearTimeout(timer);
    document.removeEventListener("visibilitychange", again);
  });
  return status;
}

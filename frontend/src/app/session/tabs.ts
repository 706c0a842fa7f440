import type { SessionGrant } from "@/api/contract";

/** What tabs of one browser tell each other about the session they share. */
export type TabMessage = { kind: "grant"; grant: SessionGrant } | { kind: "signed_out" };

/** A way to the other tabs; silent where the browser has none. */
export interface Tabs {
  tell(message: TabMessage): void;
  listen(listener: (message: TabMessage) => void): void;
  /** Runs `work` while no other tab does. */
  alone<T>(work: () => Promise<T>): Promise<T>;
}

const NAME = "paifang.session";

export function openTabs(): Tabs {
  const channel = "BroadcastChannel" in globalThis ? new BroadcastChannel(NAME) : null;
  return {
    tell: (message) => channel?.postMessage(message),
    listen(listener) {
      channel?.addEventListener("message", (event: MessageEvent<TabMessage>) =>
        listener(event.data),
      );
    },
    async alone(work) {
      // Plain HTTP away from localhost has no locks. The server tolerates two refreshes at once.
      const locks = (globalThis.navigator as Partial<Navigator>).locks;
      if (!locks) return work();
      return await locks.request(NAME, work);
    },
  };
}

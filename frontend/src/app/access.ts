import { defineStore } from "pinia";
import { computed, ref, type Directive, type Ref } from "vue";

import { api, take } from "@/api/client";

import { useSession } from "./session/store";

/** After a 403 permissions are asked for again; after several of them once. */
const AGAIN_MS = 3_000;

/** What the signed-in person may do. */
export const useAccess = defineStore("access", () => {
  const permissions = ref<ReadonlySet<string>>(new Set());
  const administrator = ref(false);
  const loaded = ref(false);
  /** Counts up whenever what the person may do has become something else. */
  const changes = ref(0);
  let loading: Promise<void> | null = null;
  let askedAt = -Infinity;
  let later: ReturnType<typeof setTimeout> | undefined;

  async function request(): Promise<void> {
    askedAt = Date.now();
    const me = await take(api.GET("/api/v1/access/me"));
    const same =
      me.administrator === administrator.value &&
      me.permissions.length === permissions.value.size &&
      me.permissions.every((name) => permissions.value.has(name));
    if (loaded.value && same) return;
    permissions.value = new Set(me.permissions);
    administrator.value = me.administrator;
    if (loaded.value) changes.value += 1;
    loaded.value = true;
  }

  function load(): Promise<void> {
    loading ??= request().finally(() => (loading = null));
    return loading;
  }

  /** Loads once; later calls wait for the first. */
  async function ensure(): Promise<void> {
    if (!loaded.value && useSession().isSignedIn) await load();
  }

  /** Something was forbidden: permissions may have changed under us. */
  function refetch(): void {
    if (!loaded.value || later !== undefined) return;
    const wait = askedAt + AGAIN_MS - Date.now();
    if (wait <= 0) quietly();
    else later = setTimeout(quietly, wait);
  }

  function quietly(): void {
    later = undefined;
    load().catch(() => undefined); // the call that was forbidden is what is reported
  }

  function reset(): void {
    permissions.value = new Set();
    administrator.value = false;
    loaded.value = false;
    clearTimeout(later);
    later = undefined;
  }

  /** Whether all of these permissions are held; none needed: yes. */
  function may(wanted?: string | readonly string[]): boolean {
    const needed = typeof wanted === "string" ? [wanted] : (wanted ?? []);
    return administrator.value || needed.every((name) => permissions.value.has(name));
  }

  return { permissions, administrator, loaded, changes, ensure, load, refetch, reset, may };
});

/** A permission as a ref: `const mayEdit = useMay("gateway.tokens:write")`. */
export function useMay(wanted?: string | readonly string[]): Ref<boolean> {
  const access = useAccess();
  return computed(() => access.may(wanted));
}

/** `v-can="'gateway.tokens:write'"`: hides an element from those who may not use it. */
export const vCan: Directive<HTMLElement, string | readonly string[] | undefined> = {
  beforeMount: (element, { value }) => apply(element, value),
  updated: (element, { value }) => apply(element, value),
};

function apply(element: HTMLElement, wanted: string | readonly string[] | undefined): void {
  element.hidden = !useAccess().may(wanted);
}

import { defineStore } from "pinia";
import { computed, readonly, ref, shallowRef, toRaw } from "vue";

import { api, take } from "@/api/client";
import type { SessionGrant, User } from "@/api/contract";
import { ApiError, asApiError } from "@/api/errors";
import { canRemember, recall, remember } from "@/app/storage";

import { openTabs, type Tabs } from "./tabs";

/**
 * - `unknown`: nobody has asked the server yet.
 * - `anonymous`: nobody is signed in.
 * - `active`: somebody is.
 * - `ended`: somebody was, and is asked to sign in again above the page.
 */
export type SessionStatus = "unknown" | "anonymous" | "active" | "ended";

type Outcome = "renewed" | "refused" | "unreachable";

const HINT = "signed_in";
/** A token is renewed this long before it expires, or after four fifths of a short life. */
const EARLY_MS = 60_000;
const RETRY_MS = 15_000;
const WAITED_MS = 10;
const HEAR_MS = 50;

function pause(delay: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, delay));
}

/** Puts another way to the other tabs in place; for tests. */
export const surroundings: { openTabs: () => Tabs } = { openTabs };

export const useSession = defineStore("session", () => {
  const tabs = surroundings.openTabs();
  const status = ref<SessionStatus>("unknown");
  const user = shallowRef<User | null>(null);
  const isSignedIn = computed(() => status.value === "active" || status.value === "ended");

  // In memory alone, and outside of the store's state: nothing lists or stores it.
  let token: string | null = null;
  let expiresAt = 0;
  let received = 0;
  let timer: ReturnType<typeof setTimeout> | undefined;
  let running: Promise<Outcome> | null = null;
  let starting: Promise<void> | null = null;
  let answer: ((signedIn: boolean) => void) | null = null;
  let answered: Promise<boolean> | null = null;

  function takeOver(grant: SessionGrant): void {
    if (user.value && user.value.id !== grant.user.id) {
      // Somebody else signed in: nothing on this page is theirs.
      globalThis.location.reload();
      return;
    }
    token = grant.access_token;
    const life = grant.expires_in * 1000;
    expiresAt = Date.now() + life;
    received += 1;
    user.value = grant.user;
    status.value = "active";
    remember(HINT, "1");
    schedule(Math.max(life * 0.8, life - EARLY_MS));
    settle(true);
  }

  function schedule(delay: number): void {
    clearTimeout(timer);
    timer = setTimeout(() => void refreshQuietly(), delay);
  }

  async function refreshQuietly(): Promise<void> {
    if (status.value !== "active") return;
    const outcome = await refresh();
    // Not reached: the token may still be good, and a call will tell when it is not.
    if (outcome === "unreachable") schedule(RETRY_MS);
    else if (outcome === "refused") end();
  }

  /** Asks for a new access token: once at a time in this tab, and once among all tabs. */
  function refresh(): Promise<Outcome> {
    const before = received;
    const asked = performance.now();
    running ??= tabs
      .alone(async () => {
        // Who had to wait for another tab hears what it got, a moment later perhaps.
        if (received === before && performance.now() - asked > WAITED_MS) await pause(HEAR_MS);
        return received === before ? request() : ("renewed" as const);
      })
      .finally(() => (running = null));
    return running;
  }

  async function request(): Promise<Outcome> {
    try {
      accept(await take(api.POST("/api/v1/auth/refresh")));
      return "renewed";
    } catch (error) {
      const refusal = asApiError(error);
      return refusal?.status === 401 || refusal?.status === 403 ? "refused" : "unreachable";
    }
  }

  /** Takes what signing in has answered, and tells the other tabs. */
  function accept(given: SessionGrant): void {
    // What is sent to other tabs must be plain: a proxy of Vue's can't be.
    const { access_token, expires_in, user: who } = given;
    const grant = { access_token, expires_in, user: { ...toRaw(who) } };
    takeOver(grant);
    tabs.tell({ kind: "grant", grant });
  }

  /** Finds out, once, whether somebody is signed in. `thoroughly` asks even without a hint. */
  function start(thoroughly = false): Promise<void> {
    if (status.value === "active" || status.value === "ended") return Promise.resolve();
    const hinted = recall(HINT) !== null || !canRemember();
    if (!hinted && !thoroughly) {
      if (status.value === "unknown") status.value = "anonymous";
      return Promise.resolve();
    }
    starting ??= refresh()
      .then((outcome) => {
        if (outcome === "renewed") return;
        if (outcome === "refused") remember(HINT, null);
        if (status.value === "unknown") status.value = "anonymous";
      })
      .finally(() => (starting = null));
    return starting;
  }

  function end(): void {
    token = null;
    clearTimeout(timer);
    status.value = "ended";
  }

  function settle(signedIn: boolean): void {
    answer?.(signedIn);
    answer = null;
    answered = null;
  }

  /** A call was refused with `refused`: another token, if need be by asking the person. */
  async function renew(refused: string | null): Promise<boolean> {
    if (token !== null && token !== refused) return true;
    if (status.value === "active") {
      const outcome = await refresh();
      if (outcome === "renewed") return true;
      if (outcome === "unreachable") throw new ApiError(0, "unreachable");
      end();
    }
    if (status.value !== "ended") return false;
    answered ??= new Promise((resolve) => (answer = resolve));
    return answered;
  }

  function forget(): void {
    token = null;
    user.value = null;
    clearTimeout(timer);
    remember(HINT, null);
    status.value = "anonymous";
    settle(false);
  }

  /** The session is over for good, here and in the other tabs. */
  function leave(): void {
    forget();
    tabs.tell({ kind: "signed_out" });
  }

  /** Ends the session here, in the other tabs and at the server. */
  async function signOut(): Promise<void> {
    try {
      await api.POST("/api/v1/auth/sign-out");
    } finally {
      leave();
    }
  }

  /** The person's own data changed. */
  function rename(changed: User): void {
    user.value = changed;
  }

  tabs.listen((message) => {
    if (message.kind === "signed_out") {
      if (isSignedIn.value) forget();
    } else if (message.grant.access_token !== token) {
      takeOver(message.grant);
    }
  });

  // A machine that slept has missed its timer.
  globalThis.document.addEventListener("visibilitychange", () => {
    const late = Date.now() > expiresAt - EARLY_MS / 2;
    if (!globalThis.document.hidden && status.value === "active" && late) void refreshQuietly();
  });

  return {
    status: readonly(status),
    user,
    isSignedIn,
    token: () => token,
    start,
    accept,
    renew,
    refresh,
    rename,
    signOut,
    forget,
    leave,
  };
});

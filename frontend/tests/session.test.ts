import { createPinia, setActivePinia } from "pinia";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { reactive } from "vue";

import { api, connect, take } from "@/api/client";
import type { SessionGrant } from "@/api/contract";
import { surroundings, useSession } from "@/app/session/store";
import type { TabMessage, Tabs } from "@/app/session/tabs";

import { away, json, nothing, refusal, Server } from "./api";

const USER = {
  id: "u1",
  email: "mei@example.org",
  display_name: "Mei",
  locale: "en",
  avatar: null,
};
let numbers = 0;

function grant(token = `t${(numbers += 1)}`, user = USER): SessionGrant {
  return { access_token: token, expires_in: 600, user };
}

/** Tabs of one browser: they hear each other, and only one at a time does something alone. */
class Browser {
  private readonly listeners: { tab: object; listener: (message: TabMessage) => void }[] = [];
  private last: Promise<unknown> = Promise.resolve();

  open = (): Tabs => {
    const tab = {};
    return {
      tell: (message) => {
        for (const each of this.listeners) if (each.tab !== tab) each.listener(message);
      },
      listen: (listener) => this.listeners.push({ tab, listener }),
      alone: <T>(work: () => Promise<T>) => {
        const next = this.last.then(work, work);
        this.last = next.catch(() => undefined);
        return next;
      },
    };
  };
}

let browser: Browser;
let server: Server;
const reload = vi.fn();

/** A session store as a tab of its own has it. */
function tab() {
  setActivePinia(createPinia());
  return useSession();
}

function wire(session: ReturnType<typeof useSession>): void {
  connect({
    token: () => session.token(),
    renew: (refused) => session.renew(refused),
    reauthenticate: () => Promise.resolve(false),
    forbidden: () => undefined,
  });
}

beforeEach(() => {
  vi.useFakeTimers();
  browser = new Browser();
  surroundings.openTabs = browser.open;
  server = new Server();
  reload.mockClear();
  vi.spyOn(globalThis.location, "reload").mockImplementation(reload);
});
afterEach(() => vi.useRealTimers());

describe("at the start", () => {
  test("a stranger asks the server nothing", async () => {
    const session = tab();
    await session.start();
    expect(session.status).toBe("anonymous");
    expect(server.asked).toEqual([]);
  });

  test("a page that needs somebody asks even without a hint", async () => {
    server.on("POST /auth/refresh", json(grant("t")));
    const session = tab();
    await session.start();
    await session.start(true);
    expect(session.status).toBe("active");
  });

  test("who was here comes back by the cookie, asked for once", async () => {
    localStorage.setItem("paifang.signed_in", "1");
    server.on("POST /auth/refresh", json(grant("t")));
    const session = tab();
    await Promise.all([session.start(), session.start(true)]);
    expect([session.status, session.user?.id, session.token()]).toEqual(["active", "u1", "t"]);
    expect(server.count("/auth/refresh")).toBe(1);
  });

  test("a cookie that is over forgets the hint; a server that is away does not", async () => {
    localStorage.setItem("paifang.signed_in", "1");
    server.on("POST /auth/refresh", away);
    await tab().start();
    expect(localStorage.getItem("paifang.signed_in")).toBe("1");
    server.on("POST /auth/refresh", refusal(401, "session_ended"));
    const session = tab();
    await session.start();
    expect(session.status).toBe("anonymous");
    expect(localStorage.getItem("paifang.signed_in")).toBeNull();
  });
});

describe("the access token", () => {
  test("is in memory alone", () => {
    const session = tab();
    session.accept(grant("secret-token"));
    expect(JSON.stringify([localStorage, session.$state])).not.toContain("secret-token");
  });

  test("is renewed before it expires", async () => {
    server.on("POST /auth/refresh", json(grant("second")));
    const session = tab();
    session.accept(grant("first"));
    await vi.advanceTimersByTimeAsync(530_000);
    expect(session.token()).toBe("first");
    await vi.advanceTimersByTimeAsync(20_000);
    expect(session.token()).toBe("second");
  });

  test("is renewed once for many calls that are refused at the same time", async () => {
    server.on("POST /auth/refresh", json(grant("second")));
    const session = tab();
    session.accept(grant("first"));
    const answers = await Promise.all(Array.from({ length: 50 }, () => session.renew("first")));
    expect(answers.every(Boolean)).toBe(true);
    expect(server.count("/auth/refresh")).toBe(1);
    expect(await session.renew("first")).toBe(true); // late, and there is a newer one
    expect(server.count("/auth/refresh")).toBe(1);
  });

  test("is renewed once for all tabs", async () => {
    server.on("POST /auth/refresh", json(grant("second")));
    const tabs = [tab(), tab(), tab()];
    tabs[0]?.accept(grant("first"));
    expect(tabs.map((each) => each.token())).toEqual(["first", "first", "first"]);
    await Promise.all(tabs.map((each) => each.renew("first")));
    expect(server.count("/auth/refresh")).toBe(1);
    expect(tabs.map((each) => each.token())).toEqual(["second", "second", "second"]);
  });

  test("that can't be renewed because the server is away is tried again, and nobody is sent off", async () => {
    server.on("POST /auth/refresh", away, away, json(grant("second")));
    const session = tab();
    session.accept(grant("first"));
    await vi.advanceTimersByTimeAsync(545_000);
    expect(session.status).toBe("active");
    await vi.advanceTimersByTimeAsync(60_000);
    expect(session.token()).toBe("second");
  });
});

describe("when the session ends in the middle of something", () => {
  test("the call waits until the same person has signed in, and is repeated", async () => {
    server
      .on("POST /auth/refresh", refusal(401, "session_ended"))
      .on("PATCH /account", refusal(401, "session_ended"), json({ display_name: "typed" }));
    const session = tab();
    wire(session);
    session.accept(grant("first"));
    const call = take(api.PATCH("/api/v1/account", { body: { display_name: "typed" } }));
    await vi.waitFor(() => expect(session.status).toBe("ended"));
    expect(session.user?.email).toBe("mei@example.org");
    session.accept(grant("third"));
    expect(await call).toEqual({ display_name: "typed" });
    expect(server.asked.at(-1)).toMatchObject({ token: "third", body: '{"display_name":"typed"}' });
  });

  test("the call fails when the person leaves instead", async () => {
    server
      .on("POST /auth/refresh", refusal(401, "session_ended"))
      .on("GET /account", refusal(401, "session_ended"));
    const session = tab();
    wire(session);
    session.accept(grant("first"));
    const call = expect(api.GET("/api/v1/account")).rejects.toMatchObject({ status: 401 });
    await vi.waitFor(() => expect(session.status).toBe("ended"));
    session.forget();
    await call;
    expect(session.status).toBe("anonymous");
  });
});

describe("among tabs", () => {
  test("signing out of one signs out of all", async () => {
    server.on("POST /auth/sign-out", nothing);
    const [one, two] = [tab(), tab()];
    one.accept(grant("first"));
    expect(two.status).toBe("active");
    await one.signOut();
    expect([one.status, two.status, two.user, two.token()]).toEqual([
      "anonymous",
      "anonymous",
      null,
      null,
    ]);
  });

  test("signing out holds even when the server does not answer", async () => {
    server.on("POST /auth/sign-out", away);
    const session = tab();
    session.accept(grant("first"));
    await expect(session.signOut()).rejects.toMatchObject({ code: "unreachable" });
    expect(session.status).toBe("anonymous");
  });

  test("somebody else signing in loads the page of the first one anew", () => {
    const [one, two] = [tab(), tab()];
    one.accept(grant("first"));
    two.forget();
    two.accept(grant("other", { ...USER, id: "u2" }));
    expect(reload).toHaveBeenCalled();
    expect(one.token()).toBe("first");
  });

  test("signing in again in one tab wakes the others", async () => {
    server.on("POST /auth/refresh", refusal(401, "session_ended"));
    const [one, two] = [tab(), tab()];
    one.accept(grant("first"));
    const waiting = two.renew("first");
    await vi.waitFor(() => expect(two.status).toBe("ended"));
    one.accept(grant("again"));
    expect(await waiting).toBe(true);
    expect(two.token()).toBe("again");
  });
});

test("what other tabs are told can be sent, however it was kept", () => {
  const told: TabMessage[] = [];
  surroundings.openTabs = () => ({
    tell: (message) => told.push(structuredClone(message)),
    listen: () => undefined,
    alone: (work) => work(),
  });
  tab().accept(reactive(grant("kept")));
  expect(told).toEqual([{ kind: "grant", grant: grant("kept") }]);
});

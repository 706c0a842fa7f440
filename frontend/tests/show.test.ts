import { flushPromises, mount } from "@vue/test-utils";
import { beforeEach, expect, test, vi } from "vitest";
import type { RouteLocationNormalized } from "vue-router";

import { ApiError } from "@/api/errors";
import { connect } from "@/api/client";
import { useAccess } from "@/app/access";
import places from "@/app/places.json";
import { useSession } from "@/app/session/store";
import { useTabs } from "@/app/tabs";
import { i18n, switchLanguage } from "@/i18n";
import { MODULES } from "@/modules";
import { clamp, wholeCrop, zoomed } from "@/modules/account/crop";
import Input from "@/ui/base/Input.vue";
import { explain, explainField } from "@/ui/feedback/explain";
import CopyOnce from "@/ui/show/CopyOnce.vue";
import { money, number, relative } from "@/ui/show/format";

import { json, refusal, Server } from "./api";

beforeEach(() => switchLanguage("en"));

test("times are relative, in the reader's language", async () => {
  const now = Date.parse("2026-11-30T12:00:00Z");
  expect(relative("2026-11-30T11:57:00Z", now)).toBe("3 minutes ago");
  expect(relative("2026-11-29T11:00:00Z", now)).toBe("yesterday");
  await switchLanguage("zh-TW");
  expect(relative("2026-11-30T11:57:00Z", now)).toBe("3 分鐘前");
});

test("amounts are exact to a billionth, and thousands are grouped", () => {
  expect(money("0.000000001", "USD")).toBe("$0.000000001");
  expect(money("12345.6", "USD")).toBe("$12,345.60");
  expect(money("9007199254740993.123456789", "USD")).toBe("$9,007,199,254,740,993.123456789");
  expect(money("1.5", null)).toBe("1.50");
  expect(number(1234567)).toBe("1,234,567");
});

test("a failure is told in our words, else in the server's, and by its status at last", () => {
  expect(explain(new ApiError(403, "forbidden")).text).toBe("You are not permitted to do this.");
  expect(explain(new ApiError(409, "odd", { detail: "Odd." })).text).toBe("Odd.");
  expect(explain(new ApiError(418, "http_418")).text).toContain("418");
  expect(explain(new ApiError(429, "x", { retryAfter: 30 })).text).toContain("30");
  expect(explain(new ApiError(500, "x", { requestId: "r" })).requestId).toBe("r");
  expect(explain(new Error("boom")).text).toContain("went wrong");
});

test("a value's error is told in the reader's words where its kind is known", () => {
  const wrong = { field: "name", message: "String should have at most 64 characters" };
  const known = { ...wrong, code: "string_too_long", bounds: { max_length: "64" } };
  expect(explainField(known)).toBe("Use at most 64 characters.");
  expect(explainField({ ...wrong, code: "odd_kind" })).toBe(wrong.message);
  expect(explainField(wrong)).toBe(wrong.message);
});

test("a crop stays inside of its picture", () => {
  const size = { width: 400, height: 200 };
  expect(wholeCrop(size)).toEqual({ x: 200, y: 100, side: 200 });
  expect(clamp({ x: -50, y: 500, side: 100 }, size)).toEqual({ x: 50, y: 150, side: 100 });
  expect(zoomed({ x: 390, y: 100, side: 50 }, size, 2)).toEqual({ x: 350, y: 100, side: 100 });
});

test("permissions are asked for again after something was forbidden, not with every refusal", async () => {
  vi.useFakeTimers();
  const server = new Server();
  const session = useSession();
  const access = useAccess();
  connect({
    token: () => session.token(),
    renew: () => Promise.resolve(false),
    reauthenticate: () => Promise.resolve(false),
    forbidden: () => access.refetch(),
  });
  const me = (permissions: string[]) => json({ permissions, scopes: {}, administrator: false });
  server.on("GET /access/me", me(["a:read", "a:write"]), me(["a:read"]));
  await access.load();
  expect([access.may("a:write"), access.may(["a:read", "b:read"]), access.may()]).toEqual([
    true,
    false,
    true,
  ]);
  access.refetch();
  expect(server.count("/access/me")).toBe(1);
  vi.advanceTimersByTime(5_000);
  access.refetch();
  await flushPromises();
  expect(access.may("a:write")).toBe(false);
  server.on("GET /access/me", refusal(500, "internal"));
  vi.advanceTimersByTime(5_000);
  access.refetch(); // fails in silence: the call that was forbidden is what is told
  await flushPromises();
  expect(access.may("a:read")).toBe(true);
  vi.useRealTimers();
});

test("tabs outlive the page, and a closed one opens anew", () => {
  const visit = (path: string) =>
    ({
      path,
      fullPath: `${path}?page=2`,
      meta: { title: "t", texts: ["x"] },
    }) as unknown as RouteLocationNormalized;
  const tabs = useTabs();
  tabs.visit(visit("/console/a"));
  tabs.visit(visit("/console/b"));
  tabs.togglePin("/console/b");
  expect(tabs.tabs.map((tab) => tab.path)).toEqual(["/console/b", "/console/a"]);
  const key = tabs.keyOf("/console/a");
  expect(tabs.close("/console/a")).toBe("/console/b?page=2");
  tabs.visit(visit("/console/a"));
  expect(tabs.keyOf("/console/a")).not.toBe(key);
  tabs.closeOthers("/console/a");
  expect(tabs.tabs).toHaveLength(2); // the pinned one stays
});

test("what is typed as a password can be shown", async () => {
  const wrapper = mount(Input, { props: { type: "password" }, global: { plugins: [i18n] } });
  expect(wrapper.find("input").attributes("type")).toBe("password");
  await wrapper.find("button").trigger("click");
  expect(wrapper.find("input").attributes("type")).toBe("text");
});

test("a secret that is shown once is put away when the person says that it is kept", async () => {
  const wrapper = mount(CopyOnce, {
    props: { secret: "pf_live_x", file: "x.txt" },
    global: { plugins: [i18n] },
  });
  expect(wrapper.text()).toContain("pf_live_x");
  await wrapper.find(".done").trigger("click");
  expect(wrapper.emitted("close")).toHaveLength(1);
});

test("the server knows the first part of every page's address, and no others", () => {
  const known = MODULES.flatMap((module) => module.routes.map((route) => route.path.split("/")[1]));
  expect([...new Set([...known, "forbidden"])].sort()).toEqual([...places].sort());
});

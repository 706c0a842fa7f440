/** Secrets of links: they are in no address that is logged, and they are not lost on the way. */
import { VueQueryPlugin } from "@tanstack/vue-query";
import { flushPromises, mount } from "@vue/test-utils";
import { beforeEach, expect, test, vi } from "vitest";
import { createMemoryHistory, createRouter } from "vue-router";

import { connect } from "@/api/client";
import { dropFragment, keepFragment, takeFragment } from "@/app/fragments";
import { makeQueryClient } from "@/app/query";
import { makeRouter } from "@/app/router";
import { useSession } from "@/app/session/store";
import { i18n, needTexts, switchLanguage } from "@/i18n";
import Arrival from "@/modules/sign/Arrival.vue";
import { carriedInvitation, carryInvitation } from "@/modules/sign/invitation";
import SignUp from "@/modules/sign/SignUp.vue";
import ReauthDialog from "@/ui/sign/ReauthDialog.vue";
import { askWhoItIs, waiting } from "@/ui/sign/reauth";

import { json, nothing, refusal, Server } from "./api";

const USER = { id: "u1", email: "a@example.org", display_name: "A", locale: "en", avatar: null };
const GRANT = { access_token: "t", expires_in: 600, user: USER };
const ME = { permissions: ["gateway.groups:read"], scopes: {}, administrator: false };
let server: Server;

beforeEach(async () => {
  sessionStorage.clear();
  await switchLanguage("en");
  await needTexts("sign");
  server = new Server().on("POST /auth/refresh", refusal(401, "session_ended"));
  connect({
    token: () => useSession().token(),
    renew: () => Promise.resolve(false),
    reauthenticate: () => Promise.resolve(false),
    forbidden: () => undefined,
  });
});

test("the secret of a link is in no address while its reader signs in, and is there afterwards", async () => {
  server.on("GET /access/me", json(ME));
  const router = makeRouter(createMemoryHistory());
  await router.push("/join?from=mail#token=a-secret");
  expect(router.currentRoute.value.fullPath).toBe("/sign-in?next=/join?from=mail");
  useSession().accept(GRANT);
  await router.push("/join?from=mail");
  expect(router.currentRoute.value.fullPath).toBe("/join?from=mail#token=a-secret");
  await router.push("/");
  await router.push("/join");
  expect(router.currentRoute.value.hash).toBe("");
});

test("who may not see a page has its secret in no address either", async () => {
  server.on("GET /access/me", json({ ...ME, permissions: [] }));
  useSession().accept(GRANT);
  const router = makeRouter(createMemoryHistory());
  await router.push("/join#token=a-secret");
  expect(router.currentRoute.value.fullPath).toBe("/forbidden?at=/join");
});

test("a fragment is kept for its own path, once, and the last one counts", () => {
  keepFragment("/join", "#token=one");
  expect(takeFragment("/teams")).toBe("");
  expect(takeFragment("/join")).toBe("#token=one");
  expect(takeFragment("/join")).toBe("");
  keepFragment("/join", "#token=one");
  keepFragment("/console", "");
  expect(takeFragment("/join")).toBe("");
  keepFragment("/join", "#token=one#two");
  expect(takeFragment("/join")).toBe("#token=one#two");
  keepFragment("/join", "#token=one");
  dropFragment();
  expect(takeFragment("/join")).toBe("");
  keepFragment("/join", "#token=one");
  const later = vi.spyOn(Date, "now").mockReturnValue(Date.now() + 31 * 60_000);
  expect(takeFragment("/join"), "an old one").toBe("");
  later.mockRestore();
});

async function comeBack(...answers: Parameters<Server["on"]>[1][]) {
  server.on("POST /auth/oidc/finish", ...answers);
  const router = createRouter({
    history: createMemoryHistory(),
    routes: [{ path: "/:rest(.*)*", component: { render: () => null } }],
  });
  await router.push("/sign-in/oidc#sign_in");
  const plugins = [router, i18n, [VueQueryPlugin, { queryClient: makeQueryClient() }] as never];
  const page = mount(Arrival, { global: { plugins } });
  await flushPromises();
  const { body } = server.asked.find(({ path }) => path === "/auth/oidc/finish") ?? { body: "{}" };
  return { page, router, sent: JSON.parse(body) as Record<string, unknown> };
}

test("an invitation goes along to another service and back, and is used once", async () => {
  carryInvitation("an-invitation");
  const { sent, router } = await comeBack(
    json({ signed_in: GRANT, factor: null, next: "/account" }),
  );
  expect(sent).toEqual({ locale: "en", invitation: "an-invitation" });
  expect(router.currentRoute.value.path).toBe("/account");
  expect(carriedInvitation()).toEqual({});
});

test("who makes an account by another service leaves with the invitation of their link", async () => {
  const policy = {
    registration: "invitation",
    mail: true,
    insecure: false,
    passkeys: false,
    providers: [{ id: "github", name: "GitHub" }],
    challenge: false,
    password_length: 15,
    setup: false,
  };
  server.on("GET /auth/policy", json(policy));
  const router = createRouter({
    history: createMemoryHistory(),
    routes: [{ path: "/:rest(.*)*", component: { render: () => null } }],
  });
  await router.push("/sign-up#invitation=an-invitation");
  const plugins = [router, i18n, [VueQueryPlugin, { queryClient: makeQueryClient() }] as never];
  const page = mount(SignUp, { global: { plugins } });
  await flushPromises();
  const link = page.get("a[href^='/api/']");
  expect(link.attributes("href")).toBe("/api/v1/auth/oidc/github/start?next=%2F");
  expect(carriedInvitation()).toEqual({});
  link.element.addEventListener("click", (event) => event.preventDefault());
  await link.trigger("click");
  expect(carriedInvitation()).toEqual({ invitation: "an-invitation" });
});

test("an invitation outlives a trip that failed, and one that is over does not", async () => {
  carryInvitation("an-invitation");
  const { page } = await comeBack(refusal(400, "identity_refused"));
  expect(page.get("a").attributes("href")).toBe("/sign-up");
  expect(carriedInvitation()).toEqual({ invitation: "an-invitation" });
  await comeBack(refusal(404, "invitation_over"));
  expect(carriedInvitation()).toEqual({});
});

test("who signs in at another service without an invitation sends none", async () => {
  const { sent, page } = await comeBack(refusal(400, "identity_refused"));
  expect(sent).toEqual({ locale: "en" });
  expect(page.get("a").attributes("href")).toBe("/sign-in");
});

test("the dialog asks for the second factor once it hears that there is one", async () => {
  const factors = { password: true, totp_since: null, passkeys: 0, identities: 0 };
  const without = { ...factors, recovery_codes_left: 0, methods: [], required: false };
  server
    .on("GET /account/factors", json(without), json({ ...without, methods: ["totp"] }))
    .on("POST /account/reauthenticate", refusal(403, "factor_wanted"), nothing);
  const answer = askWhoItIs();
  const plugins = [i18n, [VueQueryPlugin, { queryClient: makeQueryClient() }] as never];
  const dialog = mount(ReauthDialog, { global: { plugins, stubs: { teleport: true } } });
  await flushPromises();
  const type = async (text: string) => {
    await dialog.get("input").setValue(text);
    await dialog.get("form").trigger("submit");
    await flushPromises();
  };
  await type("the password");
  expect(dialog.get("input").attributes("autocomplete")).toBe("one-time-code");
  expect(waiting.value).not.toBeNull();
  await type("123 456");
  expect(await answer).toBe(true);
  const proofs = server.asked.filter(({ path }) => path === "/account/reauthenticate");
  expect(proofs.map(({ body }) => JSON.parse(body) as unknown)).toEqual([
    { password: "the password" },
    { code: "123456" },
  ]);
  dialog.unmount();
});

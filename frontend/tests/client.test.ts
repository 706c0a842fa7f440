import { beforeEach, describe, expect, test, vi } from "vitest";

import { api, connect, take, type ClientHooks } from "@/api/client";
import { ApiError, readRetryAfter } from "@/api/errors";

import { away, json, nothing, refusal, Server } from "./api";

let server: Server;
let token: string | null;
let hooks: ClientHooks;

beforeEach(() => {
  server = new Server();
  token = "old";
  hooks = {
    token: () => token,
    renew: vi.fn(() => {
      token = "new";
      return Promise.resolve(true);
    }),
    reauthenticate: vi.fn(() => Promise.resolve(true)),
    forbidden: vi.fn(),
  };
  connect(hooks);
});

async function failure(call: Promise<unknown>): Promise<ApiError> {
  const error: unknown = await call.then(
    () => expect.unreachable("it should have failed"),
    (found: unknown) => found,
  );
  expect(error).toBeInstanceOf(ApiError);
  return error as ApiError;
}

describe("a call", () => {
  test("carries the access token, and those of signing in do not", async () => {
    server.on("GET /account", json({})).on("GET /auth/policy", json({}));
    await api.GET("/api/v1/account");
    await api.GET("/api/v1/auth/policy");
    expect(server.asked.map((call) => call.token)).toEqual(["old", null]);
  });

  test("that is refused with 401 is repeated once with a new token and the same body", async () => {
    server.on("PATCH /account", refusal(401, "session_ended"), json({ display_name: "Mei" }));
    const call = api.PATCH("/api/v1/account", { body: { display_name: "Mei" } });
    expect(await take(call)).toEqual({ display_name: "Mei" });
    expect(hooks.renew).toHaveBeenCalledExactlyOnceWith("old");
    expect(server.asked.map((each) => each.token)).toEqual(["old", "new"]);
    expect(server.asked[1]?.body).toBe(server.asked[0]?.body);
  });

  test("that is refused with 401 twice is not repeated for ever", async () => {
    server.on("GET /account", refusal(401, "session_ended"));
    expect((await failure(api.GET("/api/v1/account"))).status).toBe(401);
    expect(server.asked).toHaveLength(2);
  });

  test("with a wrong password does not renew the token", async () => {
    server.on("POST /account/reauthenticate", refusal(401, "wrong_credentials"));
    await failure(api.POST("/api/v1/account/reauthenticate", { body: { password: "x" } }));
    expect(hooks.renew).not.toHaveBeenCalled();
  });

  test("that wants to know who it is waits for the answer and is repeated", async () => {
    server.on("DELETE /account", refusal(403, "reauthentication_required"), nothing);
    await api.DELETE("/api/v1/account");
    expect(hooks.reauthenticate).toHaveBeenCalledOnce();
    expect(hooks.forbidden).not.toHaveBeenCalled();
  });

  test("is refused when the person does not show who they are", async () => {
    hooks.reauthenticate = () => Promise.resolve(false);
    server.on("DELETE /account", refusal(403, "reauthentication_required"));
    expect((await failure(api.DELETE("/api/v1/account"))).code).toBe("reauthentication_required");
  });

  test("that is forbidden has the permissions asked for again", async () => {
    server.on("GET /account", refusal(403, "forbidden"));
    await failure(api.GET("/api/v1/account"));
    expect(hooks.forbidden).toHaveBeenCalledOnce();
  });

  test("tells how long to wait, the fields that are wrong, and the request id", async () => {
    server.on("GET /account", refusal(429, "too_many_attempts", {}, { "retry-after": "30" }));
    expect((await failure(api.GET("/api/v1/account"))).retryAfter).toBe(30);
    const errors = [{ field: "email", message: "taken" }];
    server.on("GET /account", refusal(422, "invalid", { errors }));
    expect((await failure(api.GET("/api/v1/account"))).errors).toEqual(errors);
    server.on("GET /account", refusal(500, "internal"));
    expect((await failure(api.GET("/api/v1/account"))).requestId).toBe("r1");
  });

  test("that a proxy answers in HTML fails with its status", async () => {
    server.on("GET /account", () => new Response("<h1>Bad gateway</h1>", { status: 502 }));
    const error = await failure(api.GET("/api/v1/account"));
    expect([error.status, error.code]).toEqual([502, "http_502"]);
  });

  test("that reaches nobody says so, and one that was given up stays given up", async () => {
    server.on("GET /account", away);
    expect((await failure(api.GET("/api/v1/account"))).code).toBe("unreachable");
    const given = new DOMException("", "AbortError");
    server.on("GET /account", () => Promise.reject(given));
    await expect(api.GET("/api/v1/account")).rejects.toBe(given);
  });
});

test("Retry-After is seconds or a date, and anything else is nothing", () => {
  const now = Date.parse("2026-11-30T10:00:00Z");
  expect(readRetryAfter("12")).toBe(12);
  expect(readRetryAfter("Mon, 30 Nov 2026 10:00:20 GMT", now)).toBe(20);
  expect(readRetryAfter("Mon, 30 Nov 2026 09:00:00 GMT", now)).toBe(0);
  expect(readRetryAfter("soon")).toBeNull();
  expect(readRetryAfter(null)).toBeNull();
});

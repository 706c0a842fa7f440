import { expect, test } from "vitest";

import { ApiError, asApiError } from "@/api/errors";
import { unfold } from "@/modules/people/choices";
import { awaits, batchDeeds, stateOf } from "@/modules/people/deeds";
import { changesOf, readPerson } from "@/modules/people/form";
import { stateOfInvitation } from "@/modules/people/invitations";
import { bodyOf, readNewcomers, strangersSpend, unnested } from "@/modules/people/newcomers";
import type { Department, Invitation, Newcomers, Person } from "@/modules/people/types";

import { nothing, Server } from "./api";

const AT = "2026-11-01T08:00:00Z";

function person(more: Partial<Person> = {}): Person {
  return {
    id: "u1",
    email: "reader@example.org",
    email_verified_at: AT,
    display_name: "A Reader",
    phone: null,
    avatar: null,
    locale: "en",
    department_id: null,
    status: "active",
    status_reason: null,
    has_password: true,
    roles: [
      { id: "r1", code: "one", name: "One" },
      { id: "r2", code: "two", name: "Two" },
    ],
    positions: [],
    created_at: AT,
    updated_at: AT,
    last_seen_at: null,
    ...more,
  };
}

test("only what was changed of a person is sent, each part by its own call", () => {
  const reader = person();
  const values = readPerson(reader);
  expect(changesOf(reader, values)).toEqual({ profile: null, roles: null, positions: null });
  // The same roles in another order are the same roles.
  const other = { ...values, role_ids: ["r2", "r1"], phone: "+886 2 1", department_id: "d1" };
  expect(changesOf(reader, other)).toEqual({
    profile: { phone: "+886 2 1", department_id: "d1" },
    roles: null,
    positions: null,
  });
  expect(changesOf(reader, { ...values, role_ids: [], position_ids: ["p1"] })).toEqual({
    profile: null,
    roles: [],
    positions: ["p1"],
  });
  const moved = person({ department_id: "d1" });
  expect(changesOf(moved, { ...readPerson(moved), department_id: null }).profile).toEqual({
    department_id: null,
  });
});

test("who waits for approval is told apart from whose address is not confirmed", () => {
  const waiting = person({ status: "pending" });
  const invited = person({ status: "pending", email_verified_at: null });
  expect([waiting, invited, person()].map(awaits)).toEqual([true, false, false]);
  expect(stateOf(waiting).kind).toBe("warn");
  expect(stateOf(invited)).toEqual({ kind: "off", key: "people.states.unconfirmed" });
  expect(stateOf(person({ status: "disabled" })).kind).toBe("bad");
});

test("approving all that are chosen leaves out who does not wait", async () => {
  const server = new Server().on("POST /accounts/users/batch", nothing);
  const approve = batchDeeds().find(({ name }) => name === "approve");
  const chosen = [person({ id: "in" }), person({ id: "waits", status: "pending" })];
  await approve?.run(chosen);
  expect(server.asked[0]?.body).toBe(JSON.stringify({ ids: ["waits"], action: "approve" }));
});

test("an invitation is open until it is accepted or its time is over", () => {
  const made = { used_at: null, expires_at: "2026-11-08T08:00:00Z" } as Invitation;
  const key = (invitation: Invitation, now: string) =>
    stateOfInvitation(invitation, Date.parse(now)).key.split(".").at(-1);
  expect(key(made, "2026-11-08T07:59:59Z")).toBe("open");
  expect(key(made, "2026-11-08T08:00:00Z")).toBe("over");
  expect(key({ ...made, used_at: AT }, "2026-12-01T00:00:00Z")).toBe("used");
});

function settings(more: Partial<Newcomers["new_person"]> = {}): Newcomers {
  const limits = { rpm: 20, tpm: null, concurrency: 2 };
  const new_person = { models: [], local_models: true, quota: "0", ...limits, ...more };
  return { registration: "open", new_person };
}

test.each([
  [settings()],
  [settings({ models: null, quota: null })],
  [settings({ models: ["chat"], quota: "1.5" })],
])("what a new person may use is read and written without a change: %j", (given) => {
  expect(bodyOf(readNewcomers(given))).toEqual(given);
});

test("models that are not asked for any more are not sent, and an emptied quota is none", () => {
  const values = { ...readNewcomers(settings({ models: ["chat"] })), quota: " " };
  expect(bodyOf({ ...values, reach: "none" }).new_person.models).toEqual([]);
  expect(bodyOf({ ...values, reach: "all" }).new_person).toMatchObject({
    models: null,
    quota: null,
  });
});

test.each([
  [settings(), false],
  [settings({ models: null }), false],
  [settings({ models: ["chat"], quota: "0.000000001" }), true],
  [settings({ models: null, quota: null }), true],
  [settings({ quota: null }), false],
  [{ ...settings({ models: null, quota: "5" }), registration: "approval" as const }, false],
])("whether strangers spend by %j: %s", (given, spend) => {
  expect(strangersSpend(readNewcomers(given))).toBe(spend);
});

test("complaints about what a new person may use stand at the fields of the form", () => {
  const errors = [
    { field: "new_person.quota", message: "no number" },
    { field: "registration", message: "no such" },
  ];
  const refused = asApiError(unnested(new ApiError(422, "invalid", { errors })));
  expect(refused?.errors.map(({ field }) => field)).toEqual(["quota", "registration"]);
  expect(refused?.status).toBe(422);
  const other = new TypeError("a mistake of ours");
  expect(unnested(other)).toBe(other);
});

test("departments as a list stand below what they belong to", () => {
  const node = (id: string, children: Department[] = []) => ({ id, children }) as Department;
  const tree = [node("a", [node("b", [node("c")])]), node("d")];
  expect(unfold(tree).map(({ department, depth }) => `${department.id}${depth}`)).toEqual([
    "a0",
    "b1",
    "c2",
    "d0",
  ]);
});

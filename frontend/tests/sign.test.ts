import { createHash } from "node:crypto";
import { expect, test, vi } from "vitest";

import { connect } from "@/api/client";
import { ApiError } from "@/api/errors";
import { safeNext } from "@/app/router";
import { withProof } from "@/ui/sign/challenge";
import { fromBase64Url, readCreation, toBase64Url, writeCredential } from "@/ui/sign/passkeys";
import { askWhoItIs, waiting } from "@/ui/sign/reauth";
import { sha256 } from "@/ui/sign/sha256";

import { json, Server } from "./api";

test("SHA-256 is SHA-256, at every length around a block", () => {
  for (let length = 0; length < 200; length += 1) {
    const text = "x9?&=".repeat(40).slice(0, length);
    expect(sha256(text)).toBe(createHash("sha256").update(text).digest("hex"));
  }
});

const CHALLENGE = {
  algorithm: "SHA-256",
  challenge: sha256("salt&42"),
  salt: "salt&",
  maxnumber: 100,
  signature: "signed",
};

/** A worker that solves on the spot. */
class Solver {
  onmessage: ((event: { data: number | null }) => void) | null = null;
  postMessage(challenge: typeof CHALLENGE): void {
    let found: number | null = null;
    for (let n = 0; n <= challenge.maxnumber; n += 1) {
      if (sha256(challenge.salt + String(n)) === challenge.challenge) found = n;
    }
    this.onmessage?.({ data: found });
  }
  terminate(): void {
    this.onmessage = null;
  }
}

function readProof(text: string | undefined): unknown {
  return JSON.parse(atob(text ?? ""));
}

test("a call that wants a proof of work gets the proof of the challenge in the refusal", async () => {
  vi.stubGlobal("Worker", Solver);
  const refused = new ApiError(403, "challenge_required", {
    problem: { status: 403, code: "challenge_required", challenge: CHALLENGE },
  });
  const send = vi.fn<(proof?: string) => Promise<string>>();
  send.mockRejectedValueOnce(refused).mockResolvedValueOnce("in");
  expect(await withProof(send)).toBe("in");
  expect(send.mock.calls[0]).toEqual([undefined]);
  expect(readProof(send.mock.calls[1]?.[0])).toMatchObject({ number: 42, signature: "signed" });
});

test("a proof can be made before the first call, and other refusals pass through", async () => {
  vi.stubGlobal("Worker", Solver);
  new Server().on("GET /auth/challenge", json(CHALLENGE));
  connect({
    token: () => null,
    renew: () => Promise.resolve(false),
    reauthenticate: () => Promise.resolve(false),
    forbidden: () => undefined,
  });
  const seen: boolean[] = [];
  const send = vi
    .fn<(proof?: string) => Promise<string>>()
    .mockRejectedValue(new ApiError(422, "x"));
  const options = { upfront: true, working: (busy: boolean) => seen.push(busy) };
  await expect(withProof(send, options)).rejects.toMatchObject({ code: "x" });
  expect(readProof(send.mock.calls[0]?.[0])).toMatchObject({ number: 42 });
  expect(seen).toEqual([true, false]);
});

test("a challenge without an answer is told as such", async () => {
  vi.stubGlobal("Worker", Solver);
  const challenge = { ...CHALLENGE, challenge: "0".repeat(64) };
  const problem = { status: 403, code: "challenge_required", challenge };
  const send = () => Promise.reject(new ApiError(403, "challenge_required", { problem }));
  await expect(withProof(send)).rejects.toMatchObject({ code: "challenge_unsolvable" });
});

test("without the browser's JSON methods passkeys are read and written by hand", () => {
  vi.stubGlobal("PublicKeyCredential", {});
  const read = readCreation({
    challenge: "AAEC_-8",
    user: { id: "bWVp", name: "mei" },
    excludeCredentials: [{ id: "AQI", type: "public-key" }],
  });
  expect(toBase64Url(read.challenge as ArrayBuffer)).toBe("AAEC_-8");
  expect(toBase64Url(read.excludeCredentials?.[0]?.id as ArrayBuffer)).toBe("AQI");
  const buffer = fromBase64Url("AQI");
  const written = writeCredential({
    id: "AQI",
    rawId: buffer,
    type: "public-key",
    authenticatorAttachment: "platform",
    getClientExtensionResults: () => ({}),
    response: {
      clientDataJSON: buffer,
      authenticatorData: buffer,
      signature: buffer,
      userHandle: null,
    },
  } as unknown as PublicKeyCredential);
  expect(written).toMatchObject({ rawId: "AQI", response: { signature: "AQI" } });
});

test("everybody who waits for the person gets the same answer", async () => {
  const answers = Promise.all([askWhoItIs(), askWhoItIs()]);
  waiting.value?.answer(true);
  expect(await answers).toEqual([true, true]);
  expect(waiting.value).toBeNull();
});

test.each([
  ["/account?x=1#y", "/account?x=1#y"],
  ["https://evil.example/", "/"],
  ["//evil.example/", "/"],
  ["/\\evil.example", "/"],
  ["javascript:alert(1)", "/"],
  [undefined, "/"],
  [["/a", "/b"], "/a"],
])("after signing in %j leads to %s", (next, path) => {
  expect(safeNext(next)).toBe(path);
});

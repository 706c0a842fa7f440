import { api, take } from "@/api/client";
import type { Challenge } from "@/api/contract";
import { ApiError, asApiError } from "@/api/errors";

/** Solves a proof of work beside the page, which stays responsive. The answer goes with the call. */
export function solve(challenge: Challenge): Promise<string> {
  const started = performance.now();
  const worker = new Worker(new URL("./solver.worker.ts", import.meta.url), { type: "module" });
  return new Promise<string>((resolve, reject) => {
    worker.onmessage = ({ data: number }: MessageEvent<number | null>) => {
      if (number === null) {
        reject(new ApiError(0, "challenge_unsolvable"));
        return;
      }
      const { algorithm, challenge: hash, salt, signature } = challenge;
      const took = Math.round(performance.now() - started);
      const proof = { algorithm, challenge: hash, number, salt, signature, took };
      resolve(btoa(JSON.stringify(proof)));
    };
    worker.onerror = () => reject(new ApiError(0, "challenge_unsolvable"));
    worker.postMessage(challenge);
  }).finally(() => worker.terminate());
}

function isChallenge(value: unknown): value is Challenge {
  return typeof value === "object" && value !== null && "signature" in value && "salt" in value;
}

/** A new challenge, solved. */
export async function freshProof(): Promise<string> {
  return solve(await take(api.GET("/api/v1/auth/challenge")));
}

/**
 * Sends a call that may ask for a proof of work, and again with the proof when it does.
 * `working` hears when the work begins and ends.
 */
export async function withProof<T>(
  send: (challenge: string | undefined) => Promise<T>,
  options: { upfront?: boolean; working?: (busy: boolean) => void } = {},
): Promise<T> {
  const prove = async (work: () => Promise<string>) => {
    options.working?.(true);
    try {
      return await work();
    } finally {
      options.working?.(false);
    }
  };
  const first = options.upfront ? await prove(freshProof) : undefined;
  try {
    return await send(first);
  } catch (error) {
    const refusal = asApiError(error);
    if (refusal?.code !== "challenge_required") throw error;
    const given = refusal.problem?.challenge;
    return send(await prove(() => (isChallenge(given) ? solve(given) : freshProof())));
  }
}

import type { Challenge } from "@/api/contract";

import { sha256 } from "./sha256";

/** Looks for the number behind a challenge; answers null when there is none. */
globalThis.addEventListener("message", (event: MessageEvent<Challenge>) => {
  const { challenge, salt, maxnumber } = event.data;
  let found: number | null = null;
  for (let number = 0; number <= maxnumber && found === null; number += 1) {
    if (sha256(salt + String(number)) === challenge) found = number;
  }
  globalThis.postMessage(found);
});

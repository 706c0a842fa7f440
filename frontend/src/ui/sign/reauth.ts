import { shallowRef } from "vue";

/** Set while somebody waits for the person to show once more who they are. */
export const waiting = shallowRef<{ answer: (done: boolean) => void } | null>(null);
let promise: Promise<boolean> | null = null;

/**
 * Opens the dialog; true once the person has shown who they are, false when they would not. Calls
 * that are refused meanwhile wait for the same answer.
 */
export function askWhoItIs(): Promise<boolean> {
  promise ??= new Promise((resolve) => {
    waiting.value = {
      answer(done) {
        waiting.value = null;
        promise = null;
        resolve(done);
      },
    };
  });
  return promise;
}

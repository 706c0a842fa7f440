import { shallowRef } from "vue";

export interface Question {
  title: string;
  /** What will happen, in a sentence. */
  text: string;
  /** The button that does it; names the deed ("Revoke"), not "OK". */
  action: string;
  danger?: boolean;
  /** To be typed before it can be done: for what can't be undone. */
  type?: string;
}

interface Asked extends Question {
  answer: (yes: boolean) => void;
}

export const asked = shallowRef<Asked | null>(null);

/** Asks before something that matters; true when the person wants it. */
export function confirm(question: Question): Promise<boolean> {
  asked.value?.answer(false);
  return new Promise((resolve) => {
    asked.value = {
      ...question,
      answer(yes) {
        asked.value = null;
        resolve(yes);
      },
    };
  });
}

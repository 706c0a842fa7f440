import { ref } from "vue";

const TICK_MS = 15_000;

/** The time by which relative ones are told; it moves on by itself. */
export const now = ref(Date.now());

setInterval(() => {
  if (!document.hidden) now.value = Date.now();
}, TICK_MS);

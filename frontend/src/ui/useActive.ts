import { onActivated, onDeactivated, ref, type Ref } from "vue";

/** Whether this page shows: a tab of the console that is kept asks the server nothing. */
export function useActive(): Readonly<Ref<boolean>> {
  const active = ref(true);
  onActivated(() => (active.value = true));
  onDeactivated(() => (active.value = false));
  return active;
}

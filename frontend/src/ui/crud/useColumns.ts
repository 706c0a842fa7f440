import { computed, ref } from "vue";

import { recallJson, rememberJson } from "@/app/storage";

import type { Column } from "./types";

interface Chosen {
  order: string[];
  hidden: string[];
}

function isChosen(value: unknown): value is Chosen {
  const chosen = value as Partial<Chosen> | null;
  return Array.isArray(chosen?.order) && Array.isArray(chosen.hidden);
}

/** Which columns show, and in which order; remembered for each table. */
export function useColumns<Row>(name: string, columns: readonly Column<Row>[]) {
  const all = columns.filter((column) => !column.detail);
  const key = `columns.${name}`;
  const usual = (): Chosen => ({
    order: all.map((column) => column.name),
    hidden: all.filter((column) => column.hidden).map((column) => column.name),
  });
  const chosen = ref<Chosen>(recallJson(key, isChosen) ?? usual());

  // A column that is newer than what is remembered stands where it was declared.
  const ordered = computed(() => {
    const place = (column: Column<Row>) => {
      const at = chosen.value.order.indexOf(column.name);
      return at < 0 ? all.indexOf(column) - 0.5 : at;
    };
    return [...all].sort((a, b) => place(a) - place(b));
  });
  const shown = computed(() => ordered.value.filter((column) => isShown(column.name)));

  function isShown(column: string): boolean {
    return !chosen.value.hidden.includes(column);
  }

  function keep(next: Chosen): void {
    chosen.value = next;
    rememberJson(key, next);
  }

  function toggle(column: string): void {
    const { order, hidden } = chosen.value;
    if (hidden.includes(column)) keep({ order, hidden: hidden.filter((name) => name !== column) });
    else if (shown.value.length > 1) keep({ order, hidden: [...hidden, column] });
  }

  function move(column: string, step: -1 | 1): void {
    const order = ordered.value.map((entry) => entry.name);
    const from = order.indexOf(column);
    const to = from + step;
    if (from < 0 || to < 0 || to >= order.length) return;
    order.splice(to, 0, ...order.splice(from, 1));
    keep({ order, hidden: chosen.value.hidden });
  }

  function reset(): void {
    keep(usual());
  }

  return { ordered, shown, isShown, toggle, move, reset };
}

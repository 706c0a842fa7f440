import type { RouteLocationRaw } from "vue-router";

import type { Question } from "@/ui/feedback/confirm";

/** What a table shows of a row. Titles are keys of texts. */
export interface Column<Row> {
  /** Also the name of the slot `cell-<name>`, and what is remembered of it. */
  name: string;
  title: string;
  /** Where the value is; without it `row[name]`. */
  value?: (row: Row) => unknown;
  /** How it is written; `text` without it. */
  as?: "text" | "mono" | "number" | "time" | "day" | "money" | "state" | "tags";
  /** With `as: "state"`: the mark and its word. */
  state?: (row: Row) => { kind: "ok" | "warn" | "bad" | "off"; text: string };
  /** With `as: "money"`. */
  currency?: (row: Row) => string;
  /** Makes the value a link. */
  to?: (row: Row) => RouteLocationRaw | undefined;
  /** The server can sort by it; a text when its name there is another. */
  sort?: true | string;
  /** Not shown until it is chosen in the column settings. */
  hidden?: boolean;
  /** Only in the detail drawer. */
  detail?: boolean;
}

export interface Option {
  value: string;
  label: string;
}

export interface Filter {
  /** The query parameter. */
  name: string;
  label: string;
  /** A moment is the reader's local time, `2026-03-04T12:00`. */
  as?: "text" | "select" | "moment";
  options?: () => Option[];
  /** Folded away until the search is expanded. */
  more?: boolean;
}

interface Action {
  name: string;
  title: string;
  icon?: string;
  needs?: string;
  danger?: boolean;
  /** Key of what is said when it is done. */
  done?: string;
}

/** Something to do with one row. */
export interface RowAction<Row> extends Action {
  when?: (row: Row) => boolean;
  /** Asked before it is done. */
  confirm?: (row: Row) => Question;
  run: (row: Row) => unknown;
}

/** Something to do with all chosen rows. */
export interface BatchAction<Row> extends Action {
  confirm?: (rows: Row[]) => Question;
  run: (rows: Row[]) => Promise<unknown>;
}

export type FieldKind =
  | "text"
  | "textarea"
  | "email"
  | "password"
  | "number"
  | "select"
  | "switch"
  | "tags"
  | "moment"
  | "tree";

/** One value of a form. Server errors of that name, or of what is inside of it, show at it. */
export interface FormField<Values extends object> {
  name: keyof Values & string;
  label: string;
  as?: FieldKind;
  hint?: string;
  optional?: boolean;
  options?: () => Option[];
  /** With `as: "select"`. */
  multiple?: boolean;
  /** With `as: "tree"`. */
  nodes?: () => TreeNode[];
  mono?: boolean;
  /** Only when making, or only when changing. */
  only?: "create" | "update";
  when?: (values: Values) => boolean;
  min?: number;
  max?: number;
  maxlength?: number;
}

export interface TreeNode {
  value: string;
  label: string;
  children?: TreeNode[];
}

/** The value of a column in a row. */
export function valueOf<Row>(column: Column<Row>, row: Row): unknown {
  return column.value ? column.value(row) : (row as Record<string, unknown>)[column.name];
}

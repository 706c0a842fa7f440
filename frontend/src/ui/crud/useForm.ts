import { computed, reactive, ref, shallowRef } from "vue";

import { asApiError } from "@/api/errors";
import { i18n } from "@/i18n";
import { confirm } from "@/ui/feedback/confirm";
import { explainField } from "@/ui/feedback/explain";
import { pushToast } from "@/ui/feedback/toasts";

import type { FormField } from "./types";

export interface FormOptions<Values extends object, Row = never> {
  fields: readonly FormField<Values>[];
  /** A new thing's values. */
  empty: () => Values;
  /** A row as the form's values. */
  read?: (row: Row) => Values;
  create?: (values: Values) => Promise<unknown>;
  update?: (row: Row, values: Values) => Promise<unknown>;
  /** After it has been saved: refetch the list. `result` is what the call answered. */
  saved?: (result: unknown) => unknown;
  /** After a change was refused: of one that takes several calls, some may have been made. */
  failed?: () => unknown;
  /** Key of what is said then; null says nothing. */
  done?: string | null;
}

/** A form for making and changing things: its values, what the server finds wrong, what is unsaved. */
export function useForm<Values extends object, Row = never>(options: FormOptions<Values, Row>) {
  const isOpen = ref(false);
  const row = shallowRef<Row | null>(null);
  const values = ref(options.empty()) as { value: Values };
  const before = ref("");
  const errors = ref<Record<string, string>>({});
  const error = shallowRef<unknown>(null);
  const busy = ref(false);
  const mode = computed(() => (row.value === null ? ("create" as const) : ("update" as const)));
  const isDirty = computed(() => JSON.stringify(values.value) !== before.value);
  const shown = computed(() =>
    options.fields.filter(
      (field) =>
        (field.only === undefined || field.only === mode.value) &&
        (field.when === undefined || field.when(values.value)),
    ),
  );

  function open(next: Values, of: Row | null): void {
    row.value = of;
    values.value = next;
    before.value = JSON.stringify(next);
    errors.value = {};
    error.value = null;
    isOpen.value = true;
  }

  function openNew(preset: Partial<Values> = {}): void {
    open({ ...options.empty(), ...preset }, null);
  }

  function openEdit(of: Row): void {
    open(options.read ? options.read(of) : ({ ...of } as unknown as Values), of);
  }

  /** Closes; asks first when something would be lost. */
  async function close(): Promise<void> {
    if (busy.value) return;
    const { t } = i18n.global;
    const lose =
      !isDirty.value ||
      (await confirm({
        title: t("ui.form.unsaved"),
        text: t("ui.form.unsaved_text"),
        action: t("ui.form.discard"),
        danger: true,
      }));
    if (lose) isOpen.value = false;
  }

  /** Puts the server's complaints at their fields; what belongs to none is told above them. */
  function complain(failure: unknown): void {
    const found: Record<string, string> = {};
    let homeless = false;
    for (const wrong of asApiError(failure)?.errors ?? []) {
      const owner = shown.value.find(
        ({ name }) => wrong.field === name || wrong.field.startsWith(`${name}.`),
      )?.name;
      if (owner === undefined) homeless = true;
      else found[owner] ??= explainField(wrong);
    }
    errors.value = found;
    error.value = homeless || Object.keys(found).length === 0 ? failure : null;
  }

  async function submit(): Promise<void> {
    if (busy.value) return;
    busy.value = true;
    errors.value = {};
    error.value = null;
    try {
      const of = row.value as Row | null;
      const saving =
        of === null ? options.create?.(values.value) : options.update?.(of, values.value);
      const result: unknown = await saving;
      isOpen.value = false;
      if (options.done !== null) {
        pushToast({ kind: "ok", text: i18n.global.t(options.done ?? "ui.form.saved") });
      }
      await options.saved?.(result);
    } catch (failure) {
      complain(failure);
      if (row.value !== null) await options.failed?.();
    } finally {
      busy.value = false;
    }
  }

  return reactive({
    isOpen,
    row,
    values,
    errors,
    error,
    busy,
    mode,
    isDirty,
    shown,
    canCreate: options.create !== undefined,
    canUpdate: options.update !== undefined,
    openNew,
    openEdit,
    close,
    submit,
    complain,
  }) as unknown as Form<Values, Row>;
}

/** What {@link useForm} gives; components take it whole. */
export interface Form<Values extends object, Row = never> {
  isOpen: boolean;
  row: Row | null;
  values: Values;
  errors: Record<string, string>;
  error: unknown;
  busy: boolean;
  mode: "create" | "update";
  isDirty: boolean;
  shown: FormField<Values>[];
  canCreate: boolean;
  canUpdate: boolean;
  openNew: (preset?: Partial<Values>) => void;
  openEdit: (row: Row) => void;
  close: () => Promise<void>;
  submit: () => Promise<void>;
  complain: (failure: unknown) => void;
}

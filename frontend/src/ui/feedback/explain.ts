import { asApiError, type FieldError } from "@/api/errors";
import { i18n } from "@/i18n";
import { listed } from "@/ui/show/format";

/** What went wrong, in the reader's words. */
export interface Explanation {
  text: string;
  /** To quote when asking for help. */
  requestId: string | null;
}

/**
 * A failure as a sentence: ours for the codes we know (`ui.errors.<code>`, or `<code>_counted` where
 * the server says how much of what), else the server's own, else what its status means.
 */
export function explain(error: unknown): Explanation {
  const { t, te, n } = i18n.global;
  const refusal = asApiError(error);
  if (!refusal) return { text: t("ui.errors.bug"), requestId: null };
  const { code, status, detail, errors, retryAfter, requestId } = refusal;
  let text: string;
  const seconds = retryAfter === null ? null : n(retryAfter);
  if (status === 429 && seconds !== null) text = t("ui.errors.wait", { seconds });
  else if (errors.length > 0 && te(`ui.errors.${code}_counted`))
    text = t(`ui.errors.${code}_counted`, { what: counted(errors) });
  else if (te(`ui.errors.${code}`)) text = t(`ui.errors.${code}`);
  else if (status === 404) text = t("ui.errors.not_found");
  else if (status >= 500) text = t("ui.errors.server");
  else text = detail || t("ui.errors.refused", { status });
  return { text, requestId: status >= 500 ? requestId : null };
}

/** What still hangs on something, with how many of each: "people (3) and departments (1)". */
function counted(errors: readonly FieldError[]): string {
  const { t, te } = i18n.global;
  const each = errors.map(({ field, message: count }) =>
    te(`ui.counted.${field}`) ? t(`ui.counted.${field}`, { count }) : `${field} (${count})`,
  );
  return listed(each);
}

/**
 * What is wrong with one value: ours for the kinds we know (`ui.fields.<code>`, with the bounds as
 * slots), else the server's own sentence.
 */
export function explainField({ code, message, bounds }: FieldError): string {
  const { t, te } = i18n.global;
  if (code === undefined || !te(`ui.fields.${code}`)) return message;
  return t(`ui.fields.${code}`, bounds ?? {});
}

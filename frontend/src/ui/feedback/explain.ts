import { asApiError, type FieldError } from "@/api/errors";
import { i18n } from "@/i18n";

/** What went wrong, in the reader's words. */
export interface Explanation {
  text: string;
  /** To quote when asking for help. */
  requestId: string | null;
}

/**
 * A failure as a sentence: ours for the codes we know (`ui.errors.<code>`), else the server's own,
 * else what its status means.
 */
export function explain(error: unknown): Explanation {
  const { t, te, n } = i18n.global;
  const refusal = asApiError(error);
  if (!refusal) return { text: t("ui.errors.bug"), requestId: null };
  const { code, status, detail, retryAfter, requestId } = refusal;
  let text: string;
  const seconds = retryAfter === null ? null : n(retryAfter);
  if (status === 429 && seconds !== null) text = t("ui.errors.wait", { seconds });
  else if (te(`ui.errors.${code}`)) text = t(`ui.errors.${code}`);
  else if (status >= 500) text = t("ui.errors.server");
  else text = detail || t("ui.errors.refused", { status });
  return { text, requestId: status >= 500 ? requestId : null };
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

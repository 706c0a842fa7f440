import { ApiError, asApiError } from "@/api/errors";

import type { Newcomers } from "./types";

/** Which models beside the local ones: none, those that are named, or all. */
export type Reach = "none" | "some" | "all";

export interface NewcomersValues {
  registration: Newcomers["registration"];
  local_models: boolean;
  reach: Reach;
  models: string[];
  /** In the metering currency; empty is no limit. */
  quota: string | null;
  rpm: number | null;
  tpm: number | null;
  concurrency: number | null;
}

export function readNewcomers({ registration, new_person: person }: Newcomers): NewcomersValues {
  const { models, local_models, quota, rpm, tpm, concurrency } = person;
  let reach: Reach = "all";
  if (models !== null) reach = models.length > 0 ? "some" : "none";
  return {
    registration,
    local_models,
    reach,
    models: [...(models ?? [])],
    quota,
    rpm,
    tpm,
    concurrency,
  };
}

export function bodyOf(values: NewcomersValues): Newcomers {
  const { registration, local_models, reach, models, quota, rpm, tpm, concurrency } = values;
  const named = reach === "some" ? models : [];
  return {
    registration,
    new_person: {
      local_models,
      models: reach === "all" ? null : named,
      quota: quota === null || quota.trim() === "" ? null : quota.trim(),
      rpm,
      tpm,
      concurrency,
    },
  };
}

/** Whether whoever solves a proof of work can spend what a provider bills the owner. */
export function strangersSpend(values: NewcomersValues): boolean {
  const { registration, new_person: person } = bodyOf(values);
  const reaches = person.models === null || person.models.length > 0;
  return registration === "open" && reaches && Number(person.quota ?? 1) > 0;
}

const INSIDE = "new_person.";

/** A refusal with its complaints at the form's fields, which are not nested. */
export function unnested(failure: unknown): unknown {
  const error = asApiError(failure);
  if (!error) return failure;
  const { status, code, detail, requestId, retryAfter } = error;
  const errors = error.errors.map((wrong) => ({
    ...wrong,
    field: wrong.field.startsWith(INSIDE) ? wrong.field.slice(INSIDE.length) : wrong.field,
  }));
  return new ApiError(status, code, { detail, requestId, retryAfter, errors });
}

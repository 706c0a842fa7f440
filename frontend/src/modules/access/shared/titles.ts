/** What permissions, roles and scopes are called. */
import { i18n } from "@/i18n";
import type { Option } from "@/ui/crud/types";

import type { DataScope, Role } from "../types";

export const SCOPES: readonly DataScope[] = [
  "all",
  "department_and_below",
  "department",
  "chosen",
  "self",
];

interface Parts {
  module: string;
  subject: string;
  verb: string;
}

/** `gateway.tokens:read` in its parts. */
export function partsOf(permission: string): Parts {
  const [place = "", verb = ""] = permission.split(":");
  const dot = place.indexOf(".");
  return { module: place.slice(0, dot), subject: place.slice(dot + 1), verb };
}

/** A module of somebody's own may have no titles here: then its own words show. */
function known(key: string, fallback: string): string {
  const { t, te } = i18n.global;
  return te(key) ? t(key) : fallback;
}

export function moduleTitle(module: string): string {
  return known(`access.permissions.${module}.title`, module);
}

export function subjectTitle(module: string, subject: string): string {
  return known(`access.permissions.${module}.${subject}.title`, `${module}.${subject}`);
}

export function verbTitle(permission: string): string {
  const { module, subject, verb } = partsOf(permission);
  return known(`access.permissions.${module}.${subject}.${verb}`, verb);
}

/** On its own, away from the others of its module. */
export function permissionTitle(permission: string): string {
  const { module, subject } = partsOf(permission);
  return i18n.global.t("access.permission.of", {
    subject: subjectTitle(module, subject),
    verb: verbTitle(permission),
  });
}

const GIVEN: Record<string, string> = { administrator: "Administrator", member: "Member" };

/** The built-in roles have a name in each language, until somebody gives them another. */
export function roleName({ code, name, built_in }: Pick<Role, "code" | "name" | "built_in">) {
  return built_in && name === GIVEN[code] ? i18n.global.t(`access.role.names.${code}`) : name;
}

export function scopeOptions(): Option[] {
  return SCOPES.map((value) => ({ value, label: i18n.global.t(`access.scopes.${value}`) }));
}

import { api, take } from "@/api/client";
import { useAccess } from "@/app/access";
import { usePrefs } from "@/app/prefs";
import type { FormField } from "@/ui/crud/types";
import { useForm } from "@/ui/crud/useForm";

import { languages, READ, useDepartments, usePositions, useRoles } from "./choices";
import type { Locale, Person } from "./types";

export interface PersonValues {
  email: string;
  display_name: string;
  phone: string | null;
  locale: Locale;
  department_id: string | null;
  role_ids: string[];
  position_ids: string[];
}

export function readPerson(person: Person): PersonValues {
  const { email, display_name, phone, locale, department_id } = person;
  return {
    email,
    display_name,
    phone,
    locale: locale as Locale,
    department_id,
    role_ids: person.roles.map(({ id }) => id),
    position_ids: person.positions.map(({ id }) => id),
  };
}

const same = (one: readonly string[], other: readonly string[]) =>
  one.length === other.length && one.every((id) => other.includes(id));

/** What of a person has changed; each of the three is a call of its own. */
export function changesOf(person: Person, values: PersonValues) {
  const before = readPerson(person);
  const names = ["display_name", "phone", "locale", "department_id"] as const;
  const changed = names.filter((name) => values[name] !== before[name]);
  return {
    profile:
      changed.length === 0 ? null : Object.fromEntries(changed.map((name) => [name, values[name]])),
    roles: same(values.role_ids, before.role_ids) ? null : values.role_ids,
    positions: same(values.position_ids, before.position_ids) ? null : values.position_ids,
  };
}

async function save(person: Person, values: PersonValues): Promise<void> {
  const params = { path: { user_id: person.id } };
  const { profile, roles, positions } = changesOf(person, values);
  // Roles first: they are what is refused most.
  if (roles) {
    await api.PUT("/api/v1/accounts/users/{user_id}/roles", { params, body: { role_ids: roles } });
  }
  if (positions) {
    const body = { position_ids: positions };
    await api.PUT("/api/v1/accounts/users/{user_id}/positions", { params, body });
  }
  if (profile) await api.PATCH("/api/v1/accounts/users/{user_id}", { params, body: profile });
}

/** Making an account for somebody, and changing one. What one may not see is not offered. */
export function usePersonForm(saved: (result: unknown) => unknown) {
  const access = useAccess();
  const prefs = usePrefs();
  const roles = useRoles();
  const positions = usePositions();
  const departments = useDepartments();
  const fields: FormField<PersonValues>[] = [
    {
      name: "email",
      label: "people.email",
      hint: "people.email_hint",
      as: "email",
      only: "create",
      maxlength: 254,
    },
    { name: "display_name", label: "people.name", maxlength: 64 },
    { name: "phone", label: "people.phone", optional: true, only: "update", maxlength: 32 },
    {
      name: "locale",
      label: "people.locale",
      hint: "people.locale_hint",
      as: "select",
      options: languages,
    },
    {
      name: "department_id",
      label: "people.department",
      as: "tree",
      optional: true,
      nodes: () => departments.nodes.value,
      when: () => access.may(READ.departments),
    },
    {
      name: "role_ids",
      label: "people.roles",
      hint: "people.roles_hint",
      as: "select",
      multiple: true,
      optional: true,
      options: () => roles.value,
      when: () => access.may(READ.roles),
    },
    {
      name: "position_ids",
      label: "people.positions",
      as: "select",
      multiple: true,
      optional: true,
      options: () => positions.value,
      when: () => access.may(READ.positions),
    },
  ];
  return useForm<PersonValues, Person>({
    fields,
    empty: () => ({
      email: "",
      display_name: "",
      phone: null,
      locale: prefs.language,
      department_id: null,
      role_ids: [],
      position_ids: [],
    }),
    read: readPerson,
    create: ({ email, display_name, locale, department_id, role_ids, position_ids }) => {
      const body = { email, display_name, locale, department_id, role_ids, position_ids };
      return take(api.POST("/api/v1/accounts/users", { body }));
    },
    update: save,
    saved,
    failed: () => saved(undefined), // some of it may have been saved
  });
}

import { api, take } from "@/api/client";
import { useAccess } from "@/app/access";
import { usePrefs } from "@/app/prefs";
import type { FormField } from "@/ui/crud/types";
import { useForm } from "@/ui/crud/useForm";

import { languages, READ, useDepartments, useRoles, useTeams } from "./choices";
import type { Invitation, Locale, State } from "./types";

const DAYS = 7;
const MOST_DAYS = 90;

export function stateOfInvitation(invitation: Invitation, now = Date.now()): State {
  if (invitation.used_at !== null) return { kind: "ok", key: "people.invitation.states.used" };
  const over = Date.parse(invitation.expires_at) <= now;
  return over
    ? { kind: "off", key: "people.invitation.states.over" }
    : { kind: "warn", key: "people.invitation.states.open" };
}

interface InvitationValues {
  email: string | null;
  role_ids: string[];
  department_id: string | null;
  group_ids: string[];
  locale: Locale;
  days: number | null;
  note: string | null;
}

/** Inviting somebody, with a place and rights already chosen. What one may not see is not offered. */
export function useInvitationForm(saved: (result: unknown) => unknown) {
  const access = useAccess();
  const prefs = usePrefs();
  const roles = useRoles();
  const teams = useTeams();
  const departments = useDepartments();
  const fields: FormField<InvitationValues>[] = [
    {
      name: "email",
      label: "people.email",
      hint: "people.invitation.email_hint",
      as: "email",
      optional: true,
      maxlength: 254,
    },
    {
      name: "locale",
      label: "people.invitation.locale",
      as: "select",
      options: languages,
      when: ({ email }) => (email ?? "") !== "",
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
      name: "department_id",
      label: "people.department",
      as: "tree",
      optional: true,
      nodes: () => departments.nodes.value,
      when: () => access.may(READ.departments),
    },
    {
      name: "group_ids",
      label: "people.groups",
      hint: "people.groups_hint",
      as: "select",
      multiple: true,
      optional: true,
      options: () => teams.value,
      when: () => access.may(READ.groups),
    },
    {
      name: "days",
      label: "people.invitation.days",
      as: "number",
      min: 1,
      max: MOST_DAYS,
    },
    {
      name: "note",
      label: "people.invitation.note",
      hint: "people.invitation.note_hint",
      optional: true,
      maxlength: 255,
    },
  ];
  return useForm<InvitationValues, Invitation>({
    fields,
    empty: () => ({
      email: null,
      role_ids: [],
      department_id: null,
      group_ids: [],
      locale: prefs.language,
      days: DAYS,
      note: "",
    }),
    create: ({ email, days, note, ...rest }) => {
      const body = {
        ...rest,
        email: email?.trim() ? email.trim() : null,
        days: days ?? DAYS,
        note: note ?? "",
      };
      return take(api.POST("/api/v1/accounts/invitations", { body }));
    },
    saved,
    done: null,
  });
}

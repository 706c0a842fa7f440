import { api } from "@/api/client";
import { usePolicy } from "@/app/policy";
import { useSession } from "@/app/session/store";
import { i18n } from "@/i18n";
import type { BatchAction, RowAction } from "@/ui/crud/types";
import type { Question } from "@/ui/feedback/confirm";
import { withProof } from "@/ui/sign/challenge";

import type { Person, State } from "./types";

export const WRITE = "accounts.users:write";

/** Something to do with a person, with a sentence about what it does. */
export interface Deed extends RowAction<Person> {
  text: string;
}

type Batch = "disable" | "enable" | "approve" | "sign_out" | "delete";

/** They have signed up and confirmed their address: an administrator has to say yes. */
export function awaits({ status, email_verified_at }: Person): boolean {
  return status === "pending" && email_verified_at !== null;
}

export function stateOf(person: Person): State {
  if (awaits(person)) return { kind: "warn", key: "people.states.awaiting" };
  if (person.status === "pending") return { kind: "off", key: "people.states.unconfirmed" };
  if (person.status === "active") return { kind: "ok", key: "people.states.active" };
  return { kind: "bad", key: "people.states.disabled" };
}

const of = ({ id }: Person) => ({ params: { path: { user_id: id } } });

function forgot(email: string) {
  return withProof((challenge) =>
    api.POST("/api/v1/auth/password/forgot", {
      body: { email, ...(challenge === undefined ? {} : { challenge }) },
    }),
  );
}

export function approve(person: Person) {
  return api.POST("/api/v1/accounts/users/{user_id}/approve", of(person));
}

export function remove(person: Person) {
  return api.DELETE("/api/v1/accounts/users/{user_id}", of(person));
}

export function refusal({ display_name: name, email }: Person): Question {
  const { t } = i18n.global;
  return {
    title: t("people.refuse.title", { name }),
    text: t("people.refuse.text", { email }),
    action: t("people.refuse.go"),
    danger: true,
  };
}

/** All of one deed to several people, at once or not at all. */
export function toAll(people: readonly Person[], action: Batch) {
  const ids = people.map(({ id }) => id);
  return api.POST("/api/v1/accounts/users/batch", { body: { ids, action } });
}

/** What can be done to somebody. `disable` asks why, in a dialog of its own. */
export function useDeeds(disable: (person: Person) => unknown): Deed[] {
  const { t } = i18n.global;
  const session = useSession();
  const { data: policy } = usePolicy();
  const other = ({ id }: Person) => id !== session.user?.id;
  const question = (deed: string) => (person: Person) => ({
    title: t(`people.${deed}.title`, { name: person.display_name }),
    text: t(`people.${deed}.text`),
    action: t(`people.${deed}.go`),
    danger: true,
  });
  const deed = (name: string, more: Omit<Deed, "name" | "title" | "text" | "needs">): Deed => ({
    name,
    title: `people.${name}.go`,
    text: `people.${name}.text`,
    needs: WRITE,
    ...more,
  });
  return [
    deed("approve", { icon: "check", done: "people.approve.done", when: awaits, run: approve }),
    deed("refuse", {
      icon: "close",
      danger: true,
      done: "people.refuse.done",
      when: awaits,
      confirm: refusal,
      run: remove,
    }),
    deed("sign_out", {
      icon: "out",
      done: "people.sign_out.done",
      when: ({ status }) => status === "active",
      confirm: question("sign_out"),
      run: (person) => api.POST("/api/v1/accounts/users/{user_id}/sign-out", of(person)),
    }),
    deed("reset", {
      icon: "mail",
      done: "people.reset.done",
      when: ({ status }) => status === "active" && (policy.value?.mail ?? false),
      run: ({ email }) => forgot(email),
    }),
    deed("factors", {
      icon: "key",
      danger: true,
      done: "people.factors.done",
      when: (person) => person.status === "active" && other(person),
      confirm: question("factors"),
      run: (person) => api.POST("/api/v1/accounts/users/{user_id}/reset-factors", of(person)),
    }),
    deed("disable", {
      icon: "pause",
      danger: true,
      when: (person) => person.status !== "disabled" && !awaits(person) && other(person),
      run: disable,
    }),
    deed("enable", {
      icon: "play",
      done: "people.enable.done",
      when: ({ status }) => status === "disabled",
      run: (person) => api.POST("/api/v1/accounts/users/{user_id}/enable", of(person)),
    }),
    deed("remove", {
      icon: "remove",
      danger: true,
      done: "people.remove.done",
      when: (person) => !awaits(person) && other(person),
      confirm: (person) => ({ ...question("remove")(person), type: person.email }),
      run: remove,
    }),
  ];
}

/** The same for everybody who is chosen. */
export function batchDeeds(): BatchAction<Person>[] {
  const { t } = i18n.global;
  const question = (deed: string) => (people: Person[]) => ({
    title: t(`people.batch.${deed}`, { count: people.length }),
    text: t(`people.${deed}.text`),
    action: t(`people.${deed}.go`),
    danger: true,
  });
  const plain = (name: Batch, deed: string = name): BatchAction<Person> => ({
    name,
    title: `people.${deed}.go`,
    needs: WRITE,
    done: "people.batch.done",
    run: (people) => toAll(people, name),
  });
  return [
    {
      ...plain("approve"),
      // Of all that are chosen, those who wait: one who does not would refuse it for all.
      run: (people) => {
        const waiting = people.filter(awaits);
        return toAll(waiting.length > 0 ? waiting : people, "approve");
      },
    },
    { ...plain("enable") },
    { ...plain("sign_out"), confirm: question("sign_out") },
    { ...plain("disable"), danger: true, confirm: question("disable") },
    {
      ...plain("delete", "remove"),
      danger: true,
      confirm: (people) => ({ ...question("remove")(people), type: String(people.length) }),
    },
  ];
}

/** The tree of permissions: modules, what they are about, and what may be done with it. */
import { moduleTitle, partsOf, subjectTitle, verbTitle } from "../shared/titles";
import type { ModulePermissions } from "../types";

export interface Subject {
  name: string;
  title: string;
  permissions: string[];
}

export interface Branch {
  module: string;
  title: string;
  subjects: Subject[];
}

export type Mark = "all" | "some" | "none";

export function branchesOf(modules: readonly ModulePermissions[]): Branch[] {
  return modules.map(({ module, permissions }) => {
    const subjects = new Map<string, Subject>();
    for (const { permission } of permissions) {
      const { subject } = partsOf(permission);
      const found = subjects.get(subject) ?? {
        name: subject,
        title: subjectTitle(module, subject),
        permissions: [],
      };
      found.permissions.push(permission);
      subjects.set(subject, found);
    }
    return { module, title: moduleTitle(module), subjects: [...subjects.values()] };
  });
}

/** What a text is found in: the words of the reader, and the permission itself. */
export function search(branches: readonly Branch[], text: string): Branch[] {
  const wanted = text.trim().toLowerCase();
  const has = (value: string) => value.toLowerCase().includes(wanted);
  if (wanted === "") return [...branches];
  return branches.flatMap((branch) => {
    if (has(branch.title)) return [branch];
    const subjects = branch.subjects.flatMap((subject) => {
      if (has(subject.title)) return [subject];
      const permissions = subject.permissions.filter((one) => has(one) || has(verbTitle(one)));
      return permissions.length > 0 ? [{ ...subject, permissions }] : [];
    });
    return subjects.length > 0 ? [{ ...branch, subjects }] : [];
  });
}

export function permissionsIn({ subjects }: Pick<Branch, "subjects">): string[] {
  return subjects.flatMap(({ permissions }) => permissions);
}

export function markOf(permissions: readonly string[], chosen: ReadonlySet<string>): Mark {
  const count = permissions.filter((one) => chosen.has(one)).length;
  if (count === 0) return "none";
  return count === permissions.length ? "all" : "some";
}

/** With all of these, or without any of them when all were there; what is not in reach stays. */
export function toggled(
  chosen: readonly string[],
  permissions: readonly string[],
  inReach: (permission: string) => boolean,
): string[] {
  const these = permissions.filter(inReach);
  const had = new Set(chosen);
  if (markOf(these, had) === "all") return chosen.filter((one) => !these.includes(one));
  return [...chosen, ...these.filter((one) => !had.has(one))];
}

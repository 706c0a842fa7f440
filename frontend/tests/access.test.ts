import { readFileSync } from "node:fs";
import { join } from "node:path";

import { mount } from "@vue/test-utils";
import { beforeEach, describe, expect, test } from "vitest";
import { nextTick } from "vue";

import { ApiError } from "@/api/errors";
import { menuTitle } from "@/app/menu";
import { i18n, LANGUAGES, menuTitles, needTexts, switchLanguage, type Language } from "@/i18n";
import {
  linkOf,
  overrideOf,
  TOP,
  treeOf,
  valuesOf as menuValues,
} from "@/modules/access/menus/entries";
import { bodyOf, valuesOf } from "@/modules/access/roles/form";
import PermissionTree from "@/modules/access/roles/PermissionTree.vue";
import { branchesOf, markOf, permissionsIn, search, toggled } from "@/modules/access/roles/tree";
import { moved, narrowed, siblingsIn } from "@/modules/access/shared/order";
import { partsOf, permissionTitle, roleName, verbTitle } from "@/modules/access/shared/titles";
import type { MenuItem, Role } from "@/modules/access/types";
import { explain } from "@/ui/feedback/explain";

const DECLARED = JSON.parse(
  readFileSync(join(import.meta.dirname, "../../docs/reference/access.json"), "utf8"),
) as { permissions: string[]; menu: string[] };

const MODULES = [
  {
    module: "gateway",
    permissions: ["gateway.logs:read", "gateway.logs:write", "gateway.usage:read"],
  },
  { module: "hello", permissions: ["hello.greetings:read"] },
].map(({ module, permissions }) => ({
  module,
  permissions: permissions.map((permission) => ({ permission, member: false })),
}));

beforeEach(async () => {
  await switchLanguage("en");
  await needTexts("access");
});

test.each(Object.keys(LANGUAGES) as Language[])(
  "every permission and every entry of the menu has a title in %s",
  async (language) => {
    await switchLanguage(language);
    const { te } = i18n.global;
    const wanted = DECLARED.permissions.flatMap((permission) => {
      const { module, subject, verb } = partsOf(permission);
      const place = `access.permissions.${module}`;
      return [`${place}.title`, `${place}.${subject}.title`, `${place}.${subject}.${verb}`];
    });
    expect(wanted.filter((key) => !te(key))).toEqual([]);
    expect(DECLARED.menu.filter((name) => menuTitles()[name] === undefined)).toEqual([]);
  },
);

test("what has no title here is called by its own words", () => {
  expect(permissionTitle("gateway.logs:write")).toBe("Logs: Delete");
  expect(permissionTitle("hello.greetings:read")).toBe("hello.greetings: read");
  expect(verbTitle("hello.greetings:read")).toBe("read");
});

test("a link's title is an administrator's, if need be in another language", () => {
  expect(menuTitle({ name: "access.roles", titles: null })).toBe("Roles");
  expect(menuTitle({ name: "access.roles", titles: { en: "Rights" } })).toBe("Rights");
  expect(menuTitle({ name: "access.roles", titles: { "zh-TW": "權利" } })).toBe("Roles");
  expect(menuTitle({ name: "link.1", titles: { "zh-TW": "文件" } })).toBe("文件");
});

test("a built-in role is called by its name here until it gets another", async () => {
  const member = { code: "member", name: "Member", built_in: true };
  await switchLanguage("zh-TW");
  expect(roleName(member)).toBe("一般成員");
  expect(roleName({ ...member, name: "Guest" })).toBe("Guest");
  expect(roleName({ ...member, built_in: false })).toBe("Member");
});

describe("the tree of permissions", () => {
  const branches = () => branchesOf(MODULES);

  test("has modules, what they are about, and what may be done with it", () => {
    expect(branches().map(({ title }) => title)).toEqual(["Gateway", "hello"]);
    expect(branches()[0]?.subjects.map(({ title, permissions }) => [title, permissions])).toEqual([
      ["Logs", ["gateway.logs:read", "gateway.logs:write"]],
      ["Usage", ["gateway.usage:read"]],
    ]);
  });

  test("is searched by the reader's words and by the permission itself", () => {
    const found = (text: string) => search(branches(), text).flatMap(permissionsIn);
    expect(found("delete")).toEqual(["gateway.logs:write"]);
    expect(found("usage")).toEqual(["gateway.usage:read"]);
    expect(found("GATEWAY.LOGS")).toEqual(["gateway.logs:read", "gateway.logs:write"]);
    expect(found("gateway")).toHaveLength(3);
    expect(found("nothing")).toEqual([]);
  });

  test("marks a branch by what is chosen in it, and chooses all of it or none", () => {
    const logs = ["gateway.logs:read", "gateway.logs:write"];
    const any = () => true;
    expect(markOf(logs, new Set())).toBe("none");
    expect(markOf(logs, new Set(["gateway.logs:read"]))).toBe("some");
    expect(markOf(logs, new Set(logs))).toBe("all");
    expect(toggled(["a", "gateway.logs:read"], logs, any)).toEqual(["a", ...logs]);
    expect(toggled(["a", ...logs], logs, any)).toEqual(["a"]);
  });

  test("never touches what is out of reach", () => {
    const inReach = (permission: string) => permission.endsWith(":read");
    const logs = ["gateway.logs:read", "gateway.logs:write"];
    expect(toggled([], logs, inReach)).toEqual(["gateway.logs:read"]);
    expect(toggled(logs, logs, inReach)).toEqual(["gateway.logs:write"]);
  });

  function show(chosen: string[] = []) {
    const field = { id: "f", "aria-describedby": undefined, "aria-invalid": undefined } as const;
    return mount(PermissionTree, {
      props: {
        modules: MODULES,
        inReach: (permission: string) => permission !== "gateway.usage:read",
        field,
        modelValue: chosen,
        "onUpdate:modelValue": (next: string[]) => wrapper.setProps({ modelValue: next }),
      },
      global: { plugins: [i18n] },
      attachTo: document.body,
    });
  }
  let wrapper: ReturnType<typeof show>;
  const box = (label: string) => {
    const found = wrapper.findAll("label").find((one) => one.text() === label);
    return found?.find("input").element as HTMLInputElement;
  };

  test("checks all of a module, and again none", async () => {
    wrapper = show(["gateway.logs:read"]);
    expect(box("Gateway").indeterminate).toBe(true);
    box("Gateway").click();
    await nextTick();
    expect(wrapper.props("modelValue")).toEqual(["gateway.logs:read", "gateway.logs:write"]);
    expect([box("Gateway").checked, box("Gateway").indeterminate]).toEqual([true, false]);
    box("Gateway").click();
    await nextTick();
    expect(wrapper.props("modelValue")).toEqual([]);
    expect(box("Usage").disabled).toBe(true);
    wrapper.unmount();
  });

  test("is walked with the arrow keys, and folds to the left", async () => {
    wrapper = show();
    box("Gateway").focus();
    const press = async (key: string) => {
      const event = new KeyboardEvent("keydown", { key, bubbles: true, cancelable: true });
      document.activeElement?.dispatchEvent(event);
      await nextTick();
    };
    await press("ArrowDown");
    expect(document.activeElement).toBe(box("Logs"));
    await press("End");
    expect(document.activeElement).toBe(box("read"));
    await press("Home");
    expect(document.activeElement).toBe(box("Gateway"));
    await press("ArrowLeft");
    expect(wrapper.text()).not.toContain("Logs");
    await press("ArrowRight");
    expect(wrapper.text()).toContain("Logs");
    wrapper.unmount();
  });
});

test("of a built-in role only what it may be called and what it grants is sent", () => {
  const role = {
    code: "member",
    name: "Member",
    description: "",
    data_scope: "self",
    department_ids: [],
    permissions: ["access.self:use"],
    sort: 0,
  } as unknown as Role;
  expect(bodyOf(valuesOf({ ...role, built_in: true }))).toEqual({
    name: "Member",
    description: "",
  });
  const own = { ...valuesOf({ ...role, built_in: false }), department_ids: ["d"] };
  expect(bodyOf(own)).toMatchObject({ data_scope: "self", department_ids: [] });
  expect(bodyOf({ ...own, data_scope: "chosen" })).toMatchObject({ department_ids: ["d"] });
});

describe("the order among siblings", () => {
  interface Row {
    name: string;
    sort: number;
    children: Row[];
  }
  const row = (name: string, sort: number, children: Row[] = []): Row => ({ name, sort, children });
  const told = (changes: { row: Row; sort: number }[]) =>
    changes.map((one) => `${one.row.name} ${one.sort}`);

  test("is kept in the numbers there are, where they tell all apart", () => {
    const rows = [row("a", 1), row("b", 5), row("c", 9)];
    expect(told(moved(rows, rows[1] as Row, -1))).toEqual(["b 1", "a 5"]);
    expect(told(moved(rows, rows[1] as Row, 1))).toEqual(["c 5", "b 9"]);
  });

  test("gets numbers of its own where some are the same", () => {
    const rows = [row("a", 0), row("b", 0), row("c", 30)];
    expect(told(moved(rows, rows[0] as Row, 1))).toEqual(["b 10", "a 20"]);
  });

  test("ends where there is nobody to change places with", () => {
    const rows = [row("a", 1), row("b", 2)];
    expect(moved(rows, rows[0] as Row, -1)).toEqual([]);
    expect(moved(rows, rows[1] as Row, 1)).toEqual([]);
  });

  test("a tree is narrowed to what matches, with all above and below it", () => {
    const tree = [row("top", 0, [row("east", 0, [row("desk", 0)]), row("west", 1)])];
    const names = (rows: Row[]): unknown[] => rows.map((one) => [one.name, names(one.children)]);
    expect(names(narrowed(tree, ({ name }) => name === "east"))).toEqual([
      ["top", [["east", [["desk", []]]]]],
    ]);
    expect(narrowed(tree, () => false)).toEqual([]);
    const east = tree[0]?.children[0] as Row;
    expect(
      siblingsIn(tree)
        .get(east)
        ?.map(({ name }) => name),
    ).toEqual(["east", "west"]);
  });
});

describe("the menu", () => {
  const item = (name: string, more: Partial<MenuItem> = {}): MenuItem => ({
    name,
    kind: "page",
    path: `/${name}`,
    icon: "key",
    needs: null,
    parent: null,
    sort: 0,
    hidden: false,
    titles: null,
    changed: false,
    link_id: null,
    default: { parent: null, icon: "key", sort: 0 },
    ...more,
  });

  test("is a tree in its order, and what is in nothing stands at the top", () => {
    const tree = treeOf([
      item("b", { sort: 2, parent: "d" }),
      item("a", { sort: 1, parent: "d" }),
      item("d", { kind: "directory", sort: 5 }),
      item("lost", { parent: "gone" }),
    ]);
    expect(tree.map(({ name }) => name)).toEqual(["lost", "d"]);
    expect(tree[1]?.children.map(({ name }) => name)).toEqual(["a", "b"]);
  });

  test("sends of an entry only what differs from its module, and nothing where nothing does", () => {
    const entry = item("a", {
      parent: "d",
      default: { parent: "d", icon: "key", sort: 3 },
      sort: 3,
    });
    const values = menuValues(entry);
    expect(overrideOf(values, entry)).toBeNull();
    const titles = { en: " Rights ", "zh-CN": "", "zh-TW": "" };
    expect(overrideOf({ ...values, titles, parent: TOP, sort: 7 }, entry)).toEqual({
      titles: { en: "Rights" },
      icon: null,
      parent: "",
      sort: 7,
      hidden: false,
    });
    expect(overrideOf({ ...values, hidden: true }, entry)).toMatchObject({
      parent: null,
      hidden: true,
    });
  });

  test("sends all of a link, and no address of a directory", () => {
    const values = {
      ...menuValues(item("link.1", { kind: "link", path: "/docs" })),
      url: " /docs ",
    };
    expect(linkOf(values)).toMatchObject({ url: "/docs", parent: "", needs: null });
    expect(linkOf({ ...values, kind: "directory" })).toMatchObject({ url: "" });
  });
});

test("a refusal says how much of what is in the way", () => {
  const errors = [
    { field: "people", message: "3" },
    { field: "roles", message: "1" },
  ];
  const refused = new ApiError(409, "department_in_use", { errors });
  expect(explain(refused).text).toContain("people (3) and roles (1)");
  expect(explain(new ApiError(409, "department_in_use")).text).toContain("still belongs");
});

import { VueQueryPlugin } from "@tanstack/vue-query";
import { flushPromises, mount } from "@vue/test-utils";
import { beforeEach, describe, expect, test, vi } from "vitest";
import { defineComponent, h } from "vue";
import { createMemoryHistory, createRouter, type Router } from "vue-router";

import type { Page } from "@/api/contract";
import { ApiError } from "@/api/errors";
import { useAccess } from "@/app/access";
import { makeQueryClient } from "@/app/query";
import { i18n, switchLanguage } from "@/i18n";
import CrudPage from "@/ui/crud/CrudPage.vue";
import DataTable from "@/ui/crud/DataTable.vue";
import { statusActions } from "@/ui/crud/status";
import type { BatchAction, Column, RowAction } from "@/ui/crud/types";
import { useColumns } from "@/ui/crud/useColumns";
import { useForm } from "@/ui/crud/useForm";
import { useList, type ListQuery } from "@/ui/crud/useList";
import { asked } from "@/ui/feedback/confirm";
import { toasts } from "@/ui/feedback/toasts";

interface Row {
  id: string;
  name: string;
  calls: number;
}

const ROWS: Row[] = [
  { id: "a", name: "first", calls: 1 },
  { id: "b", name: "second", calls: 2345 },
];
const COLUMNS: Column<Row>[] = [
  { name: "name", title: "ui.sign.email", sort: true },
  { name: "calls", title: "ui.sign.password", as: "number" },
];

type Fetch = (query: ListQuery, signal: AbortSignal) => Promise<Page<Row>>;
const fetch = vi.fn<Fetch>();
let router: Router;

function answer(items: Row[] = ROWS, total = items.length): Page<Row> {
  return { items, total, page: 1, page_size: 20 };
}

interface More {
  actions?: RowAction<Row>[];
  batch?: BatchAction<Row>[];
}

async function show(path = "/things", more: More = {}) {
  router = createRouter({
    history: createMemoryHistory(),
    routes: [{ path: "/things", component: { render: () => null } }],
  });
  await router.push(path);
  const page = defineComponent({
    setup() {
      const list = useList<Row>({
        name: "things",
        fetch,
        filters: [{ name: "search", label: "ui.search.go" }],
        sort: "name",
      });
      return () =>
        h(CrudPage as never, { title: "ui.menu", list, columns: COLUMNS, ...more } as never);
    },
  });
  const plugins = [router, i18n, [VueQueryPlugin, { queryClient: makeQueryClient() }] as never];
  const wrapper = mount(page, { global: { plugins }, attachTo: document.body });
  await flushPromises();
  return wrapper;
}

beforeEach(async () => {
  await switchLanguage("en");
  fetch.mockReset().mockResolvedValue(answer());
  asked.value = null;
});

describe("a tree", () => {
  interface Node {
    id: string;
    children: Node[];
  }
  const node = (id: string, ...children: Node[]): Node => ({ id, children });
  const shown = (wrapper: ReturnType<typeof tree>) =>
    wrapper.findAll("tbody tr").map((one) => one.find(".content").text());
  function tree() {
    return mount(DataTable<Node>, {
      props: {
        label: "things",
        columns: [{ name: "id", title: "ui.menu" }],
        rows: [node("top", node("east", node("desk")), node("west")), node("alone")],
        keyOf: ({ id }: Node) => id,
        childrenOf: ({ children }: Node) => children,
      },
      global: { plugins: [i18n] },
      attachTo: document.body,
    });
  }

  test("shows what is below, and folds it away, by keyboard too", async () => {
    const wrapper = tree();
    expect(shown(wrapper)).toEqual(["top", "east", "desk", "west", "alone"]);
    const fold = () => wrapper.findAll("tbody .fold");
    expect(fold()).toHaveLength(2); // only where something is below
    await fold()[1]?.trigger("keydown", { key: "ArrowLeft" });
    expect(shown(wrapper)).toEqual(["top", "east", "west", "alone"]);
    expect(fold()[1]?.attributes("aria-expanded")).toBe("false");
    await fold()[0]?.trigger("click");
    expect(shown(wrapper)).toEqual(["top", "alone"]);
    await fold()[0]?.trigger("keydown", { key: "ArrowRight" });
    expect(shown(wrapper)).toEqual(["top", "east", "west", "alone"]);
    wrapper.unmount();
  });

  test("folds and unfolds as a whole", async () => {
    const wrapper = tree();
    await wrapper.find("th .fold").trigger("click");
    expect(shown(wrapper)).toEqual(["top", "alone"]);
    await wrapper.find("th .fold").trigger("click");
    expect(shown(wrapper)).toHaveLength(5);
    wrapper.unmount();
  });
});

test("a thing is offered to be enabled or disabled, whichever it is not", () => {
  const set = vi.fn();
  const offered = (status: string, own = true) =>
    statusActions<{ status: string; own: boolean }>({ needs: "x", set, when: (row) => row.own })
      .filter((action) => action.when?.({ status, own }))
      .map(({ name }) => name);
  expect(offered("enabled")).toEqual(["disable"]);
  expect(offered("disabled")).toEqual(["enable"]);
  expect(offered("revoked")).toEqual([]);
  expect(offered("enabled", false)).toEqual([]);
});

test("a cell that says nothing is marked, for phones to leave it out; a missing price is not", () => {
  interface Priced {
    id: string;
    note: string | null;
    tags: string[];
    price: string | null;
  }
  const columns: Column<Priced>[] = [
    { name: "id", title: "ui.menu" },
    { name: "note", title: "ui.menu" },
    { name: "tags", title: "ui.menu", as: "tags" },
    { name: "price", title: "ui.menu", as: "money" },
  ];
  const rows = [
    { id: "a", note: "n", tags: ["t"], price: "1" },
    { id: "b", note: null, tags: [], price: null },
  ];
  const props = { label: "l", columns, rows, keyOf: (row: Priced) => row.id };
  const table = mount(DataTable as never, { props: props as never, global: { plugins: [i18n] } });
  const marked = table
    .findAll("tbody tr")
    .map((row) => row.findAll("td").map((cell) => cell.classes("nothing")));
  expect(marked).toEqual([
    [false, false, false, false],
    [false, true, true, false],
  ]);
});

describe("a list", () => {
  test("shows its rows with their numbers in the reader's way", async () => {
    const wrapper = await show();
    expect(wrapper.findAll("tbody tr")).toHaveLength(2);
    expect(wrapper.find("tbody tr:nth-child(2) td.number").text()).toBe("2,345");
    expect(fetch.mock.calls[0]?.[0]).toEqual({ page: 1, page_size: 20, sort: "name" });
  });

  test("takes its page, order and filters from the address and puts them there", async () => {
    const wrapper = await show("/things?page=3&sort=-name&search=cat&evil=1");
    expect(fetch.mock.calls[0]?.[0]).toEqual({
      page: 3,
      page_size: 20,
      sort: "-name",
      search: "cat",
    });
    await wrapper.find("input[type=search]").setValue("dog");
    await wrapper.find("form").trigger("submit");
    await flushPromises();
    expect(router.currentRoute.value.fullPath).toBe("/things?search=dog&sort=-name");
  });

  test("is sorted by its headings, which say so", async () => {
    const wrapper = await show();
    const heading = () => wrapper.find("th[scope=col]");
    expect(heading().attributes("aria-sort")).toBe("ascending");
    await heading().find("button").trigger("click");
    await flushPromises();
    expect(heading().attributes("aria-sort")).toBe("descending");
  });

  test("that is empty or fails says what to do", async () => {
    fetch.mockResolvedValue(answer([]));
    expect((await show()).text()).toContain("There is nothing here yet.");
    expect((await show("/things?search=x")).text()).toContain("Nothing matches these filters.");
    fetch.mockRejectedValue(new ApiError(403, "forbidden", { requestId: "r9" }));
    expect((await show()).find("[role=alert]").text()).toContain("You are not permitted");
  });

  test("that can't be asked for again shows what it had and says why, unless that may not be seen", async () => {
    const wrapper = await show();
    const refresh = async () => {
      await wrapper.find("button[title=Refresh]").trigger("click");
      await flushPromises();
    };
    fetch.mockRejectedValue(new ApiError(409, "odd", { detail: "Odd." }));
    await refresh();
    expect(wrapper.findAll("tbody tr")).toHaveLength(2);
    expect(wrapper.find("[role=alert]").text()).toBe("Odd.");
    fetch.mockRejectedValue(new ApiError(403, "forbidden"));
    await refresh();
    expect(wrapper.find("table").exists()).toBe(false);
    expect(wrapper.find("[role=alert]").text()).toContain("You are not permitted");
    fetch.mockResolvedValue(answer());
    await refresh();
    expect(wrapper.findAll("tbody tr")).toHaveLength(2);
    expect(wrapper.find("[role=alert]").exists()).toBe(false);
  });

  test("hides its filters on a phone until they are asked for or in use", async () => {
    vi.stubGlobal("matchMedia", () => ({ matches: true, addEventListener: () => undefined }));
    const wrapper = await show();
    expect(wrapper.find("input[type=search]").exists()).toBe(false);
    expect((await show("/things?search=x")).find("input[type=search]").exists()).toBe(true);
    await wrapper.find("button[title=Filters]").trigger("click");
    expect(wrapper.find("input[type=search]").exists()).toBe(true);
    expect((await show()).find("input[type=search]").exists()).toBe(true);
  });

  test("never says that there are more than it has counted", async () => {
    fetch.mockResolvedValue(answer(ROWS, 10_001));
    expect((await show()).text()).toContain("1–2 of 10,000+");
  });

  test("offers only what the person may do", async () => {
    const run = vi.fn();
    const actions = [
      { name: "one", title: "ui.copy.copy", needs: "things:write", run },
      { name: "two", title: "ui.copy.copied", run, when: (row: Row) => row.id === "b" },
    ];
    const wrapper = await show("/things", { actions });
    expect(wrapper.findAll("td.actions button")).toHaveLength(1);
    const access = useAccess();
    access.administrator = true;
    await flushPromises();
    expect(wrapper.findAll("td.actions button")).toHaveLength(3);
  });

  test("does with all chosen rows what was confirmed, and says so", async () => {
    const run = vi.fn(() => Promise.resolve());
    const confirm = (rows: Row[]) => ({ title: "t", text: String(rows.length), action: "a" });
    const batch = [{ name: "x", title: "ui.copy.copy", done: "ui.form.saved", confirm, run }];
    const wrapper = await show("/things", { batch });
    await wrapper.find("thead input").trigger("change");
    await wrapper.find(".doing button").trigger("click");
    expect(asked.value?.text).toBe("2");
    expect(run).not.toHaveBeenCalled();
    asked.value?.answer(true);
    await flushPromises();
    expect(run).toHaveBeenCalledExactlyOnceWith(ROWS);
    expect(toasts.map((toast) => toast.text)).toEqual(["Saved"]);
    expect(fetch).toHaveBeenCalledTimes(2);
  });

  test("remembers which columns show", async () => {
    const settings = useColumns("things", COLUMNS);
    settings.toggle("calls");
    settings.toggle("name"); // one has to stay
    const again = useColumns("things", COLUMNS);
    expect(again.shown.value.map((column) => column.name)).toEqual(["name"]);
    again.move("calls", -1);
    expect(useColumns("things", COLUMNS).ordered.value.map((column) => column.name)).toEqual([
      "calls",
      "name",
    ]);
    localStorage.setItem("paifang.columns.things", '{"order":3}'); // of another version
    expect(useColumns("things", COLUMNS).shown.value).toHaveLength(2);
    const wrapper = await show();
    expect(wrapper.findAll("th[scope=col]")).toHaveLength(2);
  });
});

describe("a form", () => {
  interface Values {
    name: string;
    limits: { rpm: number | null };
  }
  const fields = [
    { name: "name", label: "x" },
    { name: "limits", label: "y", only: "update" },
  ] as const;

  function make(create: (values: Values) => Promise<unknown>) {
    return useForm<Values, Row>({
      fields,
      empty: () => ({ name: "", limits: { rpm: null } }),
      read: (row) => ({ name: row.name, limits: { rpm: null } }),
      create,
      update: (_row, values) => create(values),
    });
  }

  test("tells when a change was refused: a part of it may have been made", async () => {
    const failed = vi.fn();
    const refuse = () => Promise.reject(new ApiError(409, "conflict"));
    const form = useForm<{ name: string }, Row>({
      fields: [{ name: "name", label: "ui.sign.email" }],
      empty: () => ({ name: "" }),
      create: refuse,
      update: refuse,
      failed,
    });
    form.openNew();
    await form.submit();
    expect(failed).not.toHaveBeenCalled();
    form.openEdit(ROWS[0] as Row);
    await form.submit();
    expect(failed).toHaveBeenCalledOnce();
  });

  test("puts the server's complaints at their fields and keeps what was typed", async () => {
    const errors = [{ field: "limits.rpm", message: "too many" }];
    const form = make(() => Promise.reject(new ApiError(422, "invalid", { errors })));
    form.openEdit(ROWS[0] as Row);
    form.values.name = "typed";
    await form.submit();
    expect(form.errors).toEqual({ limits: "too many" });
    expect([form.isOpen, form.values.name, form.error]).toEqual([true, "typed", null]);
    // The field is not there when making: then it is told above.
    form.openNew();
    await form.submit();
    expect(form.errors).toEqual({});
    expect(form.error).toBeInstanceOf(ApiError);
  });

  test("is sent once however often its button is pressed, and says when it is saved", async () => {
    const create = vi.fn(() => Promise.resolve());
    const form = make(create);
    form.openNew({ name: "mine" });
    await Promise.all([form.submit(), form.submit()]);
    expect(create).toHaveBeenCalledExactlyOnceWith({ name: "mine", limits: { rpm: null } });
    expect(form.isOpen).toBe(false);
    expect(toasts.at(-1)?.text).toBe("Saved");
  });

  test("asks before it throws away what was typed, and not when nothing was", async () => {
    const form = make(() => Promise.resolve());
    form.openNew();
    await form.close();
    expect(form.isOpen).toBe(false);
    form.openNew();
    form.values.name = "typed";
    const closing = form.close();
    asked.value?.answer(false);
    await closing;
    expect([form.isOpen, form.values.name]).toEqual([true, "typed"]);
    const again = form.close();
    asked.value?.answer(true);
    await again;
    expect(form.isOpen).toBe(false);
  });
});

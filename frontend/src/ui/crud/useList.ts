import { keepPreviousData, useQuery } from "@tanstack/vue-query";
import {
  computed,
  onActivated,
  onDeactivated,
  reactive,
  ref,
  shallowRef,
  watch,
  type Ref,
} from "vue";
import { useRoute, useRouter, type LocationQueryRaw } from "vue-router";

import type { Page } from "@/api/contract";
import { asApiError } from "@/api/errors";
import { recall, remember } from "@/app/storage";

import type { Filter } from "./types";

/** From here on a total means "more than that many". */
export const TOTAL_LIMIT = 10_000;
export const PAGE_SIZES = [10, 20, 50, 100] as const;
const USUAL_SIZE = 20;
const GONE = new Set([403, 404]);

/** What a list asks the server for. Filters that are empty are left out. */
export type ListQuery = { page: number; page_size: number; sort?: string } & Record<
  string,
  string | number | undefined
>;

export interface ListOptions<Row> {
  /** Unique, such as `gateway-tokens`: for the cache and for what is remembered. */
  name: string;
  fetch: (query: ListQuery, signal: AbortSignal) => Promise<Page<Row>>;
  filters?: readonly Filter[];
  /** What is asked for beside the filters, whatever they are: the group whose tokens are listed. */
  fixed?: () => Record<string, string | number | undefined>;
  /** What stays in the address though it is not the list's: the part of a page that it is in. */
  keeps?: readonly string[];
  /** False: wait, since what is `fixed` is not known yet. */
  ready?: () => boolean;
  /** The order at first: a column, `-` in front for downwards. */
  sort?: string;
  /** The row's own name among the rows; `row.id` without it. */
  key?: (row: Row) => string;
}

/** A list of the server: its page, order and filters stand in the address, so that they can be sent on. */
export function useList<Row extends object>(options: ListOptions<Row>) {
  const route = useRoute();
  const router = useRouter();
  const home = route.path;
  const filters = options.filters ?? [];
  const rememberedSize = Number(recall(`size.${options.name}`));
  const firstSize = PAGE_SIZES.find((size) => size === rememberedSize) ?? USUAL_SIZE;

  const page = ref(1);
  const pageSize = ref<number>(firstSize);
  const sort = ref(options.sort ?? "");
  const applied = shallowRef<Record<string, string>>({});
  const draft = reactive<Record<string, string>>({});
  const selection = ref(new Set<string>()) as Ref<Set<string>>;
  const active = ref(true);
  onActivated(() => (active.value = true));
  onDeactivated(() => (active.value = false));

  function read(): void {
    const text = (name: string) => {
      const value = route.query[name];
      return typeof value === "string" ? value : "";
    };
    page.value = Math.max(1, Math.trunc(Number(text("page"))) || 1);
    sort.value = text("sort") || (options.sort ?? "");
    applied.value = Object.fromEntries(
      filters.map(({ name }) => [name, text(name)] as const).filter(([, value]) => value !== ""),
    );
    for (const { name } of filters) draft[name] = applied.value[name] ?? "";
  }
  read();
  // Another tab of the console has an address of its own.
  watch(
    () => route.fullPath,
    () => {
      if (route.path === home) read();
    },
  );

  async function show(next: { page?: number; sort?: string; filters?: Record<string, string> }) {
    const kept = options.keeps ?? [];
    const others = Object.entries(route.query).filter(([name]) => kept.includes(name));
    const query: LocationQueryRaw = {
      ...Object.fromEntries(others),
      ...(next.filters ?? applied.value),
    };
    const wantedSort = next.sort ?? sort.value;
    if (wantedSort && wantedSort !== options.sort) query["sort"] = wantedSort;
    if ((next.page ?? 1) > 1) query["page"] = String(next.page);
    selection.value = new Set();
    await router.replace({ path: home, query });
  }

  const request = computed<ListQuery>(() => ({
    ...applied.value,
    ...options.fixed?.(),
    page: page.value,
    page_size: pageSize.value,
    ...(sort.value ? { sort: sort.value } : {}),
  }));
  const result = useQuery({
    queryKey: computed(() => ["list", options.name, request.value]),
    queryFn: ({ signal }) => options.fetch(request.value, signal),
    placeholderData: keepPreviousData,
    enabled: () => active.value && (options.ready?.() ?? true),
    // Who comes back to a list wants it as it is now; what was known is shown meanwhile.
    refetchOnMount: "always",
  });

  // What one may see no longer is not shown any more, though it is known.
  const isGone = computed(
    () => !result.data.value || GONE.has(asApiError(result.error.value)?.status ?? 0),
  );
  const rows = computed<Row[]>(() => result.data.value?.items ?? []);
  const total = computed(() => result.data.value?.total ?? 0);
  const keyOf = options.key ?? ((row: Row) => String((row as { id?: unknown }).id));
  const chosen = computed(() => rows.value.filter((row) => selection.value.has(keyOf(row))));
  const isFiltered = computed(() => Object.keys(applied.value).length > 0);

  return reactive({
    name: options.name,
    filters,
    draft,
    rows,
    total,
    page,
    pageSize,
    sort,
    selection,
    chosen,
    isFiltered,
    keyOf,
    isPending: result.isPending,
    isFetching: result.isFetching,
    error: computed(() => (isGone.value ? result.error.value : null)),
    late: computed(() => (isGone.value ? null : result.error.value)),
    refetch: () => result.refetch(),
    /** Applies the filters as they stand in the form. */
    search: () =>
      show({
        filters: Object.fromEntries(
          Object.entries(draft)
            .map(([name, value]) => [name, value.trim()] as const)
            .filter(([, value]) => value !== ""),
        ),
      }),
    reset: () => show({ filters: {} }),
    toPage: (wanted: number) => show({ page: wanted }),
    sortBy: (wanted: string) => show({ sort: wanted }),
    setPageSize: (size: number) => {
      pageSize.value = size;
      remember(`size.${options.name}`, String(size));
      return show({});
    },
  });
}

/** What {@link useList} gives; components take it whole. */
export interface List<Row extends object> {
  name: string;
  filters: readonly Filter[];
  draft: Record<string, string>;
  rows: Row[];
  total: number;
  page: number;
  pageSize: number;
  sort: string;
  selection: Set<string>;
  chosen: Row[];
  isFiltered: boolean;
  keyOf: (row: Row) => string;
  isPending: boolean;
  isFetching: boolean;
  /** Why there is nothing to show. */
  error: unknown;
  /** Why it could not be asked for again: what is shown is as it was. */
  late: unknown;
  refetch: () => Promise<unknown>;
  search: () => Promise<void>;
  reset: () => Promise<void>;
  toPage: (page: number) => Promise<void>;
  sortBy: (sort: string) => Promise<void>;
  setPageSize: (size: number) => Promise<void>;
}

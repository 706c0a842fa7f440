import { mount } from "@vue/test-utils";
import { expect, test, vi } from "vitest";
import { defineComponent } from "vue";

import { eventReader } from "@/modules/gateway/logs/events";
import { asQuery } from "@/modules/gateway/logs/columns";
import { KEPT, prepend, useLive } from "@/modules/gateway/logs/live";
import { bodyOf as channelBody } from "@/modules/gateway/channels/form";
import { nameOfGroup } from "@/modules/gateway/shared/options";
import { clientsOf, samplesOf } from "@/modules/gateway/tokens/connect";
import { bodyOf, changed } from "@/modules/gateway/tokens/form";
import type { Log, Sums, Usage } from "@/modules/gateway/types";
import { change, linesOf, measure, spread } from "@/modules/gateway/usage/metrics";
import { allowsHours, boundsOf, dayText } from "@/modules/gateway/usage/period";
import { apart } from "@/ui/chart/series";
import { duration, moneyBrief, percent } from "@/ui/show/format";

const NONE: Sums = {
  calls: 0,
  errors: 0,
  refused: 0,
  input: 0,
  cached: 0,
  output: 0,
  cost: "0",
  unpriced: 0,
  p50_ms: null,
  p95_ms: null,
};
const log = (id: number) => ({ id, model: "m" }) as Log;

test("events come whole, wherever the stream is cut", () => {
  const text =
    ': open\n\nid: 7\nevent: log\ndata: {"a":\ndata: 1}\n\nevent: end\r\ndata: x\r\n\r\n';
  const whole = [
    { event: "log", data: '{"a":\n1}', id: "7" },
    { event: "end", data: "x", id: "7" },
  ];
  for (let size = 1; size <= text.length; size += 1) {
    const read = eventReader();
    const found = [];
    for (let at = 0; at < text.length; at += size) found.push(...read(text.slice(at, at + size)));
    expect(found, `pieces of ${size}`).toEqual(whole);
  }
});

test("an event without an end is refused before it fills the memory", () => {
  const read = eventReader();
  expect(() => {
    for (let at = 0; at < 20; at += 1) read("x".repeat(100_000));
  }).toThrow(RangeError);
});

test("live rows are the newest first, each once, and no more than are kept", () => {
  let rows: Log[] = [];
  for (let at = 0; at < 10; at += 1) {
    const fresh = Array.from({ length: 60 }, (_, index) => log(at * 50 + index));
    rows = prepend(rows, fresh);
  }
  expect(rows.length).toBe(KEPT);
  expect(rows[0]?.id).toBe(509);
  expect(new Set(rows.map((row) => row.id)).size).toBe(KEPT);
});

function streamOf(...texts: string[]): ReadableStream<Uint8Array> {
  const bytes = new TextEncoder();
  return new ReadableStream({
    start(controller) {
      for (const text of texts) controller.enqueue(bytes.encode(text));
      controller.close();
    },
  });
}

test("the live view goes on where it was when the stream ends, and asks nothing when it is paused", async () => {
  vi.useFakeTimers();
  const asked: Record<string, string | number>[] = [];
  const open = vi.fn((query: Record<string, string | number>) => {
    asked.push(query);
    return Promise.resolve(
      streamOf(`id: ${asked.length}\nevent: log\ndata: {"id": ${asked.length}}\n\n`),
    );
  });
  let found: ReturnType<typeof useLive> | undefined;
  const page = mount(
    defineComponent({
      setup() {
        found = useLive(() => ({ model: "m" }), open);
        return () => null;
      },
    }),
  );
  const live = found as unknown as ReturnType<typeof useLive>;
  live.begin();
  await vi.advanceTimersByTimeAsync(10);
  expect(live.rows.value.map((row) => row.id)).toEqual([1]);
  await vi.advanceTimersByTimeAsync(1_100);
  expect(asked).toEqual([{ model: "m" }, { model: "m", after: 1 }]);
  expect(live.rows.value.map((row) => row.id)).toEqual([2, 1]);
  live.pause();
  await vi.advanceTimersByTimeAsync(60_000);
  expect(open).toHaveBeenCalledTimes(2);
  live.resume();
  await vi.advanceTimersByTimeAsync(10);
  expect(asked[2]).toEqual({ model: "m", after: 2 });
  page.unmount(); // nobody looks any more
  await vi.advanceTimersByTimeAsync(60_000);
  expect(open).toHaveBeenCalledTimes(3);
  vi.useRealTimers();
});

test("steps without calls are zero, and have no duration", () => {
  const steps = ["2026-11-01T00:00:00+08:00", "2026-11-02T00:00:00+08:00"];
  // The same moment, written in another zone.
  const points = [{ ...NONE, calls: 3, cost: "0.5", p95_ms: 90, at: "2026-11-01T16:00:00Z" }];
  expect(spread(steps, points, (sums) => measure("cost", sums), 0)).toEqual([0, 0.5]);
  expect(spread(steps, points, (sums) => measure("latency", sums), null)).toEqual([null, 90]);
});

test("lines have names, the rest comes as one, and who did nothing has none", () => {
  const totals = { ...NONE, calls: 1 };
  const usage = {
    currency: "USD",
    step: "day",
    tz: "UTC",
    steps: ["2026-11-01T00:00:00Z"],
    series: [
      { key: "a", label: "", totals, points: [] },
      { key: "b", label: "B", totals: NONE, points: [] },
      { key: null, label: "", totals, points: [] },
    ],
  } as Usage;
  expect(linesOf(usage, "calls", "Others").map(({ label, rest }) => [label, rest])).toEqual([
    ["a", false],
    ["Others", true],
  ]);
});

test("a change is told only against something", () => {
  const now = { ...NONE, calls: 10, errors: 1, cost: "3" };
  const before = { ...NONE, calls: 20, errors: 1, cost: "2" };
  expect(change("cost", now, before)).toBeCloseTo(0.5);
  expect(change("errors", now, before)).toBeCloseTo(1); // the rate has doubled
  expect(change("cost", now, NONE)).toBeNull();
});

test("a custom period means its last day whole; hours only for a month", () => {
  const { from, to } = boundsOf("custom", "2026-03-01", "2026-03-02");
  expect(Date.parse(to ?? "") - Date.parse(from)).toBe(48 * 3_600_000);
  expect(boundsOf("7d", "", "", Date.parse("2026-03-08T00:00Z"))).toEqual({
    from: "2026-03-01T00:00:00.000Z",
  });
  expect(allowsHours("90d", "", "")).toBe(false);
  expect(allowsHours("custom", "2026-01-01", "2026-01-31")).toBe(true);
  expect(allowsHours("custom", "2026-01-01", "2026-03-31")).toBe(false);
  expect(dayText(new Date(2026, 0, 5))).toBe("2026-01-05");
});

test("an empty field of a token means no limit, never zero", () => {
  const values = {
    group_id: "g",
    name: "laptop",
    models: [],
    quota: " ",
    expires_at: null,
    more: false,
    rpm: null,
    tpm: null,
    concurrency: null,
    networks: [" 10.0.0.0/8 ", ""],
  };
  expect(bodyOf(values)).toEqual({
    name: "laptop",
    models: null,
    quota: null,
    expires_at: null,
    rpm: null,
    tpm: null,
    concurrency: null,
    networks: ["10.0.0.0/8"],
  });
});

test("only what was changed is sent: what was allowed once may not be any more", () => {
  const before = { name: "a", models: ["x"], expires_at: "2020-01-01T00:00:00Z" };
  expect(changed(before, { ...before, name: "b" })).toEqual({ name: "b" });
  expect(changed(before, { ...before, models: [] })).toEqual({ models: [] });
});

test("a credential is sent only when one was typed, and names only where they differ", () => {
  const values = {
    provider: "openai",
    name: "one",
    base_url: " https://api.example.com/v1 ",
    credential: "",
    models: ["a", "b"],
    model_mapping: { a: "a", b: "their-b", c: "" },
    priority: null,
    weight: null,
    more: false,
    connect_timeout: null,
    first_byte_timeout: 1,
    idle_timeout: 2,
  };
  const body = channelBody(values);
  expect(body).not.toHaveProperty("credential");
  expect(body).toMatchObject({
    base_url: "https://api.example.com/v1",
    model_mapping: { b: "their-b" },
    priority: 0,
    weight: 1,
    connect_timeout: 5,
  });
  expect(channelBody({ ...values, credential: " sk-1 " })).toHaveProperty("credential", "sk-1");
});

test("samples and clients name the address, the key and the model", () => {
  const place = { baseUrl: "https://gate.example.com/v1", key: "pf_live_x", model: "m-1" };
  for (const { name, code } of samplesOf(place)) {
    expect(code, name).toContain(place.baseUrl);
    expect(code, name).toContain(place.key);
  }
  for (const client of clientsOf(place)) {
    const values = client.fields.map(([, value]) => value);
    expect(values, client.name).toContain(place.key);
    expect(values.some((value) => value.startsWith("https://gate.example.com"))).toBe(true);
  }
});

test("a local moment of a filter goes out as one that everybody understands", () => {
  const query = asQuery({ model: "m", started_from: "2026-03-01T12:00", started_to: "nonsense" });
  expect(query).toEqual({ model: "m", started_from: new Date(2026, 2, 1, 12).toISOString() });
});

test("a person's own group is called by its person", () => {
  const group = { id: "g-1", name: "g-1", owner: "Jonas" };
  expect(nameOfGroup({ ...group, kind: "personal" })).toBe("Jonas");
  expect(nameOfGroup({ ...group, kind: "team" })).toBe("g-1");
  expect(nameOfGroup({ ...group, kind: "team", name: "Readers" })).toBe("Readers");
});

test("amounts in brief are never a false zero", () => {
  expect(moneyBrief("0.000001", "USD")).toBe("< $0.0001");
  expect(moneyBrief("0", "USD")).toBe("$0.00");
  expect(moneyBrief("0.12345", "USD")).toBe("$0.1235");
  expect(moneyBrief("1234.567", "USD")).toBe("$1,234.57");
  expect([duration(0.4), duration(950), duration(1_250)]).toEqual(["0 ms", "950 ms", "1.3 sec"]);
  expect([percent(0.034), percent(0.34), percent(0)]).toEqual(["3.4%", "34%", "0%"]);
});

test("names of lines never cover each other, and keep their order", () => {
  const placed = apart([200, 201, 30, 202, 203], 17, 8, 210);
  const sorted = [...placed].sort((a, b) => a - b);
  for (let at = 1; at < sorted.length; at += 1) {
    expect((sorted[at] ?? 0) - (sorted[at - 1] ?? 0)).toBeGreaterThanOrEqual(17);
  }
  expect(placed[2]).toBe(30);
  expect(Math.max(...placed)).toBeLessThanOrEqual(210);
  expect(placed.indexOf(Math.max(...placed))).toBe(4);
});

import { hueOf, readColours } from "./hues";
import { moment, type ChartSeries } from "./series";

interface Drawn {
  place: HTMLElement;
  steps: readonly string[];
  step: "hour" | "day";
  series: readonly ChartSeries[];
  kind: "columns" | "lines";
  write: (value: number) => string;
  writeAxis: (value: number) => string;
  /** There is no room for names at the ends. */
  narrow: boolean;
}

interface Pointed {
  seriesIndex: number;
  dataIndex: number;
}

const MOST_HOURS = 48;
const MOST_COLUMN_WIDTH = 28;

/** Lines have their names at their ends, where there are several. */
export function isNamed(chart: Pick<Drawn, "kind" | "series">): boolean {
  return chart.kind === "lines" && chart.series.length > 1;
}

/** Pixels that are kept for names. */
export function roomOf(narrow: boolean): number {
  return narrow ? 96 : 152;
}

/** A chart as ECharts takes it, in our colours and without what nobody reads. */
export function drawing(chart: Drawn): Record<string, unknown> {
  const hues = chart.series.map((series, index) => hueOf(index, series.rest));
  const names = ["--pf-ink", "--pf-ink-soft", "--pf-rule", "--pf-raised", ...hues] as const;
  const colours = readColours(chart.place, names);
  const ink = colours["--pf-ink-soft"];
  const days = chart.step === "hour" && chart.steps.length > MOST_HOURS;
  const font = getComputedStyle(chart.place).fontFamily;
  return {
    animation: false,
    textStyle: { fontFamily: font, fontSize: 12, color: ink },
    grid: {
      top: 12,
      bottom: 4,
      left: 0,
      right: isNamed(chart) ? roomOf(chart.narrow) : 12,
      outerBoundsMode: "same",
      outerBoundsContain: "axisLabel",
    },
    xAxis: {
      type: "category",
      data: chart.steps,
      boundaryGap: chart.kind === "columns",
      axisTick: { show: false },
      axisLine: { lineStyle: { color: colours["--pf-rule"] } },
      axisLabel: {
        color: ink,
        hideOverlap: true,
        // Of many hours the days are named, where they begin.
        ...(days ? { interval: (_: number, at: string) => new Date(at).getHours() === 0 } : {}),
        formatter: (at: string) => moment(at, days ? "day" : chart.step, true),
      },
    },
    yAxis: {
      type: "value",
      min: 0,
      splitNumber: 4,
      axisLabel: { color: ink, formatter: chart.writeAxis },
      splitLine: { lineStyle: { color: colours["--pf-rule"], opacity: 0.6 } },
    },
    tooltip: {
      trigger: "axis",
      confine: true,
      backgroundColor: colours["--pf-raised"],
      borderColor: colours["--pf-rule"],
      borderWidth: 1,
      padding: [8, 12],
      transitionDuration: 0,
      extraCssText: "border-radius: 3px; box-shadow: var(--pf-shadow)",
      textStyle: { color: colours["--pf-ink"], fontFamily: font, fontSize: 12 },
      axisPointer: { type: "line", lineStyle: { color: ink, type: "solid" } },
      formatter: (points: Pointed[]) => bubble(chart, hues, points[0]?.dataIndex ?? 0),
    },
    series: chart.series.map((series, index) => {
      const colour = colours[hues[index] ?? "--pf-ink"];
      return {
        name: series.label,
        type: chart.kind === "columns" ? "bar" : "line",
        data: series.values,
        color: colour,
        barMaxWidth: MOST_COLUMN_WIDTH,
        barCategoryGap: "28%",
        lineStyle: { width: 1.75, type: series.rest ? "dashed" : "solid" },
        symbol: "circle",
        symbolSize: 5,
        showSymbol: chart.steps.length === 1,
        connectNulls: false,
        emphasis: { disabled: true },
      };
    }),
  };
}

/** What stands under the pointer. An element and no text, since names come from people. */
function bubble(chart: Drawn, hues: readonly string[], index: number): HTMLElement {
  const box = document.createElement("div");
  const head = document.createElement("p");
  head.textContent = moment(chart.steps[index] ?? "", chart.step);
  box.append(head);
  const told = chart.series
    .map((series, at) => ({ series, hue: hues[at] ?? "", value: series.values[index] ?? null }))
    .filter((one) => one.value !== null)
    .sort((a, b) => (b.value ?? 0) - (a.value ?? 0));
  for (const { series, hue, value } of told) {
    const line = document.createElement("p");
    line.style.cssText = "display: flex; gap: 16px; justify-content: space-between";
    const name = document.createElement("span");
    const number = document.createElement("strong");
    name.textContent = series.label;
    name.style.cssText =
      "max-width: 220px; overflow: hidden; text-overflow: ellipsis; white-space: nowrap";
    if (chart.series.length > 1) name.style.color = `var(${hue})`;
    number.textContent = chart.write(value ?? 0);
    line.append(name, number);
    box.append(line);
  }
  return box;
}

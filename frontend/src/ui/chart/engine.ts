/**
 * The parts of ECharts that our charts use; loaded with the first chart. They are drawn on a canvas:
 * as SVG its texts have style attributes, which our Content-Security-Policy refuses.
 */
import { BarChart, LineChart } from "echarts/charts";
import { GridComponent, TooltipComponent } from "echarts/components";
import { init, use } from "echarts/core";
import { CanvasRenderer } from "echarts/renderers";

use([BarChart, LineChart, GridComponent, TooltipComponent, CanvasRenderer]);

export { init };
export type { EChartsType } from "echarts/core";

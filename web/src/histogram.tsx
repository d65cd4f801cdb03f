// Volume over time by level. Dragging across it sets the time range.

import { useSignal } from "@preact/signals";
import { useEffect, useMemo, useRef } from "preact/hooks";
import uPlot from "uplot";
import { type Bars, stack, toBars } from "./bars";
import { ask, status, volume, volumeError } from "./session";
import { formatClock, formatLength } from "./time";

const HEIGHT = 128;
const SMALLEST_DRAG_PX = 4;

function color(element: Element, name: string): string {
  return getComputedStyle(element).getPropertyValue(`--${name}`).trim();
}

function short(count: number): string {
  if (count >= 1e6) return `${+(count / 1e6).toFixed(1)}M`;
  return count >= 1e3 ? `${+(count / 1e3).toFixed(1)}k` : String(count);
}

function zoom(plot: uPlot): void {
  const { left, width } = plot.select;
  if (width < SMALLEST_DRAG_PX) return;
  const fromMs = Math.floor(plot.posToVal(left, "x") * 1000);
  const toMs = Math.ceil(plot.posToVal(left + width, "x") * 1000);
  if (toMs - fromMs >= 1) ask({ range: { fromMs, toMs } });
}

/** Tick labels in 24-hour local time, as in the rows; a midnight is its date. */
function clock(ticks: number[], everyS: number): string[] {
  return ticks.map((tick) => {
    const [day, time] = formatClock(tick * 1000).split(" ") as [string, string];
    if (time === "00:00:00") return day;
    return everyS < 60 ? time : time.slice(0, 5);
  });
}

function axes(host: Element): uPlot.Axis[] {
  const stroke = color(host, "muted");
  const grid = { stroke: color(host, "line"), width: 1 };
  const font = "11px system-ui, sans-serif";
  return [
    {
      stroke,
      font,
      grid: { show: false },
      ticks: grid,
      size: 26,
      values: (_, ticks, __, ___, everyS) => clock(ticks, everyS),
    },
    {
      stroke,
      font,
      grid,
      ticks: { show: false },
      size: 44,
      space: 28,
      values: (_, ticks) => ticks.map((tick) => (Number.isInteger(tick) ? short(tick) : "")),
    },
  ];
}

function draw(
  host: HTMLElement,
  bars: Bars,
  endS: number,
  hover: (i: number | null) => void,
): uPlot {
  const columns = stack(bars);
  const paths = uPlot.paths.bars?.({ size: [1, Infinity], align: 1, gap: 1 });
  const series = columns.map(({ level }) => ({
    label: level,
    fill: color(host, `${level}-bar`),
    width: 0,
    points: { show: false },
    ...(paths && { paths }),
  }));
  const options: uPlot.Options = {
    width: host.clientWidth,
    height: HEIGHT,
    padding: [8, 26, 0, 0],
    legend: { show: false },
    scales: {
      x: { time: true, range: () => [bars.x[0] ?? 0, endS] },
      y: { range: (_, __, max) => [0, Math.max(max * 1.05, 1)] },
    },
    axes: axes(host),
    series: [{}, ...series],
    cursor: { y: false, points: { show: false }, drag: { x: true, y: false, setScale: false } },
    hooks: {
      setSelect: [zoom],
      setCursor: [(plot) => hover((plot.cursor.left ?? -1) < 0 ? null : barAt(plot, bars))],
    },
  };
  return new uPlot(options, [bars.x, ...columns.map((c) => c.heights)], host);
}

/** The bar under the pointer; uPlot's own index is of the nearest left edge. */
function barAt(plot: uPlot, bars: Bars): number {
  const at = plot.posToVal(plot.cursor.left ?? 0, "x");
  const next = bars.x.findIndex((x) => x > at);
  return (next < 0 ? bars.x.length : next) - 1;
}

function Legend({ bars, stepMs, at }: { bars: Bars; stepMs: number; at: number | null }) {
  const from = at === null ? undefined : bars.x[at];
  const sum = (counts: number[]) => counts.reduce((a, b) => a + b, 0);
  return (
    <div class="legend">
      {[...bars.counts].map(([level, counts]) => (
        <span key={level} class="key">
          <span class={`swatch ${level}`} aria-hidden="true" />
          {level}{" "}
          <b>{(at === null ? sum(counts) : (counts[at] ?? 0)).toLocaleString()}</b>
        </span>
      ))}
      <span class="when">
        {from === undefined
          ? `${formatLength(stepMs)} per bar · drag to zoom`
          : `${formatClock(from * 1000)} to ${formatClock(from * 1000 + stepMs).slice(6)}`}
      </span>
    </div>
  );
}

export function Histogram() {
  const host = useRef<HTMLDivElement>(null);
  const at = useSignal<number | null>(null);
  const shown = volume.value;
  const bars = useMemo(
    () => (shown ? toBars(shown.series, shown.stepMs, shown.span) : null),
    [shown],
  );
  useEffect(() => {
    const element = host.current;
    if (!element || !bars || !shown) return;
    at.value = null;
    let plot: uPlot | undefined;
    const redraw = () => {
      plot?.destroy();
      plot = draw(element, bars, shown.span.toMs / 1000, (i) => (at.value = i));
    };
    redraw();
    const scheme = matchMedia("(prefers-color-scheme: dark)");
    scheme.addEventListener("change", redraw);
    const resized = new ResizeObserver(() =>
      plot?.setSize({ width: element.clientWidth, height: HEIGHT }),
    );
    resized.observe(element);
    return () => {
      scheme.removeEventListener("change", redraw);
      resized.disconnect();
      plot?.destroy();
    };
  }, [bars]);
  return (
    <section class="histogram" aria-label="Volume over time by level" hidden={status.value === "error"}>
      <div ref={host} class="plot" role="img" aria-label="Bars of log volume, stacked by level" />
      {bars && shown && <Legend bars={bars} stepMs={shown.stepMs} at={at.value} />}
      {volumeError.value && <p class="quiet">The volume is not available.</p>}
    </section>
  );
}

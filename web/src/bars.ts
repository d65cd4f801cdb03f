// Series by level to stacked columns that uPlot can draw.

import type { Series } from "./api";
import { LEVELS, type Level, levelOf } from "./level";
import type { Span } from "./time";

export interface Bars {
  /** Left edges in unix seconds. */
  x: number[];
  /** Count of each level that occurs, per bar, most severe first. */
  counts: Map<Level, number[]>;
}

export function toBars(series: Series[], stepMs: number, span: Span): Bars {
  const size = Math.max(0, Math.round((span.toMs - span.fromMs) / stepMs));
  const x = Array.from({ length: size }, (_, i) => (span.fromMs + i * stepMs) / 1000);
  const byLevel = new Map<Level, number[]>();
  for (const { labels, points } of series) {
    const level = levelOf(labels.level || labels.detected_level);
    const column = byLevel.get(level) ?? new Array<number>(size).fill(0);
    byLevel.set(level, column);
    for (const [seconds, value] of points) {
      // A sample at t counts the window that ends at t.
      const i = Math.round((seconds * 1000 - span.fromMs) / stepMs) - 1;
      if (i >= 0 && i < size) column[i] = (column[i] ?? 0) + value;
    }
  }
  const present = LEVELS.filter((level) => byLevel.get(level)?.some((count) => count > 0));
  return { x, counts: new Map(present.map((level) => [level, byLevel.get(level) ?? []])) };
}

/** Cumulative heights, tallest first: each column is drawn over the one before. */
export function stack(bars: Bars): { level: Level; heights: number[] }[] {
  const total = new Array<number>(bars.x.length).fill(0);
  const stacked: { level: Level; heights: number[] }[] = [];
  for (const [level, counts] of bars.counts) {
    counts.forEach((count, i) => (total[i] = (total[i] ?? 0) + count));
    stacked.push({ level, heights: [...total] });
  }
  return stacked.reverse();
}

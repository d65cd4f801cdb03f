// Times are integers: milliseconds for ranges, nanoseconds as decimal strings for rows.

export interface Preset {
  id: string;
  ms: number;
  label: string;
}

/** A preset is relative to now; a fixed range is [fromMs, toMs). */
export type Range = { preset: string } | { fromMs: number; toMs: number };

export interface Span {
  fromMs: number;
  toMs: number;
}

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

export const PRESETS: readonly Preset[] = [
  { id: "5m", ms: 5 * MINUTE, label: "Last 5 minutes" },
  { id: "15m", ms: 15 * MINUTE, label: "Last 15 minutes" },
  { id: "1h", ms: HOUR, label: "Last hour" },
  { id: "6h", ms: 6 * HOUR, label: "Last 6 hours" },
  { id: "24h", ms: DAY, label: "Last 24 hours" },
  { id: "7d", ms: 7 * DAY, label: "Last 7 days" },
];
export const DEFAULT_PRESET = "1h";

const STEPS_MS = [
  1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10_800, 21_600, 43_200, 86_400,
].map((seconds) => seconds * 1000);
const BARS = 90;

export function presetOf(id: string): Preset | undefined {
  return PRESETS.find((preset) => preset.id === id);
}

export function resolve(range: Range, nowMs: number): Span {
  if ("fromMs" in range) return range;
  const preset = presetOf(range.preset) ?? presetOf(DEFAULT_PRESET);
  return { fromMs: nowMs - (preset?.ms ?? HOUR), toMs: nowMs };
}

export function describe(range: Range): string {
  if ("preset" in range) return presetOf(range.preset)?.label.toLowerCase() ?? range.preset;
  return `${formatClock(range.fromMs)} to ${formatClock(range.toMs)}`;
}

/** A length of time in its largest whole unit: `30 s`, `15 min`, `6 h`, `1 d`. */
export function formatLength(ms: number): string {
  if (ms % DAY === 0) return `${ms / DAY} d`;
  if (ms % HOUR === 0) return `${ms / HOUR} h`;
  return ms % MINUTE === 0 ? `${ms / MINUTE} min` : `${ms / 1000} s`;
}

export function toNs(ms: number): string {
  return `${BigInt(Math.round(ms)) * 1_000_000n}`;
}

export function nextNs(ns: string): string {
  return `${BigInt(ns) + 1n}`;
}

/** Order of two nanosecond strings: negative when `a` is earlier. */
export function compareNs(a: string, b: string): number {
  if (a.length !== b.length) return a.length - b.length;
  return a < b ? -1 : a > b ? 1 : 0;
}

/** The width of a histogram bar that gives about `BARS` bars over `span`. */
export function stepFor(span: Span): number {
  const wanted = (span.toMs - span.fromMs) / BARS;
  const step = STEPS_MS.find((candidate) => candidate >= wanted);
  return step ?? Math.ceil(wanted / DAY) * DAY;
}

function two(n: number): string {
  return String(n).padStart(2, "0");
}

/** Local `MM-DD HH:MM:SS`. */
export function formatClock(ms: number): string {
  const d = new Date(ms);
  const day = `${two(d.getMonth() + 1)}-${two(d.getDate())}`;
  return `${day} ${two(d.getHours())}:${two(d.getMinutes())}:${two(d.getSeconds())}`;
}

/** Local `MM-DD HH:MM:SS.mmm` of a row. */
export function formatRow(ns: string): string {
  const ms = Number(BigInt(ns) / 1_000_000n);
  return `${formatClock(ms)}.${String(((ms % 1000) + 1000) % 1000).padStart(3, "0")}`;
}

/** UTC with all nine digits, to quote in a report. */
export function formatExact(ns: string): string {
  const seconds = BigInt(ns) / 1_000_000_000n;
  const rest = String(BigInt(ns) % 1_000_000_000n).padStart(9, "0");
  return `${new Date(Number(seconds) * 1000).toISOString().slice(0, 19)}.${rest}Z`;
}

/** The value of a datetime-local input, in local time with seconds. */
export function toInput(ms: number): string {
  const d = new Date(ms);
  const time = `${two(d.getHours())}:${two(d.getMinutes())}:${two(d.getSeconds())}`;
  return `${d.getFullYear()}-${two(d.getMonth() + 1)}-${two(d.getDate())}T${time}`;
}

export function fromInput(value: string): number {
  return new Date(value).getTime();
}

// What the page shows, and the actions that change it.

import { computed, signal } from "@preact/signals";
import { read, type State, write } from "./address";
import { ApiError, labelValues, queryLogs, queryVolume, type Series, type Window } from "./api";
import { connection, Follower } from "./follow";
import { bySeverity } from "./level";
import { type Filter, toLogQL, toVolume } from "./query";
import { LIVE_ROWS, prepend, type Row, toRows, unseen } from "./rows";
import { DEFAULT_PRESET, nextNs, resolve, type Span, stepFor, toNs } from "./time";

const PAGE = 200;
const LARGEST_PAGE = 5_000;
const VOLUME_REFRESH_MS = 10_000;

export interface Volume {
  series: Series[];
  stepMs: number;
  span: Span;
}

export const state = signal<State>(read(location.search));
export const draft = signal(state.value.text);
export const query = computed(() => toLogQL(state.value));

export const status = signal<"loading" | "done" | "error">("loading");
export const error = signal("");
export const rows = signal<Row[]>([]);
export const held = signal<Row[]>([]);
export const paused = signal(false);
/** Lines that the server left out since following began: they came faster than they were read. */
export const dropped = signal(0);
export const tookMs = signal(0);
export const more = signal(false);
export const loadingMore = signal(false);
export const volume = signal<Volume | null>(null);
export const volumeError = signal("");
export const services = signal<string[]>([]);
export const levels = signal<string[]>([]);

type Order = (a: string, b: string) => number;

let aborter = new AbortController();
let follower: Follower | undefined;
let volumeTimer: number | undefined;
let shown: Window = { startNs: "0", endNs: "0" };

function toWindow(span: Span): Window {
  return { startNs: toNs(span.fromMs), endNs: toNs(span.toMs) };
}

function explain(problem: unknown): string {
  if (problem instanceof ApiError) return problem.message;
  return problem instanceof Error ? `Unexpected answer: ${problem.message}` : String(problem);
}

/** Runs the question anew, replacing everything shown. */
export async function run(): Promise<void> {
  aborter.abort();
  aborter = new AbortController();
  const { signal: cancel } = aborter;
  stopFollowing();
  const span = resolve(state.value.range, Date.now());
  shown = toWindow(span);
  status.value = "loading";
  const began = performance.now();
  void refreshVolume(cancel);
  void refreshChoices();
  try {
    const entries = await queryLogs(query.value, shown, PAGE, cancel);
    if (cancel.aborted) return;
    tookMs.value = performance.now() - began;
    rows.value = toRows(entries);
    more.value = entries.length >= PAGE;
    error.value = "";
    status.value = "done";
    if (state.value.live) follow(cancel);
  } catch (problem) {
    if (cancel.aborted) return;
    rows.value = [];
    more.value = false;
    error.value = explain(problem);
    status.value = "error";
  }
}

/** Adds the next older page. A page that brings nothing new is asked again, larger. */
export async function loadMore(): Promise<void> {
  const oldest = rows.value.at(-1);
  if (!oldest || loadingMore.value) return;
  const { signal: cancel } = aborter;
  loadingMore.value = true;
  try {
    const older = { startNs: shown.startNs, endNs: nextNs(oldest.ns) };
    for (let limit = PAGE; ; limit = LARGEST_PAGE) {
      const entries = await queryLogs(query.value, older, limit, cancel);
      const fresh = unseen(entries, rows.value, nextNs(oldest.ns));
      more.value = entries.length >= limit;
      if (fresh.length === 0 && more.value && limit < LARGEST_PAGE) continue;
      rows.value = [...rows.value, ...toRows(fresh)];
      if (fresh.length === 0) more.value = false;
      break;
    }
  } catch (problem) {
    if (!cancel.aborted) error.value = explain(problem);
  } finally {
    loadingMore.value = false;
  }
}

async function refreshVolume(cancel: AbortSignal): Promise<void> {
  const span = resolve(state.value.range, Date.now());
  const stepMs = stepFor(span);
  // The value at t counts (t - step, t]: the first whole bar ends one step after its start.
  const first = Math.floor(span.fromMs / stepMs) * stepMs;
  const last = Math.ceil(span.toMs / stepMs) * stepMs;
  const bars = toWindow({ fromMs: first + stepMs, toMs: last });
  try {
    const series = await queryVolume(toVolume(query.value, stepMs), bars, stepMs, cancel);
    if (cancel.aborted) return;
    volume.value = { series, stepMs, span: { fromMs: first, toMs: last } };
    volumeError.value = "";
  } catch (problem) {
    if (cancel.aborted) return;
    volume.value = null;
    volumeError.value = explain(problem);
  }
}

async function refreshChoices(): Promise<void> {
  const asked = shown;
  const load = async (name: string, target: typeof services, order?: Order): Promise<void> => {
    try {
      const values = await labelValues(name, asked);
      if (asked === shown) target.value = values.filter(Boolean).sort(order);
    } catch {
      // The list query reports the same trouble; a dropdown keeps what it had.
    }
  };
  await Promise.all([load("service_name", services), load("level", levels, bySeverity)]);
}

function follow(cancel: AbortSignal): void {
  const newest = rows.value[0];
  const start = newest ? nextNs(newest.ns) : shown.endNs;
  follower = new Follower(query.value, start, LIVE_ROWS, (entries, left) => {
    dropped.value += left;
    const target = paused.value ? held : rows;
    target.value = prepend(toRows(entries), target.value);
    if (rows.value.length >= LIVE_ROWS) more.value = false;
  });
  follower.start();
  volumeTimer = window.setInterval(() => void refreshVolume(cancel), VOLUME_REFRESH_MS);
}

function stopFollowing(): void {
  follower?.stop();
  follower = undefined;
  window.clearInterval(volumeTimer);
  held.value = [];
  paused.value = false;
  dropped.value = 0;
  connection.value = "off";
}

/** Holds new live rows back while a person reads further down. */
export function pause(): void {
  if (follower) paused.value = true;
}

export function resume(): void {
  rows.value = prepend(held.value, rows.value);
  held.value = [];
  paused.value = false;
}

/** Changes the question and runs it; the address follows. */
export function ask(change: Partial<State>): void {
  const next = { ...state.value, text: draft.value.trim(), ...change };
  // A fixed range has an end, so it cannot be followed.
  if (!("preset" in next.range)) {
    if (change.live) next.range = { preset: DEFAULT_PRESET };
    else next.live = false;
  }
  state.value = next;
  draft.value = next.text;
  const address = write(next);
  if (address !== location.search) history.pushState(null, "", address);
  void run();
}

export function addFilter(filter: Filter): void {
  const { filters } = state.value;
  const known = filters.some((f) => f.name === filter.name && f.value === filter.value);
  if (!known) ask({ filters: [...filters, filter] });
}

export function removeFilter(index: number): void {
  ask({ filters: state.value.filters.filter((_, i) => i !== index) });
}

export function start(): void {
  window.addEventListener("popstate", () => {
    state.value = read(location.search);
    draft.value = state.value.text;
    void run();
  });
  void run();
}

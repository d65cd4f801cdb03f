// The bounded, newest-first list of entries.

import type { Entry } from "./api";
import { compareNs } from "./time";

export interface Row extends Entry {
  id: number;
}

/** Live rows kept; more would make scrolling slow and nobody reads them. */
export const LIVE_ROWS = 2_000;

let lastId = 0;

export function toRows(entries: Entry[]): Row[] {
  return entries
    .map((entry) => ({ ...entry, id: ++lastId }))
    .sort((a, b) => compareNs(b.ns, a.ns));
}

function identity(entry: Entry): string {
  const labels = Object.keys(entry.labels).sort();
  return JSON.stringify([entry.ns, entry.line, labels.map((name) => [name, entry.labels[name]])]);
}

/**
 * The entries that `held` does not have yet. Pages overlap by one nanosecond, because rows may
 * share a time; equal rows are counted, so a true repeat is kept.
 */
export function unseen(entries: Entry[], held: Row[], fromNs: string): Entry[] {
  const counts = new Map<string, number>();
  for (const row of held) {
    if (compareNs(row.ns, fromNs) > 0) continue;
    const key = identity(row);
    counts.set(key, (counts.get(key) ?? 0) + 1);
  }
  return entries.filter((entry) => {
    const key = identity(entry);
    const left = counts.get(key) ?? 0;
    if (left > 0) counts.set(key, left - 1);
    return left === 0;
  });
}

/** `fresh` before `held`, in order of time, cut to `LIVE_ROWS`. */
export function prepend(fresh: Row[], held: Row[]): Row[] {
  const newest = held[0];
  const oldest = fresh.at(-1);
  const merged = [...fresh, ...held];
  if (newest && oldest && compareNs(oldest.ns, newest.ns) < 0) {
    merged.sort((a, b) => compareNs(b.ns, a.ns));
  }
  return merged.slice(0, LIVE_ROWS);
}

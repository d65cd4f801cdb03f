// The Loki HTTP API, as far as the page needs it.

export type Labels = Record<string, string>;

export interface Entry {
  ns: string;
  line: string;
  labels: Labels;
}

/** One series of a metric query; `points` are [unix seconds, value]. */
export interface Series {
  labels: Labels;
  points: [number, number][];
}

export class ApiError extends Error {}

export interface Window {
  startNs: string;
  endNs: string;
}

interface Stream {
  stream: Labels;
  values: [string, string][];
}

interface Matrix {
  metric: Labels;
  values: [number, string][];
}

const PATH = "/loki/api/v1";

async function get<T>(path: string, params: Record<string, string>, signal?: AbortSignal): Promise<T> {
  // A relative address would take over a name and password of the page's, which fetch refuses.
  const url = `${location.origin}${PATH}${path}?${new URLSearchParams(params)}`;
  let response: Response;
  try {
    response = await fetch(url, { headers: { Accept: "application/json" }, signal: signal ?? null });
  } catch (error) {
    if (error instanceof DOMException && error.name === "AbortError") throw error;
    throw new ApiError("The server did not answer. Is tailrace running?");
  }
  if (!response.ok) {
    const text = (await response.text()).trim();
    throw new ApiError(text || `The server answered ${response.status}.`);
  }
  return ((await response.json()) as { data: T }).data;
}

export function flatten(streams: Stream[]): Entry[] {
  return streams.flatMap(({ stream, values }) =>
    values.map(([ns, line]) => ({ ns, line, labels: stream })),
  );
}

export async function queryLogs(
  query: string,
  window: Window,
  limit: number,
  signal?: AbortSignal,
): Promise<Entry[]> {
  const data = await get<{ resultType: string; result: Stream[] }>(
    "/query_range",
    {
      query,
      start: window.startNs,
      end: window.endNs,
      limit: String(limit),
      direction: "backward",
    },
    signal,
  );
  if (data.resultType !== "streams") throw new ApiError("This query gives numbers, not lines.");
  return flatten(data.result);
}

export async function queryVolume(
  query: string,
  window: Window,
  stepMs: number,
  signal?: AbortSignal,
): Promise<Series[]> {
  const data = await get<{ result: Matrix[] }>(
    "/query_range",
    { query, start: window.startNs, end: window.endNs, step: String(stepMs / 1000) },
    signal,
  );
  return data.result.map(({ metric, values }) => ({
    labels: metric,
    points: values.map(([seconds, value]) => [seconds, Number(value)]),
  }));
}

export async function labelValues(name: string, window: Window): Promise<string[]> {
  const params = { start: window.startNs, end: window.endNs };
  const values = await get<string[] | null>(`/label/${encodeURIComponent(name)}/values`, params);
  return values ?? [];
}

export function tailUrl(query: string, startNs: string): string {
  const scheme = location.protocol === "https:" ? "wss:" : "ws:";
  const params = new URLSearchParams({ query, start: startNs, limit: "200" });
  return `${scheme}//${location.host}${PATH}/tail?${params}`;
}

/** New entries, and how many lines the server left out before them. */
export interface Tailed {
  entries: Entry[];
  dropped: number;
}

export function parseTail(message: string): Tailed {
  const parsed = JSON.parse(message) as {
    streams?: Stream[] | null;
    dropped_lines?: number;
    dropped_entries?: unknown[] | null;
  };
  const dropped = parsed.dropped_lines ?? parsed.dropped_entries?.length ?? 0;
  return { entries: flatten(parsed.streams ?? []), dropped };
}

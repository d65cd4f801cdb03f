// The question and its range in the page's address, so that a link shows the same answer.

import type { Question } from "./query";
import { DEFAULT_PRESET, presetOf, type Range } from "./time";

export interface State extends Question {
  range: Range;
  live: boolean;
}

function readRange(params: URLSearchParams): Range {
  const fromMs = Date.parse(params.get("from") ?? "");
  const toMs = Date.parse(params.get("to") ?? "");
  if (fromMs < toMs) return { fromMs, toMs };
  const preset = params.get("range") ?? "";
  return { preset: presetOf(preset) ? preset : DEFAULT_PRESET };
}

export function read(search: string): State {
  const params = new URLSearchParams(search);
  const filters = params.getAll("f").flatMap((item) => {
    const at = item.indexOf("=");
    return at > 0 ? [{ name: item.slice(0, at), value: item.slice(at + 1) }] : [];
  });
  return {
    text: params.get("q") ?? "",
    service: params.get("service") ?? "",
    level: params.get("level") ?? "",
    filters,
    range: readRange(params),
    live: params.get("live") === "1",
  };
}

export function write(state: State): string {
  const params = new URLSearchParams();
  if (state.text) params.set("q", state.text);
  if (state.service) params.set("service", state.service);
  if (state.level) params.set("level", state.level);
  for (const { name, value } of state.filters) params.append("f", `${name}=${value}`);
  if ("preset" in state.range) params.set("range", state.range.preset);
  else {
    params.set("from", new Date(state.range.fromMs).toISOString());
    params.set("to", new Date(state.range.toMs).toISOString());
  }
  if (state.live) params.set("live", "1");
  return `?${params}`;
}

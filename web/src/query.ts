// From what a person typed and chose to LogQL text.

export interface Filter {
  name: string;
  value: string;
}

export interface Question {
  text: string;
  service: string;
  level: string;
  filters: Filter[];
}

const EVERYTHING = 'service_name=~".+"';
const LABEL_NAME = /^[a-zA-Z_][a-zA-Z0-9_]*$/;

/** A label can become a filter only when LogQL can name it. */
export function canFilter(name: string): boolean {
  return LABEL_NAME.test(name);
}

export function isLogQL(text: string): boolean {
  return text.trimStart().startsWith("{");
}

// JSON's string escapes are a subset of LogQL's.
function quote(value: string): string {
  return JSON.stringify(value);
}

function matchers(question: Question): string[] {
  const chosen: Filter[] = [...question.filters];
  if (question.level) chosen.unshift({ name: "level", value: question.level });
  if (question.service) chosen.unshift({ name: "service_name", value: question.service });
  return chosen.map(({ name, value }) => `${name}=${quote(value)}`);
}

/** Index of the `}` that closes the selector `text` starts with, or -1. */
function selectorEnd(text: string): number {
  let inside = "";
  for (let i = 0; i < text.length; i++) {
    const c = text[i];
    if (inside) {
      if (c === "\\" && inside === '"') i++;
      else if (c === inside) inside = "";
    } else if (c === '"' || c === "`") inside = c;
    else if (c === "}") return i;
  }
  return -1;
}

/** The log query for a question. Unfinished LogQL is passed on, so that the server explains it. */
export function toLogQL(question: Question): string {
  const text = question.text.trim();
  const extra = matchers(question);
  if (isLogQL(text)) {
    const end = selectorEnd(text);
    if (end < 0 || extra.length === 0) return text;
    const inner = text.slice(1, end).trim().replace(/,$/, "");
    const all = inner ? [inner, ...extra] : extra;
    return `{${all.join(", ")}}${text.slice(end + 1)}`;
  }
  if (!question.service) extra.unshift(EVERYTHING);
  const selector = `{${extra.join(", ")}}`;
  return text ? `${selector} |= ${quote(text)}` : selector;
}

/** Counts by level in windows of `stepMs`. */
export function toVolume(logQuery: string, stepMs: number): string {
  return `sum by (level) (count_over_time(${logQuery} [${stepMs / 1000}s]))`;
}

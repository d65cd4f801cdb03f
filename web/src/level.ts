// The levels of the field under one name each, most severe first.

export const LEVELS = ["fatal", "error", "warn", "info", "debug", "trace", "unknown"] as const;
export type Level = (typeof LEVELS)[number];

const ALIASES: Record<string, Level> = {
  emerg: "fatal",
  emergency: "fatal",
  alert: "fatal",
  crit: "fatal",
  critical: "fatal",
  panic: "fatal",
  err: "error",
  warning: "warn",
  notice: "info",
  information: "info",
  informational: "info",
};

export function levelOf(name: string | undefined): Level {
  const lower = (name ?? "").toLowerCase();
  const known = LEVELS.find((level) => level === lower);
  return known ?? ALIASES[lower] ?? "unknown";
}

export function rowLevel(labels: Record<string, string>): Level {
  return levelOf(labels.level || labels.detected_level || labels.severity_text);
}

/** The most severe first. */
export function bySeverity(a: string, b: string): number {
  return LEVELS.indexOf(levelOf(a)) - LEVELS.indexOf(levelOf(b));
}

// Lines as text: control characters made visible, found words marked. Never HTML.

/** Control characters as their pictures, so that an escape sequence is seen and does nothing. */
export function printable(line: string): string {
  return line.replace(/[\x00-\x08\x0b-\x1f\x7f]/g, (c) =>
    c === "\x7f" ? "␡" : String.fromCharCode(0x2400 + c.charCodeAt(0)),
  );
}

/** `line` printable, in one line: what follows a line break is set off by a sign. */
export function oneLine(line: string): string {
  return printable(line.replace(/\s*\n\s*/g, " ↵ "));
}

const LEADING_TIME = /^\[?\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d[\d.,]*(Z|[+-]\d\d:?\d\d)?\]?\s+/;

/** The time that a line begins with, which the row shows already, and the rest. */
export function splitTime(line: string): [string, string] {
  const length = LEADING_TIME.exec(line)?.[0].length ?? 0;
  return [line.slice(0, length), line.slice(length)];
}

export function Marked({ text, word }: { text: string; word: string }) {
  if (!word || !text.includes(word)) return <>{text}</>;
  const parts = text.split(word);
  return (
    <>
      {parts.map((part, i) => (
        <span key={i}>
          {i > 0 && <mark>{word}</mark>}
          {part}
        </span>
      ))}
    </>
  );
}

/** Copies `text`; the clipboard API is absent on plain http away from localhost. */
export async function copy(text: string): Promise<void> {
  if (navigator.clipboard) return navigator.clipboard.writeText(text);
  const area = document.createElement("textarea");
  area.value = text;
  document.body.append(area);
  area.select();
  document.execCommand("copy");
  area.remove();
}

// One entry, and its labels when opened.

import { useSignal } from "@preact/signals";
import { rowLevel } from "./level";
import { canFilter, isLogQL } from "./query";
import type { Row } from "./rows";
import { addFilter, state } from "./session";
import { copy, Marked, oneLine, printable, splitTime } from "./text";
import { formatExact, formatRow } from "./time";

/** Characters of a closed row: more than fits on any screen. */
const PREVIEW = 1_000;

function CopyButton({ text, label }: { text: string; label: string }) {
  const done = useSignal(false);
  const click = async () => {
    await copy(text);
    done.value = true;
    window.setTimeout(() => (done.value = false), 1_200);
  };
  return (
    <button type="button" class="small" aria-label={label} onClick={() => void click()}>
      {done.value ? "Copied" : "Copy"}
    </button>
  );
}

function Field({ name, value }: { name: string; value: string }) {
  return (
    <tr>
      <th scope="row">{name}</th>
      <td class="value">{printable(value)}</td>
      <td class="acts">
        <CopyButton text={value} label={`Copy ${name}`} />
        {canFilter(name) && (
          <button
            type="button"
            class="small"
            aria-label={`Filter by ${name}`}
            onClick={() => addFilter({ name, value })}
          >
            Filter
          </button>
        )}
      </td>
    </tr>
  );
}

function Details({ row }: { row: Row }) {
  const { level, detected_level } = row.labels;
  // Loki's clients expect the level twice.
  const twice = level !== undefined && level === detected_level;
  const names = Object.keys(row.labels)
    .filter((name) => !(twice && name === "detected_level"))
    .sort();
  return (
    <div class="details">
      <div class="whole">
        <pre tabIndex={0} aria-label="Whole line">
          {printable(row.line)}
        </pre>
        <CopyButton text={row.line} label="Copy line" />
      </div>
      <table>
        <tbody>
          <tr>
            <th scope="row">time</th>
            <td class="value">{formatExact(row.ns)}</td>
            <td class="acts">
              <CopyButton text={formatExact(row.ns)} label="Copy time" />
            </td>
          </tr>
          {names.map((name) => (
            <Field key={name} name={name} value={row.labels[name] ?? ""} />
          ))}
        </tbody>
      </table>
    </div>
  );
}

export function RowView({ row }: { row: Row }) {
  const open = useSignal(false);
  const level = rowLevel(row.labels);
  const { text } = state.value;
  const [stamp, preview] = splitTime(oneLine(row.line.slice(0, PREVIEW)));
  return (
    <li class={`row ${level}${open.value ? " open" : ""}`}>
      <button
        type="button"
        class="head"
        aria-expanded={open.value}
        onClick={() => (open.value = !open.value)}
      >
        <time dateTime={formatExact(row.ns)}>{formatRow(row.ns)}</time>
        <span class={`level ${level}`}>{level === "unknown" ? "–" : level}</span>
        <span class="service">{row.labels.service_name ?? ""}</span>
        <span class="text">
          {stamp && <span class="dim">{stamp}</span>}
          <Marked text={preview} word={isLogQL(text) ? "" : text} />
        </span>
      </button>
      {open.value && <Details row={row} />}
    </li>
  );
}

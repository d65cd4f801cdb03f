// The time range: a preset, or two moments in local time.

import { useSignal } from "@preact/signals";
import { ask, state } from "./session";
import { fromInput, PRESETS, resolve, toInput } from "./time";

function CustomRange({ close }: { close: () => void }) {
  const span = resolve(state.value.range, Date.now());
  const from = useSignal(toInput(span.fromMs));
  const to = useSignal(toInput(span.toMs));
  const valid = fromInput(from.value) < fromInput(to.value);
  const apply = () => {
    close();
    ask({ range: { fromMs: fromInput(from.value), toMs: fromInput(to.value) } });
  };
  return (
    <span class="custom" role="group" aria-label="Custom time range">
      <input
        type="datetime-local"
        step="1"
        aria-label="From"
        value={from.value}
        onInput={(e) => (from.value = e.currentTarget.value)}
      />
      <input
        type="datetime-local"
        step="1"
        aria-label="To"
        value={to.value}
        onInput={(e) => (to.value = e.currentTarget.value)}
      />
      <button type="button" disabled={!valid} onClick={apply}>
        Apply
      </button>
    </span>
  );
}

export function RangePicker() {
  const editing = useSignal(false);
  const { range } = state.value;
  const fixed = !("preset" in range);
  const choose = (id: string) => {
    editing.value = id === "custom";
    if (id !== "custom") ask({ range: { preset: id } });
  };
  const value = editing.value || fixed ? "custom" : range.preset;
  const key = fixed ? `${range.fromMs}-${range.toMs}` : range.preset;
  return (
    <>
      <select aria-label="Time range" value={value} onChange={(e) => choose(e.currentTarget.value)}>
        {PRESETS.map(({ id, label }) => (
          <option key={id} value={id}>
            {label}
          </option>
        ))}
        <option value="custom">Custom range</option>
      </select>
      {value === "custom" && <CustomRange key={key} close={() => (editing.value = false)} />}
    </>
  );
}

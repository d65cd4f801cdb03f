// The search box, the dropdowns, the chosen filters and what is wrong with them.

import { useEffect, useRef } from "preact/hooks";
import { connection } from "./follow";
import { RangePicker } from "./range";
import * as session from "./session";

interface ChoiceProps {
  label: string;
  all: string;
  value: string;
  values: string[];
  choose: (value: string) => void;
}

function Choice({ label, all, value, values, choose }: ChoiceProps) {
  const options = value && !values.includes(value) ? [value, ...values] : values;
  return (
    <select aria-label={label} value={value} onChange={(e) => choose(e.currentTarget.value)}>
      <option value="">{all}</option>
      {options.map((option) => (
        <option key={option} value={option}>
          {option}
        </option>
      ))}
    </select>
  );
}

function isTyping(target: EventTarget | null): boolean {
  return target instanceof HTMLElement && target.closest("input, select, textarea") !== null;
}

function SearchBox() {
  const box = useRef<HTMLInputElement>(null);
  useEffect(() => {
    const focus = (event: KeyboardEvent) => {
      if (event.key !== "/" || event.ctrlKey || event.metaKey || isTyping(event.target)) return;
      event.preventDefault();
      box.current?.focus();
      box.current?.select();
    };
    document.addEventListener("keydown", focus);
    return () => document.removeEventListener("keydown", focus);
  }, []);
  return (
    <input
      ref={box}
      type="search"
      class="box"
      aria-label="Search logs"
      aria-describedby="problem"
      aria-keyshortcuts="/"
      placeholder='Words to find, or {service_name="shop"} |= "timeout"'
      autocomplete="off"
      autocapitalize="off"
      spellcheck={false}
      value={session.draft.value}
      onInput={(e) => (session.draft.value = e.currentTarget.value)}
    />
  );
}

const CONNECTION = {
  off: "Live",
  connecting: "Connecting…",
  live: "Live",
  lost: "Reconnecting…",
} as const;

function LiveToggle() {
  const { live } = session.state.value;
  const now = live ? connection.value : "off";
  return (
    <button
      type="button"
      class="live"
      data-connection={now}
      aria-pressed={live}
      title={live ? "Stop following" : "Follow new lines as they arrive"}
      onClick={() => session.ask({ live: !live })}
    >
      <span class="dot" aria-hidden="true" />
      <span role="status">{CONNECTION[now]}</span>
    </button>
  );
}

function Filters() {
  const { filters } = session.state.value;
  return (
    <div class="chips">
      {filters.map(({ name, value }, index) => (
        <button
          type="button"
          class="chip"
          key={`${name}=${value}`}
          aria-label={`Remove filter ${name} = ${value}`}
          onClick={() => session.removeFilter(index)}
        >
          <span class="chip-text">
            {name} = {value}
          </span>
          <span aria-hidden="true">×</span>
        </button>
      ))}
      <code class="runs" title="The LogQL that runs">
        {session.query.value}
      </code>
    </div>
  );
}

export function Search() {
  const { service, level } = session.state.value;
  const submit = (event: Event) => {
    event.preventDefault();
    session.ask({});
  };
  return (
    <form class="search" role="search" onSubmit={submit}>
      <div class="line">
        <SearchBox />
        <button type="submit" class="primary">
          Search
        </button>
      </div>
      <div class="line choices">
        <Choice
          label="Service"
          all="All services"
          value={service}
          values={session.services.value}
          choose={(value) => session.ask({ service: value })}
        />
        <Choice
          label="Level"
          all="All levels"
          value={level}
          values={session.levels.value}
          choose={(value) => session.ask({ level: value })}
        />
        <RangePicker />
        <LiveToggle />
      </div>
      <Filters />
      <p id="problem" class="problem" role="alert" hidden={!session.error.value}>
        {session.error.value}
      </p>
    </form>
  );
}

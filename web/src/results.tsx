// The list of rows, newest first, and what is said when there is none.

import { useEffect } from "preact/hooks";
import { RowView } from "./row";
import * as session from "./session";
import { describe } from "./time";

const TOP_PX = 40;

function Summary() {
  const count = session.rows.value.length;
  const { live, range } = session.state.value;
  const dropped = session.dropped.value;
  if (session.status.value === "error") {
    return (
      <p class="summary" role="status" aria-busy={false}>
        The search failed.
      </p>
    );
  }
  const loading = session.status.value === "loading";
  const lines = `${count.toLocaleString()}${session.more.value ? "+" : ""} ${count === 1 ? "line" : "lines"}`;
  const took = `${Math.max(1, Math.round(session.tookMs.value))} ms`;
  return (
    <p class="summary" role="status" aria-busy={loading}>
      {loading ? "Searching…" : `${lines} · ${took} · ${describe(range)}`}
      {live && session.paused.value && " · paused"}
      {live && dropped > 0 && ` · ${dropped.toLocaleString()} dropped: more came than could be read`}
    </p>
  );
}

function NoLogsYet() {
  return (
    <div class="empty">
      <h2>No logs have arrived in this range</h2>
      <p>Widen the time range, or send a first line:</p>
      <pre>{`echo 'hello from the shell' | curl --data-binary @- ${location.origin}/ingest/lines`}</pre>
      <p>An agent, an OpenTelemetry exporter or a Loki client can send to the same address.</p>
    </div>
  );
}

function NoMatch() {
  const { range } = session.state.value;
  const clear = { text: "", service: "", level: "", filters: [] };
  return (
    <div class="empty">
      <h2>Nothing matched</h2>
      <p>
        No line of {"preset" in range && "the "}
        {describe(range)} fits this search. Upper and lower case count.
      </p>
      <p class="line">
        <button type="button" onClick={() => session.ask({ range: { preset: "7d" } })}>
          Search the last 7 days
        </button>
        <button type="button" onClick={() => session.ask(clear)}>
          Clear the search
        </button>
      </p>
    </div>
  );
}

function Nothing() {
  if (session.status.value !== "done") return null;
  const { text, service, level, filters } = session.state.value;
  return text || service || level || filters.length ? <NoMatch /> : <NoLogsYet />;
}

function usePauseOnScroll(): void {
  useEffect(() => {
    const scrolled = () => {
      if (window.scrollY > TOP_PX) session.pause();
      else if (session.paused.value) session.resume();
    };
    window.addEventListener("scroll", scrolled, { passive: true });
    return () => window.removeEventListener("scroll", scrolled);
  }, []);
}

function HeldBack() {
  const count = session.held.value.length;
  if (!session.paused.value) return null;
  const resume = () => {
    session.resume();
    window.scrollTo({ top: 0 });
  };
  return (
    <button type="button" class="held" onClick={resume}>
      {count ? `${count.toLocaleString()} new · back to the newest` : "Paused · back to the newest"}
    </button>
  );
}

export function Results() {
  usePauseOnScroll();
  const rows = session.rows.value;
  const busy = session.status.value === "loading";
  return (
    <section class="results" aria-label="Results">
      <Summary />
      {rows.length ? (
        <ol class={busy ? "rows stale" : "rows"}>
          {rows.map((row) => (
            <RowView key={row.id} row={row} />
          ))}
        </ol>
      ) : (
        <Nothing />
      )}
      {session.more.value && rows.length > 0 && (
        <button
          type="button"
          class="more"
          disabled={session.loadingMore.value}
          onClick={() => void session.loadMore()}
        >
          {session.loadingMore.value ? "Loading…" : "Load more"}
        </button>
      )}
      <HeldBack />
    </section>
  );
}

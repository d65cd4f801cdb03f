// The page.

import { useEffect } from "preact/hooks";
import { Histogram } from "./histogram";
import { Results } from "./results";
import { Search } from "./search";
import { start } from "./session";

export function App() {
  useEffect(start, []);
  return (
    <>
      <header>
        <h1>
          <img src="/favicon.svg" alt="" width="22" height="22" /> tailrace
        </h1>
        <Search />
      </header>
      <main>
        <Histogram />
        <Results />
      </main>
    </>
  );
}

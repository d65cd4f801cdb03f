// The live tail: one websocket, opened again with backoff, resuming after the newest entry.

import { signal } from "@preact/signals";
import { type Entry, parseTail, type Tailed, tailUrl } from "./api";
import { compareNs, nextNs } from "./time";

export type Connection = "off" | "connecting" | "live" | "lost";

export const connection = signal<Connection>("off");

const FIRST_RETRY_MS = 1_000;
const LAST_RETRY_MS = 15_000;

/** Entries are shown together this often: a busy tail must not redraw for each message. */
const SHOW_EVERY_MS = 200;

type Receive = (entries: Entry[], dropped: number) => void;

export class Follower {
  private socket: WebSocket | undefined;
  private timer: number | undefined;
  private showTimer: number | undefined;
  private waiting: Entry[] = [];
  private dropped = 0;
  private retryMs = FIRST_RETRY_MS;

  /**
   * `receive` gets at most `most` entries at a time, the newest ones, and how many lines the server
   * left out before them.
   */
  constructor(
    private readonly query: string,
    private nextStart: string,
    private readonly most: number,
    private readonly receive: Receive,
  ) {}

  start(): void {
    connection.value = this.retryMs === FIRST_RETRY_MS ? "connecting" : "lost";
    const socket = new WebSocket(tailUrl(this.query, this.nextStart));
    this.socket = socket;
    socket.onopen = () => {
      connection.value = "live";
      this.retryMs = FIRST_RETRY_MS;
    };
    socket.onmessage = (event) => this.take(parseTail(String(event.data)));
    socket.onclose = () => this.retry();
  }

  stop(): void {
    window.clearTimeout(this.timer);
    window.clearTimeout(this.showTimer);
    if (this.socket) {
      this.socket.onclose = null;
      this.socket.onmessage = null;
      this.socket.close();
    }
    connection.value = "off";
  }

  private take({ entries, dropped }: Tailed): void {
    this.dropped += dropped;
    for (const { ns } of entries) {
      if (compareNs(ns, this.nextStart) >= 0) this.nextStart = nextNs(ns);
    }
    this.waiting = [...this.waiting, ...entries].slice(-this.most);
    this.showTimer ??= window.setTimeout(() => this.show(), SHOW_EVERY_MS);
  }

  private show(): void {
    this.showTimer = undefined;
    const { waiting, dropped } = this;
    this.waiting = [];
    this.dropped = 0;
    if (waiting.length || dropped) this.receive(waiting, dropped);
  }

  private retry(): void {
    connection.value = "lost";
    this.timer = window.setTimeout(() => this.start(), this.retryMs);
    this.retryMs = Math.min(this.retryMs * 2, LAST_RETRY_MS);
  }
}

/** Events as they come, for who asks for `text/event-stream`: server-sent events, whose id is the event's number. */
import type { ProxyEvent } from "../api/control-socket.ts";
import {
  EVENT_STREAM_LOOK_MS,
  EVENT_STREAM_QUIET_LOOKS,
  EVENT_STREAMS_MAX,
} from "../base/page-limits.ts";

export interface EventSource {
  /** Asks the supervisor, whose answer brings new events. */
  ask(): Promise<unknown>;
  /** The last ones, the latest last. */
  events(): readonly ProxyEvent[];
}

interface Follower {
  readonly send: (text: string) => void;
  /** The number of the last event that it was sent. */
  after: number;
}

const QUIET = ": nothing new\n\n";

export class EventStreams {
  readonly #source: EventSource;
  readonly #followers: Set<Follower> = new Set();
  #timer: Timer | null = null;
  #quietLooks = 0;

  constructor(source: EventSource) {
    this.#source = source;
  }

  get isFull(): boolean {
    return this.#followers.size >= EVENT_STREAMS_MAX;
  }

  /** @param after the number of the last event that is known; 0: none is. @returns ends it */
  follow(after: number, send: (text: string) => void): () => void {
    const follower = { send, after };
    this.#followers.add(follower);
    void this.#look();
    return () => {
      this.#followers.delete(follower);
    };
  }

  close(): void {
    this.#followers.clear();
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
  }

  async #look(): Promise<void> {
    await this.#source.ask();
    const events = this.#source.events();
    let isQuiet = true;
    for (const follower of this.#followers) {
      const news = events.filter(({ number }) => number > follower.after);
      if (news.length === 0) continue;
      isQuiet = false;
      follower.after = news.at(-1)!.number;
      follower.send(news.map(textOf).join(""));
    }
    this.#quietLooks = isQuiet ? this.#quietLooks + 1 : 0;
    if (this.#quietLooks >= EVENT_STREAM_QUIET_LOOKS) {
      this.#quietLooks = 0;
      for (const { send } of this.#followers) send(QUIET);
    }
    this.#lookLater();
  }

  #lookLater(): void {
    if (this.#timer !== null || this.#followers.size === 0) return;
    this.#timer = setTimeout(() => {
      this.#timer = null;
      void this.#look();
    }, EVENT_STREAM_LOOK_MS);
  }
}

/** Its text has no line breaks: JSON escapes them. */
function textOf(event: ProxyEvent): string {
  return `id: ${event.number}\ndata: ${JSON.stringify(event)}\n\n`;
}

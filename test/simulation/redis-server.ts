/** A Redis of the simulation: what it keeps, and how it speaks. */
import { apply, type Value } from "./redis-model.ts";
import { bulk, CRLF, RespReader } from "./resp.ts";
import type { Speaker, SpeakerHost } from "./server.ts";
import type { World } from "./world.ts";

const OK = `+OK${CRLF}`;

/** What one server has, whichever connection asks. */
export class RedisStore {
  readonly values: Map<string, Value> = new Map();
  /** Changes with every write of a key. */
  readonly versions: Map<string, number> = new Map();
  /** Those that wait for a list, the first one first. */
  readonly blocked: RedisSpeaker[] = [];
  /** Told of each key that is asked for. */
  readonly onKey: (key: string) => void;
  readonly world: World;

  constructor(world: World, onKey: (key: string) => void) {
    this.world = world;
    this.onKey = onKey;
  }

  get(key: string): Value {
    return this.values.get(key) ?? null;
  }

  set(key: string, value: Value): void {
    this.versions.set(key, (this.versions.get(key) ?? 0) + 1);
    if (value === null) this.values.delete(key);
    else this.values.set(key, value);
  }

  wakeBlocked(): void {
    for (const speaker of [...this.blocked]) speaker.tryBlocked();
  }
}

export class RedisSpeaker implements Speaker {
  private readonly store: RedisStore;
  private readonly host: SpeakerHost;
  private readonly reader = new RespReader();
  private version = 2;
  /** Null: no transaction is open. */
  private queued: string[][] | null = null;
  private readonly watched: Map<string, number> = new Map();
  /** The keys of a blocking command, or null. */
  private waitsFor: readonly string[] | null = null;
  private cancelWait: () => void = () => {};

  constructor(store: RedisStore, host: SpeakerHost) {
    this.store = store;
    this.host = host;
  }

  /** With RESP3 it is a push, and with RESP2 no reply. */
  readonly isMistakable = false;

  get interruption(): string {
    return `>2${CRLF}${bulk("invalidate")}*1${CRLF}${bulk("some:key")}`;
  }

  confused(): null {
    return null;
  }

  *hear(text: string): Generator<string> {
    this.reader.add(text);
    yield* this.readOn();
  }

  private *readOn(): Generator<string> {
    while (this.waitsFor === null) {
      const request = this.reader.next();
      if (request === null) return;
      const words = request.items.map((item) => item.text ?? "");
      const reply = this.take(words);
      if (reply !== null) yield reply;
    }
  }

  onClosed(): void {
    this.cancelWait();
    const at = this.store.blocked.indexOf(this);
    if (at >= 0) this.store.blocked.splice(at, 1);
  }

  private take(words: string[]): string | null {
    const name = words[0]!.toUpperCase();
    words[0] = name;
    if (this.queued !== null && !["EXEC", "DISCARD", "MULTI", "WATCH"].includes(name)) {
      this.queued.push(words);
      return `+QUEUED${CRLF}`;
    }
    return this.execute(words, false);
  }

  private execute(words: readonly string[], isQueued: boolean): string | null {
    const { store } = this;
    const [name = "", first = ""] = words;
    switch (name) {
      case "PING":
        return first === "" ? `+PONG${CRLF}` : bulk(first);
      case "ECHO":
        return bulk(first);
      case "SELECT":
      case "CLIENT":
      case "READONLY":
        return OK;
      case "HELLO":
        this.version = Number(first);
        return `%1${CRLF}${bulk("proto")}:${this.version}${CRLF}`;
      case "MULTI":
        this.queued = [];
        return OK;
      case "DISCARD":
        this.queued = null;
        this.watched.clear();
        return OK;
      case "WATCH":
        for (const key of words.slice(1)) {
          store.onKey(key);
          this.watched.set(key, store.versions.get(key) ?? 0);
        }
        return OK;
      case "UNWATCH":
        this.watched.clear();
        return OK;
      case "EXEC":
        return this.exec();
      case "MGET": {
        const values = words.slice(1).map((key) => this.one(["GET", key]));
        return `*${values.length}${CRLF}${values.map((value) => (value.startsWith("-") ? bulk(null, this.version) : value)).join("")}`;
      }
      case "MSET":
        for (let at = 1; at + 1 < words.length; at += 2)
          this.one(["SET", words[at]!, words[at + 1]!]);
        return OK;
      case "DEL":
      case "UNLINK":
      case "EXISTS":
      case "TOUCH": {
        const counts = words.slice(1).map((key) => Number(this.one([name, key]).substring(1)));
        return `:${counts.reduce((sum, count) => sum + count, 0)}${CRLF}`;
      }
      case "BLPOP":
        return this.block(words, isQueued);
    }
    return apply([name, first], null) === null || first === ""
      ? `-ERR unknown command '${name}', with args beginning with: ${CRLF}`
      : this.one(words);
  }

  private one(words: readonly string[]): string {
    const { store } = this;
    const key = words[1]!;
    store.onKey(key);
    const before = store.get(key);
    const outcome = apply(words, before, this.version)!;
    if (outcome.value !== before) store.set(key, outcome.value);
    if (words[0]!.endsWith("PUSH")) store.world.after(0, () => store.wakeBlocked());
    return outcome.reply;
  }

  private exec(): string {
    const { queued } = this;
    this.queued = null;
    const isChanged = [...this.watched].some(
      ([key, version]) => (this.store.versions.get(key) ?? 0) !== version,
    );
    this.watched.clear();
    if (queued === null) return `-ERR EXEC without MULTI${CRLF}`;
    if (isChanged) return this.version === 3 ? `_${CRLF}` : `*-1${CRLF}`;
    const replies = queued.map((words) => this.execute(words, true));
    return `*${replies.length}${CRLF}${replies.join("")}`;
  }

  private block(words: readonly string[], isQueued: boolean): string | null {
    this.waitsFor = words.slice(1, -1);
    const popped = this.popped();
    if (popped !== null || isQueued) {
      this.waitsFor = null;
      return popped ?? this.none;
    }
    const { store } = this;
    store.blocked.push(this);
    const seconds = Number(words.at(-1));
    if (seconds > 0) {
      this.cancelWait = store.world.after(1000 * seconds, () => this.unblock(this.none));
    }
    return null;
  }

  private get none(): string {
    return this.version === 3 ? `_${CRLF}` : `*-1${CRLF}`;
  }

  private popped(): string | null {
    for (const key of this.waitsFor!) {
      this.store.onKey(key);
      if (Array.isArray(this.store.get(key))) {
        return `*2${CRLF}${bulk(key)}${this.one(["LPOP", key])}`;
      }
    }
    return null;
  }

  tryBlocked(): void {
    const popped = this.popped();
    if (popped !== null) this.unblock(popped);
  }

  private unblock(reply: string): void {
    const { blocked } = this.store;
    blocked.splice(blocked.indexOf(this), 1);
    this.cancelWait();
    this.waitsFor = null;
    this.host.send(reply);
    for (const next of this.readOn()) this.host.send(next);
  }
}

/**
 * Clients that write, read, count and delete keys of their own, and check every reply: what was acknowledged last must be read, whatever
 * happens to the servers meanwhile. A write whose connection was lost may or may not have been executed.
 */
import { RespClient } from "../resp-client.ts";

const KEYS_OF_CLIENT = 40;

export interface LoadReport {
  readonly requests: number;
  /** Replies that are not what must be, in words. */
  readonly wrong: readonly string[];
  readonly errors: readonly string[];
  readonly longestMs: number;
  /** Connections that were lost. */
  readonly lost: number;
}

export class VerifiedLoad {
  readonly #ports: readonly number[];
  readonly #clients: Promise<void>[] = [];
  readonly #keys: OwnKeys[] = [];
  #isOver = false;
  #requests = 0;
  #lost = 0;
  #longestMs = 0;
  readonly #wrong: string[] = [];
  readonly #errors: string[] = [];

  /** @param ports each client has a connection to all of these that accept one, and asks over any of them */
  constructor(ports: number | readonly number[], clients: number) {
    this.#ports = typeof ports === "number" ? [ports] : ports;
    for (let number = 0; number < clients; number++) {
      const keys = new OwnKeys(number);
      this.#keys.push(keys);
      this.#clients.push(this.#run(keys));
    }
  }

  get requests(): number {
    return this.#requests;
  }

  async stop(): Promise<LoadReport> {
    this.#isOver = true;
    await Promise.all(this.#clients);
    return {
      ...{ requests: this.#requests, wrong: this.#wrong, errors: this.#errors, lost: this.#lost },
      longestMs: Math.round(this.#longestMs),
    };
  }

  /** What each key must hold now; null: it must not be there. Keys that are not sure are left out. */
  get expected(): Map<string, string | null> {
    const all = new Map<string, string | null>();
    for (const keys of this.#keys) for (const [key, value] of keys.sure) all.set(key, value);
    return all;
  }

  async #run(keys: OwnKeys): Promise<void> {
    while (!this.#isOver) {
      const connected = await Promise.allSettled(
        this.#ports.map((port) => RespClient.connect({ host: "127.0.0.1", port })),
      );
      const clients = connected.flatMap((one) => (one.status === "fulfilled" ? [one.value] : []));
      try {
        if (clients.length === 0) throw new Error("no proxy accepts connections");
        await this.#use(clients, keys);
      } catch {
        this.#lost++;
        keys.onLost();
        await Bun.sleep(5);
      }
      for (const client of clients) client.close();
    }
  }

  async #use(clients: readonly RespClient[], keys: OwnKeys): Promise<void> {
    while (!this.#isOver) {
      const step = keys.next();
      const startedMs = performance.now();
      const client = clients[Math.floor(Math.random() * clients.length)]!;
      const reply = await client.ask(...step.command);
      this.#longestMs = Math.max(this.#longestMs, performance.now() - startedMs);
      this.#requests++;
      if (reply.startsWith("-")) {
        this.#errors.push(`${step.command.join(" ")}: ${reply.trim()}`);
        keys.onError();
      } else {
        const fault = keys.onReply(reply);
        if (fault !== null) this.#wrong.push(fault);
      }
    }
  }
}

interface Step {
  readonly command: readonly string[];
}

/** What one client knows of its keys. */
class OwnKeys {
  readonly #number: number;
  /** What a read may give; more than one: a write was lost. */
  readonly #allowed = new Map<string, Set<string | null>>();
  #values = 0;
  #step: {
    kind: "get" | "mget" | "set" | "del" | "incr";
    keys: readonly string[];
    value: string;
  } | null = null;

  constructor(number: number) {
    this.#number = number;
    for (let at = 0; at < KEYS_OF_CLIENT; at++) this.#allowed.set(this.#name(at), new Set([null]));
  }

  get sure(): (readonly [string, string | null])[] {
    return [...this.#allowed].flatMap(([key, values]) =>
      values.size === 1 ? [[key, [...values][0]!] as const] : [],
    );
  }

  #name(at: number): string {
    return `load:${this.#number}:${at}`;
  }

  #pick(): string {
    return this.#name(Math.floor(Math.random() * KEYS_OF_CLIENT));
  }

  next(): Step {
    const chance = Math.random();
    const key = this.#pick();
    const value = `${this.#number}-${++this.#values}`;
    if (chance < 0.35) {
      this.#step = { kind: "get", keys: [key], value };
      return { command: ["GET", key] };
    }
    if (chance < 0.5) {
      const keys = [...new Set([key, this.#pick(), this.#pick(), this.#pick()])];
      this.#step = { kind: "mget", keys, value };
      return { command: ["MGET", ...keys] };
    }
    if (chance < 0.75) {
      this.#step = { kind: "set", keys: [key], value };
      return { command: ["SET", key, value] };
    }
    if (chance < 0.85) {
      this.#step = { kind: "incr", keys: [key], value: "+" };
      return { command: ["APPEND", key, "+"] };
    }
    this.#step = { kind: "del", keys: [key], value };
    return { command: ["DEL", key] };
  }

  /** @returns what is wrong; null: nothing */
  onReply(reply: string): string | null {
    const step = this.#step!;
    this.#step = null;
    const [key = ""] = step.keys;
    const allowed = this.#allowed.get(key)!;
    switch (step.kind) {
      case "get":
        return this.#check(key, bulkOf(reply));
      case "mget": {
        const found = [...reply.matchAll(/\$(-1|\d+\r\n([^\r]*))\r\n/g)].map(([, all, text]) =>
          all === "-1" ? null : text!,
        );
        const faults = step.keys.map((name, i) => this.#check(name, found[i] ?? null));
        return faults.find((fault) => fault !== null) ?? null;
      }
      case "set":
        this.#allowed.set(key, new Set([step.value]));
        return null;
      case "incr": {
        const lengths = [...allowed].map((value) => (value ?? "").length + 1);
        const length = Number(reply.substring(1));
        const after = [...allowed].filter((value) => (value ?? "").length + 1 === length);
        this.#allowed.set(key, new Set(after.map((value) => `${value ?? ""}+`)));
        return lengths.includes(length)
          ? null
          : `APPEND ${key}: length ${length} in place of ${lengths.join(" or ")}`;
      }
      case "del": {
        const wasThere = reply === ":1\r\n";
        const fits = [...allowed].some((value) => (value !== null) === wasThere);
        this.#allowed.set(key, new Set([null]));
        return fits ? null : `DEL ${key}: ${reply.trim()} in place of the other`;
      }
    }
  }

  #check(key: string, value: string | null): string | null {
    const allowed = this.#allowed.get(key)!;
    if (allowed.has(value)) {
      this.#allowed.set(key, new Set([value]));
      return null;
    }
    const words = [...allowed].map((one) => one ?? "nothing").join(" or ");
    this.#allowed.set(key, new Set([value]));
    return `${key}: ${value ?? "nothing"} in place of ${words}`;
  }

  /** It was surely not executed. */
  onError(): void {
    this.#step = null;
  }

  onLost(): void {
    const step = this.#step;
    this.#step = null;
    if (step === null || step.kind === "get" || step.kind === "mget") return;
    const allowed = this.#allowed.get(step.keys[0]!)!;
    for (const value of [...allowed]) {
      if (step.kind === "incr") allowed.add(`${value ?? ""}+`);
    }
    if (step.kind === "set") allowed.add(step.value);
    if (step.kind === "del") allowed.add(null);
  }
}

function bulkOf(reply: string): string | null {
  if (reply === "$-1\r\n") return null;
  return /^\$\d+\r\n([^\r]*)\r\n$/.exec(reply)?.[1] ?? `?${reply}`;
}

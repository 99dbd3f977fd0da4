/**
 * Clients of Memcached in all of its dialects that write, read, count and delete keys of their own, and check every reply: what was acknowledged
 * last must be read, whatever happens to the servers meanwhile.
 */
import { BinaryClient, encodeRequest, storageExtras } from "../binary-client.ts";
import { TextClient } from "../text-client.ts";

const KEYS_OF_CLIENT = 40;
const MULTI_KEYS = 4;

export type Dialect = "text" | "meta" | "binary";
export const DIALECTS: readonly Dialect[] = ["text", "meta", "binary"];

/** What a key holds, and what it was written with; null: nothing. */
type Item = { readonly value: string; readonly flags: number } | null;

export interface MemcacheLoadReport {
  readonly requests: number;
  /** Replies that are not what must be, in words. */
  readonly wrong: readonly string[];
  /** Reads that gave nothing where something must be. */
  readonly missing: readonly string[];
  readonly errors: readonly string[];
  readonly lost: number;
  readonly longestMs: number;
}

export class MemcacheLoad {
  readonly #clients: Promise<void>[] = [];
  readonly #holders: OwnItems[] = [];
  #isOver = false;
  #requests = 0;
  #longestMs = 0;
  #lost = 0;
  readonly #wrong: string[] = [];
  readonly #missing: string[] = [];
  readonly #errors: string[] = [];

  /** @param clients of each dialect */
  constructor(port: number, clients: number) {
    for (const dialect of DIALECTS) {
      for (let number = 0; number < clients; number++) {
        const items = new OwnItems(`load:${dialect}:${number}`);
        this.#holders.push(items);
        this.#clients.push(this.#run(port, dialect, items));
      }
    }
  }

  get requests(): number {
    return this.#requests;
  }

  /** What each key must hold now. */
  get expected(): ReadonlyMap<string, Item> {
    return new Map(this.#holders.flatMap(({ items }) => [...items]));
  }

  async stop(): Promise<MemcacheLoadReport> {
    this.#isOver = true;
    await Promise.all(this.#clients);
    return {
      ...{ requests: this.#requests, wrong: this.#wrong, missing: this.#missing },
      ...{ errors: this.#errors, lost: this.#lost, longestMs: Math.round(this.#longestMs) },
    };
  }

  async #run(port: number, dialect: Dialect, own: OwnItems): Promise<void> {
    while (!this.#isOver) {
      try {
        const speaker = await connect(port, dialect);
        while (!this.#isOver) await this.#step(speaker, own);
        speaker.close();
      } catch {
        this.#lost++;
        own.onLost();
        await Bun.sleep(5);
      }
    }
  }

  async #step(speaker: Speaker, own: OwnItems): Promise<void> {
    const startedMs = performance.now();
    const chance = Math.random();
    const key = own.pick();
    if (chance < 0.35) await this.#read(speaker, own, [key]);
    else if (chance < 0.5) await this.#read(speaker, own, own.pickSome(MULTI_KEYS));
    else if (chance < 0.75) await this.#write(speaker, own, key, "set");
    else if (chance < 0.83) await this.#write(speaker, own, key, "add");
    else await this.#write(speaker, own, key, "delete");
    this.#longestMs = Math.max(this.#longestMs, performance.now() - startedMs);
    this.#requests++;
  }

  async #read(speaker: Speaker, own: OwnItems, keys: readonly string[]): Promise<void> {
    const found = await speaker.read(keys);
    if (typeof found === "string") {
      this.#errors.push(`read ${keys.join(" ")}: ${found}`);
      return;
    }
    for (const key of keys) {
      const item = found.get(key) ?? null;
      const must = own.items.get(key) ?? null;
      if (own.unsure.has(key)) own.sure(key, item);
      else if (!isSame(item, must)) {
        const words = `${key}: ${shown(item)} in place of ${shown(must)}`;
        (item === null ? this.#missing : this.#wrong).push(words);
        own.items.set(key, item);
      }
    }
  }

  async #write(
    speaker: Speaker,
    own: OwnItems,
    key: string,
    verb: "set" | "add" | "delete",
  ): Promise<void> {
    const item = own.newItem();
    own.asked = key;
    const before = own.items.get(key) ?? null;
    const reply = await speaker.write(verb, key, item);
    own.asked = null;
    if (typeof reply === "string") {
      this.#errors.push(`${verb} ${key}: ${reply}`);
      return;
    }
    const must = verb === "set" || (verb === "add") === (before === null);
    if (reply !== must && !own.unsure.has(key)) {
      const words = `${verb} ${key}: ${reply} with ${shown(before)}`;
      // Nothing was there where something must be.
      const isMiss = verb === "add" ? reply : !reply;
      (isMiss ? this.#missing : this.#wrong).push(words);
    }
    if (verb === "delete") own.sure(key, null);
    else if (reply) own.sure(key, item);
  }
}

function isSame(one: Item, other: Item): boolean {
  return one?.value === other?.value && one?.flags === other?.flags;
}

function shown(item: Item): string {
  return item === null ? "nothing" : `'${item.value}' ${item.flags}`;
}

class OwnItems {
  readonly items: Map<string, Item> = new Map();
  /** Keys of which a write was lost: it is not known what they hold. */
  readonly unsure: Set<string> = new Set();
  /** The key that is just written. */
  asked: string | null = null;
  readonly #prefix: string;
  #values = 0;

  constructor(prefix: string) {
    this.#prefix = prefix;
    for (let at = 0; at < KEYS_OF_CLIENT; at++) this.items.set(`${prefix}:${at}`, null);
  }

  pick(): string {
    return `${this.#prefix}:${Math.floor(Math.random() * KEYS_OF_CLIENT)}`;
  }

  pickSome(count: number): readonly string[] {
    return [...new Set(Array.from({ length: count }, () => this.pick()))];
  }

  newItem(): { readonly value: string; readonly flags: number } {
    this.#values++;
    return { value: `${this.#prefix}-${this.#values}`, flags: this.#values };
  }

  sure(key: string, item: Item): void {
    this.unsure.delete(key);
    this.items.set(key, item);
  }

  onLost(): void {
    if (this.asked !== null) this.unsure.add(this.asked);
    this.asked = null;
  }
}

/** A string in place of a result is an error. */
interface Speaker {
  read(keys: readonly string[]): Promise<ReadonlyMap<string, Item> | string>;
  /** Whether it was done. */
  write(
    verb: "set" | "add" | "delete",
    key: string,
    item: { readonly value: string; readonly flags: number },
  ): Promise<boolean | string>;
  close(): void;
}

async function connect(port: number, dialect: Dialect): Promise<Speaker> {
  const endpoint = { host: "127.0.0.1", port };
  if (dialect === "binary") return binarySpeaker(await BinaryClient.connect(endpoint));
  const client = await TextClient.connect(endpoint);
  return dialect === "text" ? textSpeaker(client) : metaSpeaker(client);
}

const ERROR = /^(CLIENT_|SERVER_)?ERROR/;

function textSpeaker(client: TextClient): Speaker {
  return {
    async read(keys) {
      client.send(`get ${keys.join(" ")}\r\n`);
      const found = new Map<string, Item>();
      for (;;) {
        const line = (await client.until("\r\n")).toString("latin1").trimEnd();
        if (line === "END") return found;
        if (ERROR.test(line)) return line;
        const [, key = "", flags] = line.split(" ");
        const value = (await client.until("\r\n")).toString("latin1").trimEnd();
        found.set(key, { value, flags: Number(flags) });
      }
    },
    async write(verb, key, { value, flags }) {
      const request =
        verb === "delete"
          ? `delete ${key}\r\n`
          : `${verb} ${key} ${flags} 1000 ${value.length}\r\n${value}\r\n`;
      const reply = (await client.ask(request)).trimEnd();
      if (ERROR.test(reply)) return reply;
      return reply === "STORED" || reply === "DELETED";
    },
    close: () => client.close(),
  };
}

function metaSpeaker(client: TextClient): Speaker {
  return {
    async read(keys) {
      client.send(keys.map((key) => `mg ${key} v f\r\n`).join(""));
      const found = new Map<string, Item>();
      let error: string | null = null;
      for (const key of keys) {
        const line = (await client.until("\r\n")).toString("latin1").trimEnd();
        if (ERROR.test(line)) error = line;
        if (!line.startsWith("VA ")) continue;
        const value = (await client.until("\r\n")).toString("latin1").trimEnd();
        found.set(key, { value, flags: Number(/ f(\d+)/.exec(line)?.[1]) });
      }
      return error ?? found;
    },
    async write(verb, key, { value, flags }) {
      const mode = verb === "add" ? " ME" : "";
      const request =
        verb === "delete"
          ? `md ${key}\r\n`
          : `ms ${key} ${value.length} F${flags} T1000${mode}\r\n${value}\r\n`;
      const reply = (await client.ask(request)).trimEnd();
      return ERROR.test(reply) ? reply : reply === "HD";
    },
    close: () => client.close(),
  };
}

const OPCODE = { set: 0x01, add: 0x02, delete: 0x04, noop: 0x0a, getKeyQuiet: 0x0d };

function binarySpeaker(client: BinaryClient): Speaker {
  return {
    async read(keys) {
      const requests = keys.map((key) => encodeRequest({ opcode: OPCODE.getKeyQuiet, key }));
      client.send(Buffer.concat([...requests, encodeRequest({ opcode: OPCODE.noop })]));
      const found = new Map<string, Item>();
      let error: string | null = null;
      for (;;) {
        const { opcode, status, extras, key, value } = await client.reply();
        if (opcode === OPCODE.noop) return error ?? found;
        if (status !== 0) error = value;
        else found.set(key, { value, flags: extras.readUInt32BE(0) });
      }
    },
    async write(verb, key, { value, flags }) {
      const stored = { key, value, extras: storageExtras(flags, 1000) };
      client.send(
        encodeRequest({ opcode: OPCODE[verb], ...(verb === "delete" ? { key } : stored) }),
      );
      const { status, value: words } = await client.reply();
      // Not found, exists, not stored.
      if (status === 1 || status === 2 || status === 5) return false;
      return status === 0 ? true : words;
    },
    close: () => client.close(),
  };
}

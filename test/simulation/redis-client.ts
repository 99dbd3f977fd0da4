/** A Redis client of the simulation, which knows what each reply can be. */
import { ANY } from "./checker.ts";
import { type ClientHabits, type ClientRig, type ReplyReader, SimulatedClient } from "./client.ts";
import type { KeyModel, Semantics } from "./key-model.ts";
import { apply, isReading, isSetting, type Value } from "./redis-model.ts";
import { type Reply, RespReader, request } from "./resp.ts";

const SEMANTICS: Readonly<Record<2 | 3, Semantics<Value>>> = {
  2: { apply: (command, value) => apply(command, value, 2), isReading, isSetting },
  3: { apply: (command, value) => apply(command, value, 3), isReading, isSetting },
};

/** Keys that it uses at a time. */
const KEYS = 5;
const TEXT_COMMANDS = [
  ...[
    "GET",
    "GET",
    "GET",
    "SET",
    "SET",
    "SET",
    "DEL",
    "EXISTS",
    "APPEND",
    "INCRBY",
    "STRLEN",
    "GETSET",
    "SETNX",
  ],
];
const LIST_COMMANDS = ["RPUSH", "RPUSH", "LPUSH", "LPOP", "LLEN", "LRANGE"];

export class RedisClient extends SimulatedClient<Value> {
  private readonly keys: string[] = Array.from({ length: KEYS }, () => this.newKey("k"));
  private readonly lists: string[] = [this.newKey("l"), this.newKey("l")];

  constructor(id: number, rig: ClientRig, habits: ClientHabits) {
    super(id, rig, habits, { semantics: SEMANTICS[habits.version], initial: null });
  }

  protected override createReader(): ReplyReader {
    const reader = new RespReader();
    return {
      add: (text) => reader.add(text),
      next: () => (reader.next() === null ? null : reader.raw),
    };
  }

  protected override greeting(): string {
    if (this.habits.version === 2) return "";
    const words = ["HELLO", "3"];
    const sentMs = this.rig.world.nowMs;
    this.expect(words, [ANY], (raw) => {
      if (!raw.startsWith("%")) this.failed(words, raw, sentMs, raw.startsWith("-"));
    });
    return request(words);
  }

  protected override reading(key: string): string {
    return this.single(key.startsWith("l") ? ["LRANGE", key, "0", "-1"] : ["GET", key]);
  }

  protected override nextRequests(): string[] {
    const { random, habits } = this;
    const kind = random.next();
    if (kind < 0.05) return [this.ping()];
    if (kind < 0.12) return [this.severalKeys()];
    if (kind < 0.18 && habits.hasTransactions) return this.transaction();
    if (kind < 0.3) return [this.ofList()];
    return [this.ofText()];
  }

  private ping(): string {
    if (this.random.chance(0.3)) return this.clientId();
    const text = `p${this.id}.${this.sent++}`;
    const words = this.random.chance(0.5) ? ["PING"] : ["ECHO", text];
    const right = words[0] === "PING" ? "+PONG\r\n" : `$${text.length}\r\n${text}\r\n`;
    const sentMs = this.rig.world.nowMs;
    this.expect(words, [], (raw) => {
      if (raw !== right) this.failed(words, raw, sentMs, raw.startsWith("-"));
    });
    return request(words);
  }

  private clientId(): string {
    const words = ["CLIENT", "ID"];
    const sentMs = this.rig.world.nowMs;
    const peer = this.peer!;
    this.expect(words, [], (raw) => {
      if (raw.startsWith(":")) this.rig.checker.onId(raw, peer);
      else this.failed(words, raw, sentMs, raw.startsWith("-"));
    });
    return request(words);
  }

  private value(key: string): string {
    const mark = `${key}=${this.sent++}`;
    const bytes = this.random.small(this.habits.valueBytes);
    return mark.padEnd(bytes, ".");
  }

  private ofText(): string {
    const key = this.pickFrom(this.keys, "k");
    const name = this.random.pick(TEXT_COMMANDS);
    const words = [name, key];
    if (["SET", "GETSET", "SETNX", "APPEND"].includes(name)) words.push(this.value(key));
    if (name === "INCRBY") words.push(String(this.random.below(100)));
    return this.single(words);
  }

  private ofList(): string {
    const key = this.pickFrom(this.lists, "l");
    if (this.habits.blocks && this.random.chance(0.3)) {
      const seconds = this.random.pick(["0.02", "0.1", "0.3"]);
      this.restedUntilMs = Math.max(this.restedUntilMs, this.rig.world.nowMs + 400);
      return this.single(["BLPOP", key, seconds]);
    }
    const name = this.random.pick(LIST_COMMANDS);
    const words = [name, key];
    if (name.endsWith("PUSH")) words.push(this.value(key));
    if (name === "LRANGE") words.push("0", "-1");
    return this.single(words);
  }

  private single(words: readonly string[]): string {
    const key = words[1]!;
    const model = this.modelOf(key);
    const sentMs = this.rig.world.nowMs;
    this.expect(
      words,
      [key],
      (raw) => this.checkSingle(words, model, raw, sentMs),
      () => model.uncertain(words),
      words[0] === "BLPOP",
    );
    return request(words);
  }

  private checkSingle(
    words: readonly string[],
    model: KeyModel<Value>,
    raw: string,
    sentMs: number,
  ): void {
    const { checker } = this.rig;
    const key = words[1]!;
    if (checker.mayLie([key])) {
      model.isUnknown = true;
      if (!checker.mayForeign([key])) this.checkOwner(words, raw);
      return;
    }
    const isOwnError = raw.startsWith("-") && !/^-(WRONGTYPE|ERR value is not)/.test(raw);
    if (isOwnError) {
      if (!checker.onError(words, raw.trim(), sentMs)) model.uncertain(words);
      return;
    }
    const fault = model.answered(words, raw);
    if (fault === null) return;
    model.isUnknown = true;
    // Of a blocked client's list: the element was popped, and its connection is lost.
    checker.fail(`client ${this.id}: ${fault}`);
  }

  /** Whatever was written, it was to this key. */
  private checkOwner(words: readonly string[], raw: string): void {
    if (!["GET", "GETSET"].includes(words[0]!) || !raw.startsWith("$")) return;
    const text = raw.substring(raw.indexOf("\r\n") + 2, raw.length - 2);
    const isOwn = text === "" || text.startsWith(`${words[1]}=`) || /^\d+/.test(text);
    if (raw.startsWith("$-1") || isOwn) return;
    this.rig.checker.fail(
      `client ${this.id}: ${JSON.stringify(words)} was answered by ${JSON.stringify(raw)}`,
    );
  }

  private severalKeys(): string {
    const { random } = this;
    const { world, checker } = this.rig;
    const count = random.between(2, 4);
    const keys = Array.from({ length: count }, () => this.pickFrom(this.keys, "k"));
    const distinct = [...new Set(keys)];
    const sentMs = world.nowMs;
    const kind = random.below(3);
    if (kind === 0) {
      const words = ["MGET", ...distinct];
      this.expect(words, distinct, (raw) => {
        const reply = parsed(raw);
        if (checker.mayLie(distinct)) return;
        if (reply.type !== "*" || reply.items.length !== distinct.length) {
          this.failed(words, raw, sentMs, raw.startsWith("-"));
          return;
        }
        for (const [i, item] of reply.items.entries()) {
          const value =
            item.text === null
              ? nil(this.habits.version)
              : `$${item.text.length}\r\n${item.text}\r\n`;
          const fault = this.modelOf(distinct[i]!).answered(["GET", distinct[i]!], value);
          if (fault !== null) checker.fail(`client ${this.id}: of an MGET ${fault}`);
        }
      });
      return request(words);
    }
    const isSet = kind === 1;
    const commands = distinct.map((key) => (isSet ? ["SET", key, this.value(key)] : ["DEL", key]));
    const words = [isSet ? "MSET" : "DEL", ...commands.flatMap((command) => command.slice(1))];
    const uncertain = (): void => {
      for (const command of commands) this.modelOf(command[1]!).uncertain(command);
    };
    this.expect(
      words,
      distinct,
      (raw) => {
        const reply = parsed(raw);
        const isDone = isSet ? raw === "+OK\r\n" : reply.type === ":";
        if (!isDone) this.failed(words, raw, sentMs, raw.startsWith("-"));
        if (!isDone || checker.mayLie(distinct)) {
          uncertain();
          return;
        }
        for (const command of commands) this.done(command);
      },
      uncertain,
    );
    return request(words);
  }

  /** It was executed, and its own reply is not known. */
  private done(command: readonly string[]): void {
    const model = this.modelOf(command[1]!);
    const right = command[0] === "SET" ? ["+OK\r\n"] : [":1\r\n", ":0\r\n"];
    const faults = right.map((raw) => (model.isUnknown ? null : model.answered(command, raw)));
    if (faults.every((fault) => fault !== null)) model.isUnknown = true;
  }

  private transaction(): string[] {
    const { random } = this;
    const { checker, world } = this.rig;
    const tag = `{t${this.id}.${random.below(3)}}`;
    const keys = [`${tag}a`, `${tag}b`];
    const commands = Array.from({ length: random.between(1, 3) }, () => {
      const key = random.pick(keys);
      return random.chance(0.6) ? ["SET", key, this.value(key)] : ["GET", key];
    });
    const words = ["EXEC"];
    const sentMs = world.nowMs;
    let isBroken = false;
    const uncertain = (): void => {
      for (const command of commands) this.modelOf(command[1]!).uncertain(command);
    };
    const step = (step: readonly string[], right: string): string => {
      this.expect(step, keys, (raw) => {
        if (raw === right) return;
        // One that watches nothing, because that has failed, is executed all the same.
        isBroken ||= step[0] !== "WATCH";
        this.failed([...step, ...keys], raw, sentMs, raw.startsWith("-"));
      });
      return request(step);
    };
    const texts: string[] = [];
    const watches = random.chance(0.4);
    if (watches) texts.push(step(["WATCH", keys[0]!], "+OK\r\n"));
    texts.push(step(["MULTI"], "+OK\r\n"));
    for (const command of commands) texts.push(step(command, "+QUEUED\r\n"));
    this.expect(
      words,
      keys,
      (raw) => {
        const reply = parsed(raw);
        if (checker.mayLie(keys)) {
          for (const key of keys) this.modelOf(key).isUnknown = true;
          return;
        }
        if (reply.type === "*" && reply.items.length === commands.length && !isBroken) {
          for (const [i, command] of commands.entries()) {
            const item = reply.items[i]!;
            const text =
              command[0] === "SET"
                ? `+${item.text}\r\n`
                : item.text === null
                  ? nil(this.habits.version)
                  : `$${item.text.length}\r\n${item.text}\r\n`;
            const fault = this.modelOf(command[1]!).answered(command, text);
            if (fault !== null) checker.fail(`client ${this.id}: in a transaction ${fault}`);
          }
          return;
        }
        // What it watched was lost with the connection: nothing was done.
        if (watches && (raw === "*-1\r\n" || raw === "_\r\n")) return;
        const isAborted = raw === "*-1\r\n" || raw === "_\r\n" || raw.startsWith("-EXECABORT");
        if (isAborted && isBroken) return;
        if (!this.failed([...words, ...keys], raw, sentMs, raw.startsWith("-"))) uncertain();
      },
      uncertain,
    );
    texts.push(request(words));
    return texts;
  }
}

function nil(version: 2 | 3): string {
  return version === 3 ? "_\r\n" : "$-1\r\n";
}

function parsed(raw: string): Reply {
  const reader = new RespReader();
  reader.add(raw);
  return reader.next()!;
}

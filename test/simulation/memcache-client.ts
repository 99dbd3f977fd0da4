/** A Memcached client of the simulation, with the text protocol, which knows what each reply can be. */
import { type ClientHabits, type ClientRig, type ReplyReader, SimulatedClient } from "./client.ts";
import type { KeyModel } from "./key-model.ts";
import {
  apply,
  encode,
  type Item,
  isReading,
  isSetting,
  ReplyTextReader,
} from "./memcache-model.ts";

const SEMANTICS = { apply, isReading, isSetting };
/** Keys that it uses at a time. */
const KEYS = 5;
const COMMANDS = [
  ...[
    "get",
    "get",
    "get",
    "get",
    "set",
    "set",
    "set",
    "add",
    "replace",
    "append",
    "prepend",
    "delete",
  ],
  ...["incr", "touch", "mg", "mg", "ms", "md"],
];
const ERROR = /^(SERVER_ERROR|CLIENT_ERROR|ERROR)/;
const OF_SERVER = "CLIENT_ERROR cannot increment or decrement";

export class MemcacheClient extends SimulatedClient<Item> {
  private readonly keys: string[] = Array.from({ length: KEYS }, () => this.newKey("m"));

  constructor(id: number, rig: ClientRig, habits: ClientHabits) {
    super(id, rig, habits, { semantics: SEMANTICS, initial: null });
  }

  protected override createReader(): ReplyReader {
    return new ReplyTextReader();
  }

  protected override greeting(): string {
    return "";
  }

  protected override reading(key: string): string {
    return this.single(["get", key]);
  }

  protected override nextRequests(): string[] {
    const { random } = this;
    if (random.chance(0.15)) return [this.several()];
    const key = this.pickFrom(this.keys, "m");
    if (random.chance(0.04)) return [this.unanswered(key)];
    return [this.single(this.command(random.pick(COMMANDS), key))];
  }

  private command(name: string, key: string): string[] {
    const { random } = this;
    const isNumber = random.chance(0.2);
    const mark = isNumber ? String(random.below(1000)) : `${key}=${this.sent++}`;
    const data = isNumber ? mark : mark.padEnd(random.small(this.habits.valueBytes), ".");
    const length = String(data.length);
    switch (name) {
      case "set":
      case "add":
      case "replace":
      case "append":
      case "prepend":
        return [name, key, String(random.below(100)), "0", length, data];
      case "ms":
        return [name, key, length, data];
      case "mg":
        return random.chance(0.5) ? [name, key, "v"] : [name, key, "v", `O${this.sent++}`];
      case "incr":
        return [name, key, String(random.below(100))];
      case "touch":
        return [name, key, "0"];
      default:
        return [name, key];
    }
  }

  private single(words: readonly string[]): string {
    const key = words[1]!;
    const model = this.modelOf(key);
    const sentMs = this.rig.world.nowMs;
    this.expect(
      words,
      [key],
      (raw) => this.check(words, model, raw, sentMs),
      () => model.uncertain(words),
    );
    return encode(words);
  }

  private check(
    words: readonly string[],
    model: KeyModel<Item>,
    raw: string,
    sentMs: number,
  ): void {
    const { checker } = this.rig;
    if (checker.mayLie([words[1]!])) {
      model.isUnknown = true;
      return;
    }
    if (ERROR.test(raw) && !raw.startsWith(OF_SERVER)) {
      if (!this.failed(words, raw, sentMs, true)) model.uncertain(words);
      return;
    }
    const fault = model.answered(words, raw);
    if (fault === null) return;
    model.isUnknown = true;
    checker.fail(`client ${this.id}: ${fault}`);
  }

  /** With `noreply`: nothing tells when it is executed. */
  private unanswered(key: string): string {
    const words = this.command("set", key);
    this.modelOf(key).uncertain(words);
    return encode([...words.slice(0, -1), "noreply", words.at(-1)!]);
  }

  private several(): string {
    const { random } = this;
    const { checker, world } = this.rig;
    const keys = [
      ...new Set(Array.from({ length: random.between(2, 5) }, () => this.pickFrom(this.keys, "m"))),
    ];
    const words = ["get", ...keys];
    const sentMs = world.nowMs;
    this.expect(words, keys, (raw) => {
      if (checker.mayLie(keys)) return;
      if (ERROR.test(raw)) {
        this.failed(words, raw, sentMs, true);
        return;
      }
      const found = blocksOf(raw);
      for (const key of keys) {
        const block = found.get(key) ?? "";
        found.delete(key);
        const fault = this.modelOf(key).answered(["get", key], `${block}END\r\n`);
        if (fault !== null) checker.fail(`client ${this.id}: of several keys ${fault}`);
      }
      if (found.size > 0)
        checker.fail(`client ${this.id} got keys that it has not asked for: ${[...found.keys()]}`);
    });
    return `${words.join(" ")}\r\n`;
  }
}

/** What came for each key. */
function blocksOf(raw: string): Map<string, string> {
  const blocks: Map<string, string> = new Map();
  let at = 0;
  while (raw.startsWith("VALUE ", at)) {
    const lineEnd = raw.indexOf("\r\n", at);
    const words = raw.substring(at, lineEnd).split(" ");
    const end = lineEnd + 4 + Number(words[3]);
    blocks.set(words[1]!, raw.substring(at, end));
    at = end;
  }
  return blocks;
}

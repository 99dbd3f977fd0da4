/** Servers without scripts, and the steps by which keys move between them, of a simulated migration. See MoveItem. */
import type { ItemReply, ItemStep } from "../../../src/migration/move-item.ts";
import type { Clock } from "./clock.ts";
import type { Mover, SimPull } from "./movers.ts";
import { SimServer } from "./servers.ts";

/** In lists of keys: there is a lock of some key. */
export const LOCK = "lock";
const LOCK_MS = 400;
const ADDED_MS = 200;
const ADD_MS_MAX = 100;
const LOCK_MS_MIN = 350;

/** What a mover knows of the items of one key. */
export interface ItemVersions {
  taken: number;
  lock: number;
  added: number;
  takenMs: number;
}

export function newVersions(): ItemVersions {
  return { taken: 0, lock: 0, added: 0, takenMs: 0 };
}

interface Item {
  readonly value: number;
  readonly version: number;
  readonly untilMs: number;
}

/** Each write makes another version. Items may have an end. */
class Items extends Map<string, number> {
  private readonly items: Map<string, Item> = new Map();
  private readonly clock: Clock;
  private versions = 0;

  constructor(clock: Clock) {
    super();
    this.clock = clock;
  }

  item(key: string): Item | null {
    const item = this.items.get(key);
    if (item === undefined) return null;
    if (item.untilMs > this.clock.nowMs) return item;
    this.items.delete(key);
    return null;
  }

  put(key: string, value: number, untilMs: number = Number.POSITIVE_INFINITY): number {
    const version = ++this.versions;
    this.items.set(key, { value, version, untilMs });
    return version;
  }

  /** Removes it if it is that version. */
  remove(key: string, version: number): "removed" | "other" | "absent" {
    const item = this.item(key);
    if (item === null) return "absent";
    if (item.version !== version) return "other";
    this.items.delete(key);
    return "removed";
  }

  override get(key: string): number | undefined {
    return this.item(key)?.value;
  }

  override has(key: string): boolean {
    return this.item(key) !== null;
  }

  override set(key: string, value: number): this {
    this.put(key, value);
    return this;
  }

  override delete(key: string): boolean {
    return this.items.delete(key);
  }

  override keys(): MapIterator<string> {
    return new Map([...this.items].filter(([key]) => this.has(key) && !isLock(key))).keys();
  }

  get hasLocks(): boolean {
    return [...this.items.keys()].some((key) => isLock(key) && this.has(key));
  }
}

function isLock(key: string): boolean {
  return key.startsWith(LOCK);
}

function lockOf(key: string): string {
  return `${LOCK} ${key}`;
}

export class ItemServer extends SimServer {
  readonly items: Items;

  constructor(name: string, clock: Clock) {
    const items = new Items(clock);
    super(name, clock, items);
    this.items = items;
  }

  override get keysAndLocked(): readonly string[] {
    return [...this.items.keys(), ...(this.items.hasLocks ? [LOCK] : [])];
  }
}

/** Each request of a step is executed by itself, and others may come in between. */
export function performItem(mover: Mover, pull: SimPull, step: ItemStep): void {
  new ItemAsker(mover, pull).perform(step);
}

export function releaseItem(mover: Mover, pull: SimPull): void {
  new ItemAsker(mover, pull).ask(pull.place.source, (items) => {
    items.remove(lockOf(pull.place.key), pull.place.versions.lock);
  });
}

class ItemAsker {
  private readonly mover: Mover;
  private readonly pull: SimPull;

  constructor(mover: Mover, pull: SimPull) {
    this.mover = mover;
    this.pull = pull;
  }

  ask<Result>(
    server: number,
    execute: (items: Items) => Result,
    onReply: (result: Result) => void = () => {},
  ): void {
    const { items } = this.mover.world.servers[server] as ItemServer;
    this.mover.link(server).send(() => execute(items), onReply);
  }

  perform(step: ItemStep): void {
    if (step === "look") this.look();
    else if (step === "take") this.take();
    else if (step === "add") this.add();
    else if (step === "put") this.put();
    else if (step === "drop") this.drop();
    else this.remove(step);
  }

  private get ageMs(): number {
    return this.mover.world.clock.nowMs - this.pull.place.versions.takenMs;
  }

  private reply(reply: ItemReply): void {
    this.mover.pulls.reply(this.pull, reply);
  }

  private look(): void {
    const { key, source } = this.pull.place;
    const { hazard } = this.mover.world;
    const asked = [key, lockOf(key)];
    if (hazard === "lock_not_looked_at") asked.pop();
    let there = 0;
    for (const [at, name] of asked.entries()) {
      this.ask(
        source,
        (items) => items.has(name),
        (isThere) => {
          if (isThere) there++;
          if (at === asked.length - 1) this.reply(there > 0 ? "there" : "absent");
        },
      );
    }
  }

  private take(): void {
    const { place } = this.pull;
    const { key, source, versions } = place;
    const { clock } = this.mover.world;
    versions.takenMs = clock.nowMs;
    let isBusy = false;
    this.ask(
      source,
      (items) => (items.has(lockOf(key)) ? null : items.put(lockOf(key), 1, clock.nowMs + LOCK_MS)),
      (version) => {
        isBusy = version === null;
        if (version !== null) versions.lock = version;
      },
    );
    this.ask(
      source,
      (items) => items.item(key),
      (item) => {
        if (isBusy) this.reply("busy");
        else if (item === null) this.reply("absent");
        else {
          place.value = item.value;
          versions.taken = item.version;
          this.reply("taken");
        }
      },
    );
  }

  private add(): void {
    const { key, target, value, versions } = this.pull.place;
    const { clock, hazard } = this.mover.world;
    if (this.ageMs > ADD_MS_MAX && hazard !== "added_late") {
      this.reply("lost");
      return;
    }
    const date = clock.nowMs + ADDED_MS;
    this.ask(
      target,
      (items) => {
        if (items.has(key)) return null;
        const isLate = hazard === "added_without_date";
        return items.put(key, value, isLate ? clock.nowMs + ADDED_MS : date);
      },
      (version) => {
        if (version !== null) versions.added = version;
        this.reply(version === null ? "kept" : "added");
      },
    );
  }

  private put(): void {
    const { key, target, value, versions } = this.pull.place;
    const isAnyhow = this.mover.world.hazard === "put_without_version";
    this.ask(
      target,
      (items) => {
        const item = items.item(key);
        const isOwn = isAnyhow || item?.version === versions.added;
        if (isOwn) items.put(key, value);
        return isOwn;
      },
      (isPut) => this.reply(isPut ? "put" : "lost"),
    );
  }

  private drop(): void {
    const { key, source, versions } = this.pull.place;
    const { hazard } = this.mover.world;
    let isDropped = false;
    this.ask(
      source,
      (items) => {
        if (hazard === "copy_not_move") return "removed";
        if (hazard !== "drop_without_version") return items.remove(key, versions.taken);
        items.delete(key);
        return "removed";
      },
      (result) => {
        isDropped = result !== "other";
      },
    );
    this.ask(
      source,
      (items) => items.remove(lockOf(key), versions.lock),
      () => {
        const isLate = this.ageMs > LOCK_MS_MIN && hazard !== "late_drop_counts";
        this.reply(isDropped && !isLate ? "dropped" : "lost");
      },
    );
  }

  private remove(step: "free" | "release"): void {
    const { key, source, target, versions } = this.pull.place;
    this.ask(
      step === "free" ? target : source,
      (items) =>
        step === "free"
          ? items.remove(key, versions.added)
          : items.remove(lockOf(key), versions.lock),
      () => this.reply("gone"),
    );
  }
}

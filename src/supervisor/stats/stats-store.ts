/**
 * The shared statistics memory and who writes where in it.
 *
 * Every worker of a generation has a slot, which its successor after a death gets, too; two generations overlap, so there are more slots than
 * workers. Counters stay when a slot changes hands. Once the reserved room in each slot is used up there is new memory, and
 * a worker that still writes to the old one is taken into account when it leaves.
 */
import type { Config } from "../../api/config.ts";
import type { PoolFigures, SetFigures, StatsLayout } from "../../api/stats.ts";
import { METRIC_BLOCKS_MAX } from "../../base/limits.ts";
import { HISTORY_BYTES_MAX } from "../../base/page-limits.ts";
import { commonBlocks } from "../../metrics/common-blocks.ts";
import { type BlockWish, directoryOf, findBlock } from "../../metrics/directory.ts";
import {
  addBlock,
  copyCounters,
  copyPages,
  createStatsLayout,
  resetGauges,
  slotRegion,
  statsByteLength,
} from "../../metrics/layout.ts";
import { readCounters, readSets } from "../../metrics/read-counters.ts";
import { mapStatsMemory, readStatsMemory } from "../../metrics/stats-memory.ts";
import { closeFd } from "../../os/fd.ts";
import { createSharedMemory, resizeSharedMemory } from "../../os/shared-memory.ts";

/** Room for generations that overlap, without growing. Slots that no worker has used cost no memory. */
const SLOTS_PER_WORKER = 4;

/** As a generation sees it. */
export interface StatsMemory {
  readonly fd: number;
  readonly layout: StatsLayout;
}

/** As a program leaves it to the one that replaces it. */
export interface StatsSnapshot extends StatsMemory {
  /** The memory of `historyFd`; null: it was not needed. Absent: the program does not know it. */
  readonly history?: number | null;
  /** Older memory in which slots are still written. Absent: the program does not know. */
  readonly elsewhere?: readonly (StatsMemory & { readonly slots: readonly number[] })[];
}

/** And as it is mapped here. */
interface MappedMemory extends StatsMemory {
  readonly values: Float64Array;
}

export class StatsStore {
  #current: MappedMemory | null;
  readonly #taken = new Set<number>();
  /** Slots that are written in memory that is no longer the current one. */
  readonly #elsewhere = new Map<number, MappedMemory>();
  /** Blocks for which there was no room. */
  #wishes: BlockWish[] = [];
  #historyFd: number | null;

  /** @param snapshot what the program before this one left */
  constructor(snapshot: StatsSnapshot | null = null) {
    this.#current = snapshot === null ? null : map(snapshot.fd, snapshot.layout);
    this.#historyFd = snapshot?.history ?? null;
    for (const { fd, layout, slots } of snapshot?.elsewhere ?? []) {
      const memory = map(fd, layout);
      for (const slot of slots) this.#elsewhere.set(slot, memory);
    }
  }

  /** Memory that holds all of `config`, with free slots for `workers` more workers. @throws OsError */
  prepare(config: Config, workers: number): StatsMemory {
    const old = this.#current;
    const slots = Math.max(SLOTS_PER_WORKER * workers, this.#taken.size + workers);
    const wishes = [...commonBlocks(config), ...this.#wishes];
    const layout = createStatsLayout(config, slots, old?.layout, wishes);
    this.#wishes = [];
    if (old === null || layout.stride !== old.layout.stride) {
      const fd = createSharedMemory("proxy-stats", statsByteLength(layout));
      this.#current = map(fd, layout);
      if (old !== null) this.#leaveBehind(old);
    } else {
      if (layout.slots > old.layout.slots) resizeSharedMemory(old.fd, statsByteLength(layout));
      this.#current = map(old.fd, layout);
    }
    return this.snapshot();
  }

  snapshot(): StatsMemory {
    const { fd, layout } = this.#memory;
    return { fd, layout };
  }

  /** For the program that replaces this one. */
  leave(): StatsSnapshot {
    const elsewhere = [...new Set(this.#elsewhere.values())].map((memory) => ({
      fd: memory.fd,
      layout: memory.layout,
      slots: [...this.#elsewhere].filter(([, other]) => other === memory).map(([slot]) => slot),
    }));
    return { ...this.snapshot(), elsewhere, history: this.#historyFd };
  }

  /** Memory of HISTORY_BYTES_MAX in which an admin process leaves to the next one what it showed. @throws OsError */
  historyFd(): number {
    this.#historyFd ??= createSharedMemory("proxy-history", HISTORY_BYTES_MAX);
    return this.#historyFd;
  }

  get #memory(): MappedMemory {
    if (this.#current === null) throw new Error("there is no statistics memory yet");
    return this.#current;
  }

  /** What was counted of the pools of `config`. */
  figures(config: Config): PoolFigures[] {
    if (this.#current === null) return [];
    const { layout, values } = this.#current;
    return readCounters(config, { layout, memory: values });
  }

  /** What was counted besides, in sets of protocols and modules. */
  sets(): SetFigures[] {
    if (this.#current === null) return [];
    const { fd, layout } = this.#current;
    return readSets({ layout, memory: readStatsMemory(fd, layout) });
  }

  /**
   * A block in which the worker of `slot` counts what it wishes.
   * @returns its base in the worker's region; null: there is no room, until there is larger memory for the next generation
   */
  addBlock(slot: number, wish: BlockWish): number | null {
    const memory = this.#memory;
    const layout = addBlock(memory.layout, wish);
    const block = layout === null ? null : findBlock(directoryOf(layout), wish);
    if (layout === null || block === null) {
      if (this.#wishes.length < METRIC_BLOCKS_MAX) this.#wishes.push(wish);
      return null;
    }
    this.#current = { ...memory, layout };
    // Its memory may be an older, smaller one.
    const { stride } = (this.#elsewhere.get(slot) ?? memory).layout;
    return block.base + block.size <= stride ? block.base : null;
  }

  takeSlot(): number {
    let slot = 0;
    while (this.#taken.has(slot)) slot += 1;
    this.#taken.add(slot);
    return slot;
  }

  /** A slot that a worker of the program before this one holds. */
  keepSlot(slot: number): void {
    this.#taken.add(slot);
  }

  /**
   * All slots in use are known. What the others hold in gauges was left by a program that did not know all of them, and could
   * not take them back.
   */
  resetFreeSlots(): void {
    const { values, layout } = this.#memory;
    for (let slot = 0; slot < layout.slots; slot++) {
      if (!this.#taken.has(slot)) resetGauges(slotRegion(values, layout, slot), layout);
    }
  }

  /** The last worker of the slot is gone: its counters stay, its gauges go. */
  releaseSlot(slot: number): void {
    const { values, layout } = this.#memory;
    const region = slotRegion(values, layout, slot);
    const old = this.#elsewhere.get(slot);
    if (old !== undefined) {
      copyPages(slotRegion(readStatsMemory(old.fd, old.layout), old.layout, slot), region);
      this.#elsewhere.delete(slot);
      if (![...this.#elsewhere.values()].includes(old)) closeFd(old.fd);
    }
    resetGauges(region, layout);
    this.#taken.delete(slot);
  }

  #leaveBehind(old: MappedMemory): void {
    const { values, layout } = this.#memory;
    copyCounters(readStatsMemory(old.fd, old.layout), old.layout, values, layout);
    for (const slot of this.#taken) {
      if (!this.#elsewhere.has(slot)) this.#elsewhere.set(slot, old);
    }
    if (![...this.#elsewhere.values()].includes(old)) closeFd(old.fd);
  }
}

function map(fd: number, layout: StatsLayout): MappedMemory {
  return { fd, layout, values: mapStatsMemory(fd, layout) };
}

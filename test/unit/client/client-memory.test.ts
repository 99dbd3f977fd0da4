/** What becomes of clients that together hold more than their worker lets them. */
import { expect, test } from "bun:test";
import { forgetGarbage, noteGarbageOf } from "../../../src/base/garbage.ts";
import { SESSION_OUTPUT_HIGH_BYTES, SESSION_OUTPUT_TIGHT_BYTES } from "../../../src/base/limits.ts";
import { Turn } from "../../../src/base/turn.ts";
import { ClientMemory, type MemoryHolder } from "../../../src/client/client-memory.ts";

const MIB = 1024 * 1024;

class Holder implements MemoryHolder {
  heldBytes = 0;
  isCut = false;
  private readonly memory: ClientMemory;

  constructor(memory: ClientMemory) {
    this.memory = memory;
  }

  hold(bytes: number): void {
    const by = bytes - this.heldBytes;
    this.heldBytes = bytes;
    this.memory.change(by);
  }

  cutForMemory(): void {
    this.isCut = true;
    this.hold(0);
  }
}

function createRig(count: number, options: { budget: number }) {
  forgetGarbage();
  const ends: (() => void)[] = [];
  const turn = new Turn({ nowMs: () => 1, atTurnEnd: (end) => void ends.push(end) });
  const holders: Holder[] = [];
  let collections = 0;
  const memory = new ClientMemory({
    ...{ turn, holders: () => holders, budget: () => options.budget },
    onGarbage: () => collections++,
  });
  for (let i = 0; i < count; i++) holders.push(new Holder(memory));
  return {
    ...{ memory, holders },
    collections: () => collections,
    endTurn: () => {
      for (const end of ends.splice(0)) end();
    },
    cut: () => holders.flatMap(({ isCut }, i) => (isCut ? [i] : [])),
  };
}

test("those that hold most are closed, no more of them than it takes, and not before the turn ends", () => {
  const { memory, holders, endTurn, cut } = createRig(5, { budget: 100 * MIB });
  [10, 40, 5, 30, 20].forEach((mib, i) => {
    holders[i]!.hold(mib * MIB);
  });
  expect(cut()).toEqual([]);
  endTurn();
  // 65 MiB are left, and with 105 it was too much.
  expect(cut()).toEqual([1]);
  expect(memory.bytes).toBe(65 * MIB);
});

test("when memory gets tight, clients get less before they have read; with memory to spare again, as before", () => {
  const { memory, holders, endTurn, cut } = createRig(2, { budget: 100 * MIB });
  const step = (mib: number): [boolean, number] => {
    holders[0]!.hold(mib * MIB);
    endTurn();
    return [memory.isTight, memory.unreadMax];
  };
  expect(step(74)).toEqual([false, SESSION_OUTPUT_HIGH_BYTES]);
  expect(step(76)).toEqual([true, SESSION_OUTPUT_TIGHT_BYTES]);
  expect(step(70)).toEqual([true, SESSION_OUTPUT_TIGHT_BYTES]);
  expect(step(60)).toEqual([false, SESSION_OUTPUT_HIGH_BYTES]);
  expect(cut()).toEqual([]);
});

test("a budget that gets smaller holds at the next change; without one no client is closed", () => {
  const options = { budget: Number.POSITIVE_INFINITY };
  const { memory, holders, endTurn, cut } = createRig(2, options);
  holders[0]!.hold(1e12);
  endTurn();
  expect([cut(), memory.isTight]).toEqual([[], false]);
  options.budget = 100 * MIB;
  holders[1]!.hold(1);
  endTurn();
  expect([cut(), memory.bytes]).toEqual([[0], 1]);
});

test("what clients held and hold no more counts until it is collected, which is asked for when memory is tight", () => {
  const { holders, endTurn, collections, cut } = createRig(1, { budget: 100 * MIB });
  holders[0]!.hold(10 * MIB);
  noteGarbageOf(20 * MIB);
  holders[0]!.hold(11 * MIB);
  endTurn();
  expect(collections()).toBe(0);
  noteGarbageOf(60 * MIB);
  holders[0]!.hold(12 * MIB);
  endTurn();
  expect([collections(), cut()]).toEqual([1, []]);
  forgetGarbage();
});

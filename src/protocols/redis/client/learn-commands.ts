/**
 * Commands that the table does not know (modules', a newer server's): the first client that uses one waits until a
 * server has said what it is.
 */
import type { Failure, Link, Upstream } from "../../../api/upstream.ts";
import type { Deadlines } from "../../../base/deadlines.ts";
import type { Turn, Wakeable } from "../../../base/turn.ts";
import { decodeReply } from "../codec/decode.ts";
import { encodeRequest } from "../codec/encode.ts";
import type { CommandTable } from "../commands/command-table.ts";
import { factsFromReply } from "../commands/facts-from-reply.ts";
import { askAnyOf } from "./ask-in-turn.ts";

/** A name that no server knew is not asked for again for so long. */
const UNKNOWN_MS = 10_000;
/** Names that are remembered as unknown, and names that are asked for at once. */
const NAMES_MAX = 1024;
const NAME_CHARACTERS_MAX = 64;

export class CommandLearner {
  private readonly table: CommandTable;
  private readonly turn: Turn;
  private readonly deadlines: Deadlines;
  /** When each was last found to be unknown. */
  private readonly unknown: Map<string, number> = new Map();
  private readonly asked: Map<string, Wakeable[]> = new Map();
  private readonly failures: Map<string, Failure> = new Map();

  constructor(table: CommandTable, turn: Turn, deadlines: Deadlines) {
    this.table = table;
    this.turn = turn;
    this.deadlines = deadlines;
  }

  /** False: no server knows `name`, as far as is known. */
  mayExist(name: string): boolean {
    if (name === "" || name.length > NAME_CHARACTERS_MAX || !/^[!-~]+$/.test(name)) return false;
    const unknownMs = this.unknown.get(name.toUpperCase());
    return unknownMs === undefined || this.turn.nowMs - unknownMs > UNKNOWN_MS;
  }

  /** Why the server that was asked for `name` did not answer; told once, to the first of those who waited. */
  takeFailure(name: string): Failure | null {
    const key = name.toUpperCase();
    const failure = this.failures.get(key) ?? null;
    this.failures.delete(key);
    return failure;
  }

  /**
   * Asks `servers`, over `connectionTo` them and each that is needed, for `name` ("NAME" or "CONTAINER|SUBCOMMAND"), and wakes
   * `waiter` when it is known what to think of it. @returns false: it cannot be asked now
   */
  ask(
    name: string,
    servers: readonly Upstream[],
    connectionTo: (server: Upstream) => Link,
    waiter: Wakeable,
  ): boolean {
    const key = name.toUpperCase();
    const waiters = this.asked.get(key);
    if (waiters !== undefined) {
      waiters.push(waiter);
      return true;
    }
    if (this.asked.size >= NAMES_MAX) return false;
    this.asked.set(key, [waiter]);
    const request = encodeRequest("COMMAND", "INFO", name);
    askAnyOf(this.deadlines, servers, request, connectionTo, (answer) => {
      if (Buffer.isBuffer(answer)) this.learn(key, answer);
      else this.fail(key, answer);
    });
    return true;
  }

  private fail(key: string, failure: Failure): void {
    // Those that were not fetched, because the client that asked has left.
    if (this.failures.size >= NAMES_MAX) this.failures.clear();
    this.failures.set(key, failure);
    this.wakeWaiters(key);
  }

  private learn(key: string, bytes: Buffer): void {
    const reply = decodeReply(bytes, 0);
    const facts = Array.isArray(reply) ? reply.flatMap((entry) => factsFromReply(entry, key)) : [];
    this.table.add(facts);
    if (this.table.get(key) === null) {
      if (this.unknown.size >= NAMES_MAX) this.unknown.clear();
      this.unknown.set(key, this.turn.nowMs);
    }
    this.wakeWaiters(key);
  }

  private wakeWaiters(key: string): void {
    const waiters = this.asked.get(key) ?? [];
    this.asked.delete(key);
    for (const waiter of waiters) this.turn.wake(waiter);
  }
}

/**
 * Commands that the table does not know (modules', a newer server's): the first client that uses one waits until a
 * server has said what it is.
 */
import type { Failure, Link, ReplySink } from "../../../api/upstream.ts";
import type { Turn, Wakeable } from "../../../base/turn.ts";
import { decodeReply } from "../codec/decode.ts";
import { encodeRequest } from "../codec/encode.ts";
import type { CommandTable } from "../commands/command-table.ts";
import { factsFromReply } from "../commands/facts-from-reply.ts";

/** A name that no server knew is not asked for again for so long. */
const UNKNOWN_MS = 10_000;
/** Names that are remembered as unknown, and names that are asked for at once. */
const NAMES_MAX = 1024;
const NAME_CHARACTERS_MAX = 64;

export class CommandLearner {
  private readonly table: CommandTable;
  private readonly turn: Turn;
  /** When each was last found to be unknown. */
  private readonly unknown: Map<string, number> = new Map();
  private readonly asked: Map<string, Wakeable[]> = new Map();
  private readonly failures: Map<string, Failure> = new Map();

  constructor(table: CommandTable, turn: Turn) {
    this.table = table;
    this.turn = turn;
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
   * Asks the server behind `connection` for `name` ("NAME" or "CONTAINER|SUBCOMMAND"), and wakes `waiter` when it is known
   * what to think of it. @returns false: it cannot be asked now
   */
  ask(name: string, connection: Link, waiter: Wakeable): boolean {
    const key = name.toUpperCase();
    const waiters = this.asked.get(key);
    if (waiters !== undefined) {
      waiters.push(waiter);
      return true;
    }
    if (this.asked.size >= NAMES_MAX) return false;
    this.asked.set(key, [waiter]);
    const sink: ReplySink = {
      takesRuns: false,
      onReplies: (_token, _count, bytes, start) => this.learn(key, bytes, start),
      onFailure: (_token, _count, failure) => {
        // Those that were not fetched, because the client that asked has left.
        if (this.failures.size >= NAMES_MAX) this.failures.clear();
        this.failures.set(key, failure);
        this.wakeWaiters(key);
      },
    };
    const request = encodeRequest("COMMAND", "INFO", name);
    connection.send(request, 0, request.length, sink, 0, 1);
    return true;
  }

  private learn(key: string, bytes: Buffer, start: number): void {
    const reply = decodeReply(bytes, start);
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

/**
 * Splits a command with many keys (MGET, MSET, DEL …) into one request per server.
 *
 *   MGET a b c d   →   server 1: MGET a c      server 2: MGET b d
 *
 * The arguments are copied as they came, length lines included; neighbours for one server in one piece.
 */

import type { ClientPort } from "../../../../api/client-port.ts";
import { ACCESS, type Access } from "../../../../api/request-facts.ts";
import type { Failure, Link, ReplySink, Route, Upstream } from "../../../../api/upstream.ts";
import type { ByteQueue } from "../../../../base/byte-queue.ts";
import { KEYS_AT_ONCE } from "../../../../base/fairness-limits.ts";
import { arrayHeader } from "../../codec/encode.ts";
import type { RequestView } from "../../codec/request-view.ts";
import type { Command } from "../../commands/command.ts";
import type { RedisPool } from "../redis-pool.ts";
import { NO_SERVER, wrongArity } from "../refusals.ts";
import { takeGather } from "./gather.ts";
import { LargeSplit } from "./large-split.ts";

/** Scratch space shared by all sessions: a request is split in one go. */
let partOfKey: Uint16Array = new Uint16Array(1024);
/** By upstream id, or by slot: the number + 1 of its part of the request at hand, or 0. All zero between requests. */
let partOfPlace: Uint16Array = new Uint16Array(64);
/** By part: what its place in `partOfPlace` is. */
const placeOfPart: number[] = [];
/** By key: the next one of the same part, or -1. */
let nextKey: Int32Array = new Int32Array(1024);
/** By part: its first key, and the last one so far. */
const firstKeyOfPart: number[] = [];
const lastKeyOfPart: number[] = [];
const upstreams: Upstream[] = [];
const keysOfPart: number[] = [];
const queues: ByteQueue[] = [];
/** Of the request at hand. */
let access: Access = ACCESS.write;
/** By part: why nothing is sent to it. */
const refusals: (Failure | null)[] = [];

/** Whose requests are split. */
export interface SplitClient {
  readonly pool: Pick<RedisPool, "mgetErrors" | "add" | "gate" | "route" | "slices">;
  readonly session: ClientPort;
  /** Where this client's requests of this access to keys at `upstream` go. */
  linkFor(upstream: Upstream, access: Access): Link;
  refuse(reply: Buffer): void;
  forwardTo(connection: Link, view: RequestView): boolean;
  flushRun(): void;
  /** In a mode, with a connection of its own, and where keys move, requests are split at once: what was looked at before holds then only. */
  readonly mode: object | null;
  readonly pin: object | null;
}

export class Splitter {
  private readonly client: SplitClient;
  constructor(client: SplitClient) {
    this.client = client;
  }

  /** Takes the request at hand. @returns false: not now, and nothing was done about it */
  handle(view: RequestView, command: Command, route: Route): boolean {
    const { client } = this;
    const { session } = client;
    access = command.access;
    if ((view.count - command.firstKey) % command.step !== 0) {
      client.refuse(wrongArity(command));
      return true;
    }
    const isPerElement = client.pool.mgetErrors === "element" && command.merge === "array";
    const { only = null } = route;
    if (only !== null && !isPerElement) {
      return client.forwardTo(client.linkFor(only, access), view);
    }
    if (view.count > KEYS_AT_ONCE * command.step && mayTakeTurns(client)) {
      client.flushRun();
      new LargeSplit(client, view.detach(), command, isPerElement).start();
      return true;
    }
    const parts = this.plan(view, command, route);
    if (parts < 0) {
      client.refuse(NO_SERVER);
      return true;
    }
    if (parts === 1 && !isPerElement) return client.forwardTo(this.connection(0), view);
    for (let part = 0; part < parts; part++) {
      const connection = this.connection(part);
      const isRecovering = connection.refusal !== null && connection.isRecovering === true;
      if (connection.refusal !== null && !isPerElement && !isRecovering) {
        // Known before anything is sent: then nothing is written at all.
        session.onFailure(session.open(), 1, connection.refusal);
        return true;
      }
      if (connection.isFull || isRecovering) {
        session.waitFor(connection);
        return false;
      }
    }
    // What came before must reach its connections before the parts do.
    client.flushRun();
    client.pool.add("fragments", parts);
    const gather = this.gather(view, command, session.open(), isPerElement);
    if (route.isSlotted || route.sharesConnections) this.sendInTurn(view, command, gather);
    else this.send(view, command, gather);
    return true;
  }

  /** Finds each key's server. Returns the number of parts, or -1: a key has no server. */
  private plan(view: RequestView, command: Command, route: Route): number {
    const { firstKey, step } = command;
    const keys = (view.count - firstKey) / step;
    if (partOfKey.length < keys) {
      partOfKey = new Uint16Array(keys * 2);
      nextKey = new Int32Array(keys * 2);
    }
    const { isSlotted } = route;
    const isInTurn = isSlotted || route.sharesConnections;
    upstreams.length = 0;
    keysOfPart.length = 0;
    let hasServers = true;
    for (let key = 0; key < keys; key++) {
      const argument = firstKey + key * step;
      const upstream = route.pick(view.key(argument));
      if (upstream === null) {
        hasServers = false;
        break;
      }
      // A node of a cluster takes keys of one slot only, however many slots it has.
      const place = isSlotted ? route.slotOf(view.key(argument)) : upstream.id;
      if (place >= partOfPlace.length) partOfPlace = grown(partOfPlace, place);
      let part = partOfPlace[place]!;
      if (part === 0) {
        upstreams.push(upstream);
        keysOfPart.push(0);
        part = upstreams.length;
        partOfPlace[place] = part;
        placeOfPart[part - 1] = place;
        firstKeyOfPart[part - 1] = key;
      } else if (isInTurn) nextKey[lastKeyOfPart[part - 1]!] = key;
      if (isInTurn) {
        lastKeyOfPart[part - 1] = key;
        nextKey[key] = -1;
      }
      partOfKey[key] = part - 1;
      keysOfPart[part - 1]!++;
    }
    for (let part = 0; part < upstreams.length; part++) partOfPlace[placeOfPart[part]!] = 0;
    return hasServers ? upstreams.length : -1;
  }

  /** The connection of part number `part` of the request that was planned last. */
  private connection(part: number): Link {
    return this.client.linkFor(upstreams[part]!, access);
  }

  /** What makes one reply, that to `token`, of those to the parts of the request that was planned last. */
  private gather(
    view: RequestView,
    { firstKey, step, merge }: Command,
    token: number,
    isPerElement: boolean,
  ): ReplySink {
    const keys = (view.count - firstKey) / step;
    const gather = takeGather(this.client, token, merge ?? "all_ok", upstreams.length);
    if (merge === "array") gather.expectKeys(partOfKey, keys, keysOfPart, isPerElement);
    return gather;
  }

  /** Sends the parts of the request that was planned last one after the other, because several may go over one connection. */
  private sendInTurn(view: RequestView, command: Command, gather: ReplySink): void {
    const { firstKey, step } = command;
    const nameStart = view.rawFrom(0);
    const nameEnd = view.to(firstKey - 1) + 2;
    const parts = upstreams.length;
    for (let part = 0; part < parts; part++) {
      const connection = this.connection(part);
      const { refusal } = connection;
      if (refusal !== null) {
        gather.onFailure(part, 1, refusal);
        continue;
      }
      const queue = connection.begin(gather, part);
      const header = arrayHeader(firstKey + keysOfPart[part]! * step);
      queue.append(header, 0, header.length);
      queue.append(view.bytes, nameStart, nameEnd);
      for (let key = firstKeyOfPart[part]!; key >= 0; key = nextKey[key]!) {
        const argument = firstKey + key * step;
        queue.append(view.bytes, view.rawFrom(argument), view.to(argument + step - 1) + 2);
      }
      connection.commit();
    }
  }

  /** Sends the parts of the request that was planned last. */
  private send(view: RequestView, command: Command, gather: ReplySink): void {
    const { firstKey, step } = command;
    const keys = (view.count - firstKey) / step;
    const nameStart = view.rawFrom(0);
    const nameEnd = view.to(firstKey - 1) + 2;
    for (let part = 0; part < upstreams.length; part++) {
      const connection = this.connection(part);
      const { refusal } = connection;
      refusals[part] = refusal;
      if (refusal !== null) continue;
      const queue = connection.begin(gather, part);
      const header = arrayHeader(firstKey + keysOfPart[part]! * step);
      queue.append(header, 0, header.length);
      // The name (and its length line) as the client wrote it.
      queue.append(view.bytes, nameStart, nameEnd);
      queues[part] = queue;
    }
    const { bytes, start, argumentEnd } = view;
    let from = nameEnd;
    let key = 0;
    while (key < keys) {
      const part = partOfKey[key++]!;
      while (key < keys && partOfKey[key] === part) key++;
      const to = start + argumentEnd[firstKey + key * step - 1]! + 2;
      if (refusals[part] === null) queues[part]!.append(bytes, from, to);
      from = to;
    }
    for (let part = 0; part < upstreams.length; part++) {
      const refusal = refusals[part]!;
      if (refusal === null) this.connection(part).commit();
      else gather.onFailure(part, 1, refusal);
    }
    queues.length = 0;
  }
}

function mayTakeTurns({ mode, pin, pool }: SplitClient): boolean {
  return mode === null && pin === null && pool.gate === null;
}

/** The same, with room for `index`. Servers that have left count, too: their numbers are not used again. */
function grown(array: Uint16Array, index: number): Uint16Array {
  const larger = new Uint16Array(2 * (index + 1));
  larger.set(array);
  return larger;
}

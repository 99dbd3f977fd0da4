/**
 * Splits one request with very many keys over several turns of the event loop, so that other clients are served in between.
 *
 *   plan ─▶ wait for connections that are full ─▶ send
 *     ▲                  │
 *     └──keys may have moved
 *
 * The client takes no further requests meanwhile, and the reply is owed from the beginning: so its order is kept, its lane and its kind stay, and it
 * is not moved to another process before all of it is over. Nothing is sent before every key has its server; when the client is gone until then
 * nothing is. What has begun to be sent is sent whole.
 */
import type { Access } from "../../../../api/request-facts.ts";
import type { Failure, Link, ReplySink, Route, Upstream } from "../../../../api/upstream.ts";
import { ByteQueue } from "../../../../base/byte-queue.ts";
import { KEYS_AT_ONCE } from "../../../../base/fairness-limits.ts";
import type { Wakeable } from "../../../../base/turn.ts";
import { arrayHeader } from "../../codec/encode.ts";
import type { RequestView } from "../../codec/request-view.ts";
import type { Command } from "../../commands/command.ts";
import { NO_SERVER } from "../refusals.ts";
import { takeGather } from "./gather.ts";
import type { SplitClient } from "./split.ts";

/** Bytes that are kept for each key, beside the request: its places in the view, its part, and the next key of that. */
const BYTES_PER_KEY = 14;
const GONE: Failure = {
  kind: "closed",
  wasSent: false,
  text: "Connection reset by peer (the command was not sent)",
};

/** What goes to one server, or of one slot. */
interface Part {
  readonly upstream: Upstream;
  readonly firstKey: number;
  lastKey: number;
  keys: number;
}

export class LargeSplit implements Wakeable {
  isWoken = false;
  private readonly client: SplitClient;
  private readonly view: RequestView;
  private readonly command: Command;
  private readonly route: Route;
  private readonly access: Access;
  private readonly isPerElement: boolean;
  private readonly token: number;
  private readonly keys: number;
  private readonly partOfKey: Uint16Array;
  /** By key: the next one of the same part, or -1. */
  private readonly nextKey: Int32Array;
  private parts: Part[] = [];
  /** The route's when the keys were looked up. */
  private epoch = -1;
  private readonly keptBytes: number;

  /** @param view of its own, see RequestView.detach */
  constructor(client: SplitClient, view: RequestView, command: Command, isPerElement: boolean) {
    const { session, pool } = client;
    this.client = client;
    this.view = view;
    this.command = command;
    this.route = pool.route;
    this.access = command.access;
    this.isPerElement = isPerElement;
    this.keys = (view.count - command.firstKey) / command.step;
    this.partOfKey = new Uint16Array(this.keys);
    this.nextKey = new Int32Array(this.keys);
    // The request, and as much again when it all goes to one server.
    this.keptBytes = 2 * view.bytes.length + BYTES_PER_KEY * this.keys;
    this.token = session.open();
    session.waitUntilSettled();
    session.keep(this.keptBytes);
  }

  start(): void {
    this.client.pool.slices.run(this.plan());
  }

  /** A connection has room, or is lost. */
  wakeUp(): void {
    if (this.route.epoch === this.epoch) this.sendIfRoom();
    else this.start();
  }

  private *plan(): Generator<void, void> {
    const { route, client, keys } = this;
    do {
      this.epoch = route.epoch;
      this.parts = [];
      const partOfPlace = new Map<number, number>();
      for (let from = 0; from < keys; from += KEYS_AT_ONCE) {
        if (from > 0) yield;
        if (!client.session.isOpen) {
          this.fail(GONE);
          return;
        }
        if (!this.planSome(from, Math.min(from + KEYS_AT_ONCE, keys), partOfPlace)) {
          this.end();
          client.session.reply(this.token, NO_SERVER);
          return;
        }
      }
    } while (route.epoch !== this.epoch);
    this.sendIfRoom();
  }

  /** @returns false: a key has no server */
  private planSome(from: number, to: number, partOfPlace: Map<number, number>): boolean {
    const { route, view, parts, partOfKey, nextKey } = this;
    const { firstKey, step } = this.command;
    const { isSlotted } = route;
    for (let key = from; key < to; key++) {
      const facts = view.key(firstKey + key * step);
      const upstream = route.pick(facts);
      if (upstream === null) return false;
      const place = isSlotted ? route.slotOf(facts) : upstream.id;
      let number = partOfPlace.get(place);
      if (number === undefined) {
        number = parts.length;
        partOfPlace.set(place, number);
        parts.push({ upstream, firstKey: key, lastKey: key, keys: 0 });
      }
      const part = parts[number]!;
      nextKey[part.lastKey] = key;
      nextKey[key] = -1;
      part.lastKey = key;
      part.keys++;
      partOfKey[key] = number;
    }
    return true;
  }

  private sendIfRoom(): void {
    if (!this.client.session.isOpen) {
      this.fail(GONE);
      return;
    }
    for (const part of this.parts) {
      const connection = this.connectionOf(part);
      const isRecovering = connection.refusal !== null && connection.isRecovering === true;
      if (connection.refusal !== null && !this.isPerElement && !isRecovering) {
        // Known before anything is sent: then nothing is written at all.
        this.fail(connection.refusal);
        return;
      }
      if (connection.isFull || isRecovering) {
        connection.waitForRoom(this);
        return;
      }
    }
    this.client.pool.slices.run(this.send());
  }

  private connectionOf({ upstream }: Part): Link {
    return this.client.linkFor(upstream, this.access);
  }

  private *send(): Generator<void, void> {
    const { client, parts, command, token } = this;
    client.pool.add("fragments", parts.length);
    const merge = command.merge ?? "all_ok";
    const gather = takeGather(client, token, merge, parts.length);
    if (merge === "array") {
      const keysOfPart = parts.map(({ keys }) => keys);
      gather.expectKeys(this.partOfKey, this.keys, keysOfPart, this.isPerElement);
    }
    let sent = 0;
    for (let number = 0; number < parts.length; number++) {
      const part = parts[number]!;
      if (sent + part.keys > KEYS_AT_ONCE && sent > 0) {
        sent = 0;
        yield;
      }
      sent += part.keys;
      if (part.keys > KEYS_AT_ONCE) yield* this.sendLarge(part, gather, number);
      else this.sendSmall(part, gather, number);
    }
    this.end();
  }

  private sendSmall(part: Part, gather: ReplySink, number: number): void {
    const connection = this.connectionOf(part);
    if (connection.refusal !== null) {
      gather.onFailure(number, 1, connection.refusal);
      return;
    }
    const queue = connection.begin(gather, number);
    this.write(queue, part, part.firstKey, part.keys);
    connection.commit();
  }

  /** Nothing else may be asked of a connection while a request is written to it, so this one is written elsewhere. */
  private *sendLarge(part: Part, gather: ReplySink, number: number): Generator<void, void> {
    const queue = new ByteQueue();
    let key = part.firstKey;
    for (let left = part.keys; left > 0; left -= KEYS_AT_ONCE) {
      if (left < part.keys) yield;
      key = this.write(queue, part, key, Math.min(left, KEYS_AT_ONCE));
    }
    const request = queue.toBuffer();
    queue.clear();
    const connection = this.connectionOf(part);
    if (connection.refusal === null) connection.send(request, 0, request.length, gather, number, 1);
    else gather.onFailure(number, 1, connection.refusal);
  }

  /** Writes so many keys of `part` from `key` on, behind the command's name if it is the first. @returns the next key, or -1 */
  private write(queue: ByteQueue, part: Part, key: number, keys: number): number {
    const { view, nextKey } = this;
    const { firstKey, step } = this.command;
    if (key === part.firstKey) {
      const header = arrayHeader(firstKey + part.keys * step);
      queue.append(header, 0, header.length);
      queue.append(view.bytes, view.rawFrom(0), view.to(firstKey - 1) + 2);
    }
    let at = key;
    for (let i = 0; i < keys; i++) {
      const argument = firstKey + at * step;
      queue.append(view.bytes, view.rawFrom(argument), view.to(argument + step - 1) + 2);
      at = nextKey[at]!;
    }
    return at;
  }

  private fail(failure: Failure): void {
    this.end();
    this.client.session.onFailure(this.token, 1, failure);
  }

  /** Nothing of it is needed any more. */
  private end(): void {
    this.client.session.keep(-this.keptBytes);
  }
}

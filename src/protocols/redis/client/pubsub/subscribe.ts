/** SUBSCRIBE, UNSUBSCRIBE and their variants for patterns and shard channels. */
import { encodeError } from "../../codec/encode.ts";
import type { RequestView } from "../../codec/request-view.ts";
import type { RedisClient } from "../redis-client.ts";
import type { Fault } from "./changes.ts";
import { refusalFor } from "./client-allowance.ts";
import { KINDS, type Kind, SUBSCRIBE, UNSUBSCRIBE } from "./kinds.ts";
import { NameCursor, namesOf } from "./names.ts";
import { holdRequests, releaseRequests } from "./restored-mode.ts";
import type { SavedSubscriptions } from "./saved-subscriptions.ts";
import { isFor } from "./shared-subscriptions.ts";
import { updateMode } from "./subscribed-mode.ts";
import type { Subscriber } from "./subscriber.ts";

const NONE: Buffer = Buffer.alloc(0);
const TOO_MANY_USERS: Buffer = encodeError(
  "ERR max number of clients reached (too many users through this proxy)",
);
const OTHER_USER: Buffer = encodeError(
  "ERR This client has subscriptions as another user; unsubscribe from them first",
);

export function subscribe(client: RedisClient, kind: Kind, view: RequestView): boolean {
  if (!client.settleFirst()) return false;
  const subscriber =
    client.features.subscriber ?? client.pool.sharedSubscriptions.createSubscriber(client);
  if (subscriber === null) {
    client.refuse(TOO_MANY_USERS);
    return true;
  }
  if (!isFor(subscriber.shared, client)) {
    client.refuse(OTHER_USER);
    return true;
  }
  if (!hasRoom(subscriber)) return false;
  const names = namesOf(view);
  const refusal = refusalFor(subscriber, kind, names);
  if (refusal !== null) {
    client.refuse(refusal);
    return true;
  }
  client.features.subscriber = subscriber;
  const { session } = client;
  const token = session.open();
  session.waitBlocked();
  const confirmations = new Confirmations(client, SUBSCRIBE[kind]);
  subscriber.shared.subscribe({
    ...{ subscriber, kind, names: new NameCursor(names) },
    onName: (name) => confirmations.add(name, subscriber.count(kind)),
    onSlice: () => confirmations.push(),
    onDone: (fault) => {
      if (fault !== null) fail(client, token, fault);
      else succeed(client, token);
    },
  });
  return true;
}

export function unsubscribe(client: RedisClient, kind: Kind, view: RequestView): boolean {
  if (!client.settleFirst()) return false;
  const { session } = client;
  const { subscriber } = client.features;
  if (subscriber !== null && !hasRoom(subscriber)) return false;
  const token = session.open();
  const names = view.count > 1 ? namesOf(view) : (subscriber?.names(kind) ?? []);
  const cursor = new NameCursor(names);
  if (subscriber === null || cursor.isDone) {
    session.waitBlocked();
    client.pool.sharedSubscriptions.slices.run(confirmNone(client, kind, cursor, token));
    return true;
  }
  session.waitBlocked();
  const confirmations = new Confirmations(client, UNSUBSCRIBE[kind]);
  subscriber.shared.unsubscribe({
    ...{ subscriber, kind, names: cursor },
    onName: (name) => confirmations.add(name, subscriber.count(kind)),
    onSlice: () => confirmations.push(),
    onDone: () => succeed(client, token),
  });
  return true;
}

/** A client that is subscribed to nothing is told so, of each name that it has given. */
function* confirmNone(
  client: RedisClient,
  kind: Kind,
  names: NameCursor,
  token: number,
): Generator<void, void> {
  const confirmations = new Confirmations(client, UNSUBSCRIBE[kind]);
  const count = client.features.subscriber?.count(kind) ?? 0;
  if (names.isDone) confirmations.add(null, count);
  while (!names.isDone) {
    for (const name of names.take()) confirmations.add(name, count);
    confirmations.push();
    if (!names.isDone) yield;
  }
  confirmations.push();
  succeed(client, token);
}

/** Goes on with what another process saved. */
export function restoreSubscriptions(client: RedisClient, saved: SavedSubscriptions): void {
  const { features, pool, session } = client;
  const subscriber = pool.sharedSubscriptions.restoreSubscriber(client, saved, () =>
    releaseRequests(client),
  );
  features.subscriber = subscriber;
  if (subscriber === null) session.finish();
  else if (subscriber.isComplete) updateMode(client);
  else holdRequests(client);
}

/**
 * Ends all subscriptions of a client that goes on, without a word to it.
 * @returns false: not now, see Handler
 */
export function leaveAll(client: RedisClient): boolean {
  const { features, session, pool } = client;
  const { subscriber } = features;
  if (subscriber === null) return true;
  session.waitForWake();
  if (subscriber.isLeavingAll) return false;
  subscriber.isLeavingAll = true;
  let pending = KINDS.length;
  const onDone = (): void => {
    if (--pending > 0 || features.subscriber === null) return;
    features.subscriber = null;
    pool.turn.wake(session);
  };
  for (const kind of KINDS) {
    const names = new NameCursor(subscriber.names(kind));
    const noWord = (): void => {};
    subscriber.shared.unsubscribe({
      subscriber,
      kind,
      names,
      onName: noWord,
      onSlice: noWord,
      onDone,
    });
  }
  return false;
}

/** Ends all subscriptions of a client that has closed. */
export function dropSubscriptions(client: RedisClient): void {
  const { features } = client;
  const { subscriber } = features;
  if (subscriber === null) return;
  features.subscriber = null;
  subscriber.shared.drop(subscriber);
  updateMode(client);
}

/** False: a server has too much to take in already, and the session waits. */
function hasRoom({ client, shared }: Subscriber): boolean {
  const full = shared.subscriptions.full;
  if (full === null) return true;
  client.session.waitFor(full.connection);
  return false;
}

/** What a client was subscribed to is confirmed. */
function succeed(client: RedisClient, token: number): void {
  const { session, features } = client;
  if (features.subscriber?.total === 0) features.subscriber = null;
  updateMode(client);
  session.reply(token, NONE);
}

function fail(client: RedisClient, token: number, fault: NonNullable<Fault>): void {
  const { session, features } = client;
  if (features.subscriber?.total === 0) features.subscriber = null;
  if (Buffer.isBuffer(fault)) session.reply(token, fault);
  else session.onFailure(token, 1, fault);
}

/** Confirmations are no replies: a client that switched replies off gets them all the same. */
class Confirmations {
  private readonly client: RedisClient;
  private readonly word: string;
  private texts: string[] = [];

  constructor(client: RedisClient, word: string) {
    this.client = client;
    this.word = word;
  }

  /** @param name null: there was nothing to unsubscribe from */
  add(name: string | null, count: number): void {
    const { word, client } = this;
    const [push, none] = client.state.version === 3 ? [">", "_"] : ["*", "$-1"];
    const bulk = name === null ? none : `$${name.length}\r\n${name}`;
    this.texts.push(`${push}3\r\n$${word.length}\r\n${word}\r\n${bulk}\r\n:${count}\r\n`);
  }

  push(): void {
    const bytes = Buffer.from(this.texts.join(""), "latin1");
    this.texts = [];
    this.client.session.push(bytes, 0, bytes.length);
  }
}

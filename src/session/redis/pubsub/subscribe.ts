/** SUBSCRIBE, UNSUBSCRIBE and their variants for patterns and shard channels. */
import { encodeError, type RespVersion } from "../../../protocol/redis/encode.ts";
import type { RequestView } from "../../../protocol/redis/request-view.ts";
import type { RedisFrontend } from "../redis-frontend.ts";
import type { Fault } from "./hub.ts";
import { isFor } from "./hubs.ts";
import { KINDS, type Kind, SUBSCRIBE, UNSUBSCRIBE } from "./kinds.ts";
import { updateMode } from "./subscribed-mode.ts";
import type { SavedSubscriptions, Subscriber } from "./subscriber.ts";

const NONE: Buffer = Buffer.alloc(0);
const TOO_MANY_USERS: Buffer = encodeError(
  "ERR max number of clients reached (too many users through this proxy)",
);
const OTHER_USER: Buffer = encodeError(
  "ERR This client has subscriptions as another user; unsubscribe from them first",
);

export function subscribe(client: RedisFrontend, kind: Kind, view: RequestView): boolean {
  if (!client.settleFirst()) return false;
  const subscriber = client.subscriber ?? client.pool.hubs.createSubscriber(client);
  if (subscriber === null) {
    client.refuse(TOO_MANY_USERS);
    return true;
  }
  if (!isFor(subscriber.hub, client)) {
    client.refuse(OTHER_USER);
    return true;
  }
  if (!hasRoom(subscriber)) return false;
  client.subscriber = subscriber;
  const names = namesOf(view);
  const { session } = client;
  const token = session.ring.open();
  session.waitBlocked();
  let count = subscriber.count(kind);
  const known = new Set(subscriber.topics[kind].keys());
  subscriber.hub.subscribe(subscriber, kind, names, (fault) => {
    if (fault !== null) {
      fail(client, token, fault);
      return;
    }
    const confirmations = names.map((name) => {
      if (!known.has(name)) count++;
      known.add(name);
      return confirmation(SUBSCRIBE[kind], name, count, client.state.version);
    });
    succeed(client, token, confirmations);
  });
  return true;
}

export function unsubscribe(client: RedisFrontend, kind: Kind, view: RequestView): boolean {
  if (!client.settleFirst()) return false;
  const { subscriber, session } = client;
  if (subscriber !== null && !hasRoom(subscriber)) return false;
  const token = session.ring.open();
  const own = subscriber?.topics[kind];
  const names = view.count > 1 ? namesOf(view) : [...(own?.keys() ?? [])];
  const known = new Set(names.filter((name) => own?.has(name)));
  let count = subscriber?.count(kind) ?? 0;
  const confirm = (): void => {
    const confirmations = names.map((name) => {
      if (known.delete(name)) count--;
      return confirmation(UNSUBSCRIBE[kind], name, count, client.state.version);
    });
    if (names.length === 0) {
      confirmations.push(confirmation(UNSUBSCRIBE[kind], null, count, client.state.version));
    }
    succeed(client, token, confirmations);
  };
  if (subscriber === null || known.size === 0) {
    confirm();
    return true;
  }
  session.waitBlocked();
  subscriber.hub.unsubscribe(subscriber, kind, [...known], confirm);
  return true;
}

/** Goes on with what another process saved. */
export function restoreSubscriptions(client: RedisFrontend, saved: SavedSubscriptions): void {
  client.subscriber = client.pool.hubs.restoreSubscriber(client, saved);
  if (client.subscriber === null) client.session.finish();
  updateMode(client);
}

/**
 * Ends all subscriptions of a client that goes on, without a word to it.
 * @returns false: not now, see Handler
 */
export function leaveAll(client: RedisFrontend): boolean {
  const { subscriber, session, pool } = client;
  if (subscriber === null) return true;
  session.waitForWake();
  if (subscriber.leaving.size > 0) return false;
  for (const kind of KINDS) {
    subscriber.hub.unsubscribe(subscriber, kind, [...subscriber.topics[kind].keys()], () => {
      if (subscriber.total > 0 || client.subscriber === null) return;
      client.subscriber = null;
      pool.turn.wake(session);
    });
  }
  return false;
}

/** Ends all subscriptions of a client that has closed. */
export function dropSubscriptions(client: RedisFrontend): void {
  const { subscriber } = client;
  if (subscriber === null) return;
  client.subscriber = null;
  subscriber.hub.drop(subscriber);
  updateMode(client);
}

/** False: a server has too much to take in already, and the session waits. */
function hasRoom({ client, hub }: Subscriber): boolean {
  const full = hub.links.full;
  if (full === null) return true;
  client.session.waitFor(full.connection);
  return false;
}

/** Confirmations are no replies: a client that switched replies off gets them all the same. */
function succeed(client: RedisFrontend, token: number, confirmations: readonly Buffer[]): void {
  const { session, subscriber } = client;
  if (subscriber?.total === 0) client.subscriber = null;
  updateMode(client);
  const bytes = Buffer.concat(confirmations);
  session.push(bytes, 0, bytes.length);
  session.reply(token, NONE);
}

function fail(client: RedisFrontend, token: number, fault: NonNullable<Fault>): void {
  const { session, subscriber } = client;
  if (subscriber?.total === 0) client.subscriber = null;
  if (Buffer.isBuffer(fault)) session.reply(token, fault);
  else session.onFailure(token, 1, fault);
}

function namesOf(view: RequestView): string[] {
  return Array.from({ length: view.count - 1 }, (_, i) => view.text(i + 1));
}

/** @param name null: there was nothing to unsubscribe from */
function confirmation(
  word: string,
  name: string | null,
  count: number,
  version: RespVersion,
): Buffer {
  const [push, none] = version === 3 ? [">", "_"] : ["*", "$-1"];
  const bulk = name === null ? none : `$${name.length}\r\n${name}`;
  return Buffer.from(
    `${push}3\r\n$${word.length}\r\n${word}\r\n${bulk}\r\n:${count}\r\n`,
    "latin1",
  );
}

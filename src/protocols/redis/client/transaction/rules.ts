/** What may stand between MULTI and EXEC, and for which server it is. */
import { ACCESS, PlainFacts } from "../../../../api/request-facts.ts";
import type { Route, Upstream } from "../../../../api/upstream.ts";
import { copyOf } from "../../../../base/copy-of.ts";
import { CLIENT_NAME_BYTES_MAX } from "../../../../base/limits.ts";
import { encodeError } from "../../codec/encode.ts";
import type { RequestView } from "../../codec/request-view.ts";
import type { Command } from "../../commands/command.ts";
import { findKeys } from "../../commands/find-keys.ts";
import { crossServerFault, pickFor, refusedOption } from "../multi-key/keys-command.ts";
import type { RedisPool } from "../redis-pool.ts";
import { NO_SERVER } from "../refusals.ts";
import type { Change } from "./queue.ts";

/** Redis executes these at once, transaction or not. */
export const IMMEDIATE: RegExp = /^(QUIT|RESET)$/;
/** Asked of a server although outside of transactions the proxy answers them itself: there they mean the same. */
const FOR_SERVERS = /^(PING|ECHO|INFO|SELECT|AUTH|HELLO)$/;
/** The proxy answers them, but not at once, or not only: that cannot be done within EXEC's reply. */
const NOT_AT_EXEC = /^CLIENT\|(LIST|KILL|REPLY|UNBLOCK)$/;
const SUBSCRIPTION = /^[PS]?(UN)?SUBSCRIBE$/;
/** About whatever is on their server, which in a sharded pool is no more than a part. */
const PARTIAL = /^(SCAN|RANDOMKEY|INFO|PUBSUB\|.*|SCRIPT\|.*|FUNCTION\|.*)$/;
/** Its channel is on one server, like a key; that of PUBLISH is on all, because scripts and transactions publish anywhere. */
const PUBLISH_TO_SHARD = "SPUBLISH";

/** The proxy answers `command` itself when EXEC comes to it. */
export function isAnsweredAtExec({ disposition, name }: Command, pool: RedisPool): boolean {
  if (disposition !== "local" || NOT_AT_EXEC.test(name)) return false;
  return !FOR_SERVERS.test(name) || (name === "SELECT" && pool.variants.fixedDatabase !== 0);
}

/** Nothing for the client, but the connection is no longer the pool's user's. */
const OTHER_USER: Change = {};

/** Who the client is when the server has executed the request; null: the same as before, as is the connection. */
export function changeBy({ name }: Command, view: RequestView, pool: RedisPool): Change | null {
  if (name === "SELECT") return { database: Number(view.text(1)) };
  if (name === "AUTH") return pool.password === null ? identity(view, 1, view.count) : OTHER_USER;
  return name === "HELLO" && view.count > 1 ? changeByHello(view, pool) : null;
}

/** [user] password */
function identity(view: RequestView, from: number, to: number): Change {
  return { user: to - from === 2 ? view.text(from) : null, password: view.text(to - 1) };
}

/** HELLO version [AUTH user password] [SETNAME name]; anything else the server refuses. */
function changeByHello(view: RequestView, pool: RedisPool): Change {
  let change: Change = { version: view.text(1) === "3" ? 3 : 2 };
  for (let i = 2; i + 1 < view.count; i++) {
    if (view.text(i).toUpperCase() === "SETNAME") {
      change = { ...change, name: view.text(++i).substring(0, CLIENT_NAME_BYTES_MAX) };
    } else {
      if (pool.password === null) change = { ...change, ...identity(view, i + 1, i + 3) };
      i += 2;
    }
  }
  return change;
}

/** Why `command` cannot be queued, as an error; null: it can. */
export function whyNotQueued(command: Command, view: RequestView, servers: number): Buffer | null {
  const { name, disposition, refusal } = command;
  const shown = name.replace("|", " ");
  if (disposition === "refused") return encodeError(`ERR ${refusal}`);
  if (SUBSCRIPTION.test(name) || NOT_AT_EXEC.test(name)) {
    return encodeError(
      `ERR '${shown}' inside MULTI is not supported through this proxy; use it before MULTI or after EXEC`,
    );
  }
  if (servers === 1) return null;
  if (disposition === "broadcast" || PARTIAL.test(name)) {
    return encodeError(
      `ERR '${shown}' concerns all servers of the pool, but a transaction runs on one of them; use it outside of MULTI`,
    );
  }
  const fault = refusedOption(command, view, servers);
  return fault === null ? null : encodeError(`ERR ${fault}`);
}

const keys: number[] = [];

/** The one server that `command` is for; "any": it names no key; or why there is none, as an error. */
export function serverFor(
  command: Command,
  view: RequestView,
  route: Route,
  hashTag: string | null,
): Upstream | "any" | Buffer {
  // Reads of a transaction, too, are done where it writes, whatever a tree of routes says of them.
  view.access = ACCESS.write;
  view.commandName = "";
  const [only] = route.upstreams;
  if (only !== undefined && route.upstreams.length === 1) return only.isEjected ? NO_SERVER : only;
  // What keys these are cannot be told from all requests: the server will find the same fault with those.
  let count = findKeys(command, view, keys);
  if (command.name === PUBLISH_TO_SHARD) {
    keys[0] = 1;
    count = 1;
  }
  if (count <= 0) return "any";
  const picked = pickFor(keys, view, route);
  if (picked === "none") return NO_SERVER;
  return picked === "cross_server" ? encodeError(crossServerFault(command, hashTag)) : picked;
}

/** A copy of the first key of `command`; null: it has none, or that cannot be told. */
export function firstKeyOf(command: Command, view: RequestView): Buffer | null {
  if (command.name === PUBLISH_TO_SHARD) keys[0] = 1;
  else if (findKeys(command, view, keys) <= 0) return null;
  return copyOf(view.bytes, view.from(keys[0]!), view.to(keys[0]!));
}

const facts: PlainFacts = new PlainFacts();

/** Whether both keys have the same slot on a cluster, or else the same server. */
export function isSamePlace(route: Route, one: Buffer, other: Buffer): boolean {
  const placeOf = (key: Buffer): unknown => {
    facts.ofKey(key, ACCESS.write);
    return route.isSlotted ? route.slotOf(facts) : route.pick(facts);
  };
  const isSame = placeOf(one) === placeOf(other);
  facts.release();
  return isSame;
}

/** A second server in one transaction, or in what is watched for it. */
export function secondServer(command: Command, hashTag: string | null): Buffer {
  const hint =
    hashTag === null
      ? "the pool has no hash_tag that could keep keys together"
      : `give all of its keys a common hash tag such as ${hashTag[0]}name${hashTag[1]}`;
  return encodeError(
    `CROSSSLOT '${command.name}' concerns another server than what was queued or watched before, and a transaction runs on one; ${hint}`,
  );
}

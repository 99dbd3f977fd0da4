/** What may stand between MULTI and EXEC, and for which server it is. */
import type { Route, Upstream } from "../../api/upstream.ts";
import type { Command } from "../../protocol/redis/command.ts";
import { encodeError } from "../../protocol/redis/encode.ts";
import { findKeys } from "../../protocol/redis/find-keys.ts";
import type { RequestView } from "../../protocol/redis/request-view.ts";
import { crossServerFault, pickFor, refusedOption } from "./keys-command.ts";
import { NO_SERVER } from "./refusals.ts";

/** Redis executes these at once, transaction or not. */
export const IMMEDIATE: RegExp = /^(QUIT|RESET)$/;
/** Asked of a server although outside of transactions the proxy answers them itself: they mean the same there. */
const FOR_SERVERS = /^(PING|ECHO)$/;
/** What the proxy answers itself, at once and without changing the connection, it can answer within EXEC's reply too. */
const ANSWERED_AT_EXEC =
  /^(CLIENT\|(ID|INFO|LIST|GETNAME|SETNAME|SETINFO|NO-EVICT|NO-TOUCH|GETREDIR|HELP)|COMMAND|COMMAND\|.*)$/;
const SUBSCRIPTION = /^[PS]?(UN)?SUBSCRIBE$/;
/** About whatever is on their server, which in a sharded pool is no more than a part. */
const PARTIAL = /^(SCAN|RANDOMKEY|INFO|PUBSUB\|.*|SCRIPT\|.*|FUNCTION\|.*)$/;

/** The proxy answers `command` itself when EXEC comes to it. */
export function isAnsweredAtExec({ disposition, name }: Command): boolean {
  return disposition === "local" && ANSWERED_AT_EXEC.test(name);
}

/** Why `command` cannot be queued, as an error; null: it can. */
export function whyNotQueued(command: Command, view: RequestView, servers: number): Buffer | null {
  const { name, disposition, refusal } = command;
  const shown = name.replace("|", " ");
  if (disposition === "refused") return encodeError(`ERR ${refusal}`);
  if (SUBSCRIPTION.test(name) || (disposition === "local" && !isQueuedLocal(command))) {
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

function isQueuedLocal(command: Command): boolean {
  return FOR_SERVERS.test(command.name) || command.name === "INFO" || isAnsweredAtExec(command);
}

const keys: number[] = [];

/** The one server that `command` is for; "any": it names no key; or why there is none, as an error. */
export function serverFor(
  command: Command,
  view: RequestView,
  route: Route,
  hashTag: string | null,
): Upstream | "any" | Buffer {
  const [only] = route.upstreams;
  if (only !== undefined && route.upstreams.length === 1) return only.isEjected ? NO_SERVER : only;
  // What keys these are cannot be told from all requests: the server will find the same fault with those.
  const count = findKeys(command, view, keys);
  if (count <= 0) return "any";
  const picked = pickFor(keys, view, route);
  if (picked === "none") return NO_SERVER;
  return picked === "cross_server" ? encodeError(crossServerFault(command, hashTag)) : picked;
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

/**
 * Calls of scripts and functions: they go where their keys are, and before them, when it is necessary, what they call.
 */
import type { Link, Upstream } from "../../../../api/upstream.ts";
import { encodeError } from "../../codec/encode.ts";
import type { RequestView } from "../../codec/request-view.ts";
import type { Command } from "../../commands/command.ts";
import { findKeys } from "../../commands/find-keys.ts";
import { firstServer } from "../any-server.ts";
import { crossServerFault, pickFor } from "../multi-key/keys-command.ts";
import type { RedisClient } from "../redis-client.ts";
import type { RedisPool } from "../redis-pool.ts";
import { NO_SERVER } from "../refusals.ts";
import { ScriptClient } from "./client.ts";
import type { Loadable } from "./loadable.ts";
import { forgetFor, manageScripts } from "./manage.ts";

const keys: number[] = [];

export function handleScript(client: RedisClient, command: Command, view: RequestView): boolean {
  if (command.keySpecs.length === 0) return manageScripts(client, command, view);
  const count = findKeys(command, view, keys);
  const upstream = serverOf(client, command, view);
  if (upstream === null) return true;
  const connection = client.connectionTo(upstream);
  // Then it is not sent now, if at all.
  if (connection.refusal !== null || connection.isFull) return client.forwardTo(connection, view);
  if (isBody(command)) {
    if (count >= 0) rememberBody(client, view, upstream);
    return client.forwardTo(connection, view);
  }
  const called = calledBy(client, command, view);
  if (called !== null) load(client, called, upstream, connection);
  const { session, pool, features } = client;
  features.scripts ??= new ScriptClient(session, pool.scripts);
  const replies = features.scripts.repliesOf(upstream);
  // The load may have taken the last room.
  if (!client.forwardTo(connection, view, replies)) return false;
  replies.expect(view, connection, session.lastToken);
  return true;
}

/**
 * For what goes to `upstream` within a transaction, where nothing else can be put before it.
 * @returns false: not now, what it calls is being loaded there; the session will be woken
 */
export function isReadyFor(
  client: RedisClient,
  command: Command,
  view: RequestView,
  upstream: Upstream,
): boolean {
  if (command.disposition !== "script") return true;
  if (command.keySpecs.length === 0) {
    forgetFor(client, command);
    return true;
  }
  if (isBody(command)) {
    if (findKeys(command, view, keys) >= 0) rememberBody(client, view, upstream);
    return true;
  }
  const called = calledBy(client, command, view);
  if (called === null || called.isAt(upstream)) return true;
  const { session, variant } = client;
  const connection = upstream.connection(session.lane, variant);
  if (connection.refusal !== null) return true;
  if (connection.isFull) session.waitFor(connection);
  else {
    load(client, called, upstream, connection);
    called.waitForLoad(upstream, session);
    session.waitForWake();
  }
  return false;
}

/** The request at hand is sent over `link` to another server than it was meant for: what it calls is loaded there before it, unless it is there. */
export function loadFor(
  pool: Pick<RedisPool, "scripts">,
  command: Command,
  view: RequestView,
  link: Link & { readonly upstream: Upstream },
): void {
  if (command.disposition !== "script" || command.keySpecs.length === 0 || isBody(command)) return;
  calledBy({ pool }, command, view)?.load(link.upstream, link);
}

function load(client: RedisClient, called: Loadable, upstream: Upstream, connection: Link): void {
  if (called.isAt(upstream)) return;
  client.flushRun();
  called.load(upstream, connection);
}

/** The script or functions that the request at hand calls, if they are remembered. */
function calledBy(
  { pool }: { readonly pool: Pick<RedisPool, "scripts"> },
  command: Command,
  view: RequestView,
): Loadable | null {
  const { scripts, functions } = pool.scripts;
  if (isFunction(command)) return functions.all;
  return scripts.find(view.bytes, view.from(1), view.to(1))?.loadable ?? null;
}

function isBody({ name }: Command): boolean {
  return name === "EVAL" || name === "EVAL_RO";
}

function isFunction({ name }: Command): boolean {
  return name === "FCALL" || name === "FCALL_RO";
}

/**
 * Over several servers a script that one has run shall be there on all. Over one that goes without saying, and only an EVAL
 * that follows upon NOSCRIPT is remembered: that is how client libraries load a script.
 */
function rememberBody(
  { pool, features }: RedisClient,
  view: RequestView,
  upstream: Upstream,
): void {
  const isWanted = features.scripts?.takeMissed(upstream) ?? false;
  if (!isWanted && pool.route.upstreams.length === 1) return;
  pool.scripts.sawBody(view.bytes, view.from(1), view.to(1), isWanted);
}

/** The server of the request at hand, whose keys are `keys`; null: there is none, and the client was told why. */
function serverOf(client: RedisClient, command: Command, view: RequestView): Upstream | null {
  const { route, hashTag } = client.pool;
  // Without keys, or to say that their number is wrong, the same one for all clients: one may call what another has run.
  const picked = keys.length === 0 ? (firstServer(client) ?? "none") : pickFor(keys, view, route);
  if (picked === "none") client.refuse(NO_SERVER);
  else if (picked === "cross_server")
    client.refuse(encodeError(crossServerFault(command, hashTag)));
  else return picked;
  return null;
}

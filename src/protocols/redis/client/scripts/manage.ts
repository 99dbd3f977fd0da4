/** SCRIPT and FUNCTION: what they change, they change on all servers, and in what the proxy remembers. */

import { decodeReply } from "../../codec/decode.ts";
import { encodeRequest } from "../../codec/encode.ts";
import { isError } from "../../codec/merge-replies.ts";
import type { RequestView } from "../../codec/request-view.ts";
import type { Command } from "../../commands/command.ts";
import { forwardToAny } from "../any-server.ts";
import { askAll, type Question } from "../ask.ts";
import { broadcast, replyOf } from "../keyless/broadcast.ts";
import type { RedisClient } from "../redis-client.ts";
import { askBesides } from "./busy.ts";
import { ScriptClient } from "./client.ts";
import { type Library, librariesFrom } from "./functions.ts";

const LIST_BYTES: Buffer = encodeRequest("FUNCTION", "LIST", "WITHCODE");
const LIST = { bytes: LIST_BYTES, start: 0, end: LIST_BYTES.length };

type Manager = (client: RedisClient, command: Command, view: RequestView) => boolean;

const MANAGERS: Readonly<Record<string, Manager>> = {
  "SCRIPT|LOAD": (client, _command, view) => loadScript(client, view),
  "SCRIPT|EXISTS": tellOfScripts,
  "SCRIPT|FLUSH": flushScripts,
  "SCRIPT|KILL": askBesides,
  "FUNCTION|LOAD": loadLibrary,
  "FUNCTION|DELETE": deleteLibrary,
  "FUNCTION|FLUSH": flushFunctions,
  "FUNCTION|RESTORE": restoreFunctions,
  "FUNCTION|KILL": askBesides,
  "FUNCTION|STATS": askBesides,
};

export function manageScripts(client: RedisClient, command: Command, view: RequestView): boolean {
  const manage = MANAGERS[command.name] ?? forwardToAny;
  return manage(client, command, view);
}

/** Servers that are not there now get it when they are back and it is called. */
function loadScript(client: RedisClient, view: RequestView): boolean {
  const { scripts: memory } = client.pool;
  const { era } = memory;
  const body = Buffer.from(view.bytes.subarray(view.from(2), view.to(2)));
  const conclude: Question["merge"] = (answers, servers) => {
    const replies = answers.filter((answer) => Buffer.isBuffer(answer));
    const error = replies.find(isError);
    if (error !== undefined) return error;
    const sha = replies[0] === undefined ? null : decodeReply(replies[0], 0);
    const script =
      Buffer.isBuffer(sha) && era === memory.era
        ? memory.rememberScript(sha.toString("latin1"), body)
        : null;
    for (const [index, answer] of answers.entries()) {
      if (Buffer.isBuffer(answer)) script?.loadable.markAt(servers[index]!);
      else if (script === null) return client.failureReply(answer);
    }
    return replies[0]!;
  };
  return askAll(client, { requests: [view], reach: "available", merge: conclude });
}

function flushScripts(client: RedisClient, command: Command, view: RequestView): boolean {
  if (!isFlush(view)) return forwardToAny(client, command, view);
  return forgetFirst(
    client,
    (done) => client.pool.scripts.forgetScripts(client.session, done),
    () => broadcast(client, command, view),
  );
}

/** A call that finds the newest library on some servers only would be worse than none: it is remembered when all have it. */
function loadLibrary(client: RedisClient, command: Command, view: RequestView): boolean {
  return changeLibraries(client, command, view, (reply, { name }) => {
    const loaded = isError(reply) ? null : decodeReply(reply, 0);
    return Buffer.isBuffer(loaded) && loaded.toString("latin1") === name;
  });
}

function deleteLibrary(client: RedisClient, command: Command, view: RequestView): boolean {
  return forgetFirst(
    client,
    (done) => client.pool.scripts.forgetLibrary(view.text(2), client.session, done),
    () => broadcast(client, command, view),
  );
}

function flushFunctions(client: RedisClient, command: Command, view: RequestView): boolean {
  if (!isFlush(view)) return forwardToAny(client, command, view);
  return forgetFirst(
    client,
    (done) => client.pool.scripts.forgetLibrary(null, client.session, done),
    () => broadcast(client, command, view),
  );
}

function restoreFunctions(client: RedisClient, command: Command, view: RequestView): boolean {
  return forgetFirst(
    client,
    (done) => client.pool.scripts.forgetLibrary(null, client.session, done),
    () => changeLibraries(client, command, view, () => true),
  );
}

/**
 * Has all servers do what the request at hand says, and asks them right behind it for their libraries: what is in a dump, and
 * which functions a library has, only a server can tell.
 * @param isToRemember whether this library is, when the client gets `reply`
 */
function changeLibraries(
  client: RedisClient,
  command: Command,
  view: RequestView,
  isToRemember: (reply: Buffer, library: Library) => boolean,
): boolean {
  const { scripts: memory } = client.pool;
  const { era } = memory;
  const merge: Question["merge"] = (answers, servers) => {
    const reply = replyOf(
      client,
      command,
      answers.filter((_, part) => part < servers.length),
      servers,
    );
    const list = answers.find((answer, part) => part >= servers.length && Buffer.isBuffer(answer));
    if (!Buffer.isBuffer(list) || era !== memory.era) return reply;
    for (const library of librariesFrom(decodeReply(list, 0))) {
      if (isToRemember(reply, library)) memory.rememberLibrary(library, servers);
    }
    return reply;
  };
  return askAll(client, { requests: [view, LIST], reach: "all", merge });
}

/** What is remembered can be called everywhere, and so it is everywhere: where it is not known to be, it is loaded first. */
function tellOfScripts(client: RedisClient, command: Command, view: RequestView): boolean {
  const { route, scripts: memory } = client.pool;
  client.flushRun();
  for (const upstream of route.upstreams) {
    const connection = client.connectionTo(upstream);
    for (let i = 2; i < view.count; i++) {
      if (connection.refusal !== null || connection.isFull) break;
      const script = memory.scripts.find(view.bytes, view.from(i), view.to(i));
      script?.loadable.load(upstream, connection);
    }
  }
  return broadcast(client, command, view);
}

/** FLUSH [ASYNC|SYNC]; what else it is, the server says. */
function isFlush(view: RequestView): boolean {
  return view.count === 2 || (view.count === 3 && /^a?sync$/i.test(view.text(2)));
}

/**
 * Has all workers forget something, and then all servers. In that order: a worker that still knew it would load it again.
 * @param forget calls back when the workers have, and wakes the session
 * @param change has the servers do it, as a Handler
 */
function forgetFirst(
  client: RedisClient,
  forget: (done: () => void) => void,
  change: () => boolean,
): boolean {
  const { session, pool, features } = client;
  features.scripts ??= new ScriptClient(session, pool.scripts);
  const state = features.scripts;
  if (state.forgetting === "no") {
    state.forgetting = "asked";
    forget(() => {
      state.forgetting = "done";
    });
  }
  if (state.forgetting === "asked") {
    session.waitForWake();
    return false;
  }
  if (!change()) return false;
  state.forgetting = "no";
  return true;
}

/** The request at hand is queued at a server, which may or may not execute it: to remember less than there is does no harm. */
export function forgetFor({ pool, session }: RedisClient, { name }: Command): void {
  const { scripts } = pool;
  if (name === "SCRIPT|FLUSH") scripts.forgetScripts(session, () => {});
  else if (/^FUNCTION\|(FLUSH|DELETE|RESTORE)$/.test(name)) {
    scripts.forgetLibrary(null, session, () => {});
  }
}

/** SCRIPT and FUNCTION: what they change, they change on all servers, and in what the proxy remembers. */
import type { Upstream } from "../../api/upstream.ts";
import type { Command } from "../../protocol/redis/command.ts";
import { decodeReply } from "../../protocol/redis/decode.ts";
import { encodeRequest } from "../../protocol/redis/encode.ts";
import { isError } from "../../protocol/redis/merge-replies.ts";
import type { RequestView } from "../../protocol/redis/request-view.ts";
import { forwardToAny } from "./any-server.ts";
import { askAll } from "./ask.ts";
import { broadcast } from "./broadcast.ts";
import { type Answer, Collector } from "./collector.ts";
import type { RedisFrontend } from "./redis-frontend.ts";
import { askBesides } from "./scripts-busy.ts";
import { ScriptClient } from "./scripts-client.ts";
import { librariesFrom } from "./scripts-functions.ts";

type Manager = (client: RedisFrontend, command: Command, view: RequestView) => boolean;

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

export function manageScripts(client: RedisFrontend, command: Command, view: RequestView): boolean {
  const manage = MANAGERS[command.name] ?? forwardToAny;
  return manage(client, command, view);
}

/** Servers that are not there now get it when they are back and it is called. */
function loadScript(client: RedisFrontend, view: RequestView): boolean {
  const { scripts: memory, route } = client.pool;
  const { era } = memory;
  const body = Buffer.from(view.bytes.subarray(view.from(2), view.to(2)));
  const conclude = (answers: readonly Answer[]): Buffer => {
    const replies = answers.filter((answer) => Buffer.isBuffer(answer));
    const error = replies.find(isError);
    if (error !== undefined) return error;
    const sha = replies[0] === undefined ? null : decodeReply(replies[0], 0);
    const script =
      Buffer.isBuffer(sha) && era === memory.era
        ? memory.rememberScript(sha.toString("latin1"), body)
        : null;
    for (const [index, answer] of answers.entries()) {
      if (Buffer.isBuffer(answer)) script?.loadable.markAt(route.upstreams[index]!);
      else if (script === null) return client.failureReply(answer);
    }
    return replies[0]!;
  };
  return askAll(client, { requests: [view], reach: "available", merge: conclude });
}

function flushScripts(client: RedisFrontend, command: Command, view: RequestView): boolean {
  if (!isFlush(view)) return forwardToAny(client, command, view);
  return forgetFirst(client, command, view, (done) =>
    client.pool.scripts.forgetScripts(client.session, done),
  );
}

/** A call that finds the newest library on some servers only would be worse than none: it is remembered when all have it. */
function loadLibrary(client: RedisFrontend, command: Command, view: RequestView): boolean {
  const { era } = client.pool.scripts;
  return broadcast(client, command, view, (reply) => {
    const name = isError(reply) ? null : decodeReply(reply, 0);
    if (Buffer.isBuffer(name)) learnLibraries(client, name.toString("latin1"), era);
  });
}

function deleteLibrary(client: RedisFrontend, command: Command, view: RequestView): boolean {
  return forgetFirst(client, command, view, (done) =>
    client.pool.scripts.forgetLibrary(view.text(2), client.session, done),
  );
}

function flushFunctions(client: RedisFrontend, command: Command, view: RequestView): boolean {
  if (!isFlush(view)) return forwardToAny(client, command, view);
  return forgetFirst(client, command, view, (done) =>
    client.pool.scripts.forgetLibrary(null, client.session, done),
  );
}

/** What is in the dump only a server can tell. */
function restoreFunctions(client: RedisFrontend, command: Command, view: RequestView): boolean {
  return forgetFirst(
    client,
    command,
    view,
    (done) => client.pool.scripts.forgetLibrary(null, client.session, done),
    () => learnLibraries(client, null, client.pool.scripts.era),
  );
}

/** What is remembered can be called everywhere, and so it is everywhere: where it is not known to be, it is loaded first. */
function tellOfScripts(client: RedisFrontend, command: Command, view: RequestView): boolean {
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
 * @param forget calls back when they have, and wakes the session
 */
function forgetFirst(
  client: RedisFrontend,
  command: Command,
  view: RequestView,
  forget: (done: () => void) => void,
  observe: (() => void) | null = null,
): boolean {
  client.scripts ??= new ScriptClient(client);
  const state = client.scripts;
  if (state.forgetting === "no") {
    state.forgetting = "asked";
    forget(() => {
      state.forgetting = "done";
    });
  }
  if (state.forgetting === "asked") {
    client.session.waitForWake();
    return false;
  }
  if (!broadcast(client, command, view, observe)) return false;
  state.forgetting = "no";
  return true;
}

/** The request at hand is queued at a server, which may or may not execute it: to remember less than there is does no harm. */
export function forgetFor({ pool, session }: RedisFrontend, { name }: Command): void {
  const { scripts } = pool;
  if (name === "SCRIPT|FLUSH") scripts.forgetScripts(session, () => {});
  else if (/^FUNCTION\|(FLUSH|DELETE|RESTORE)$/.test(name)) {
    scripts.forgetLibrary(null, session, () => {});
  }
}

/** Asks a server for the code and the functions of library `name`, or of all (null), and remembers them. */
function learnLibraries(client: RedisFrontend, name: string | null, era: number): void {
  const { pool, session } = client;
  const { upstreams } = pool.route;
  const upstream = upstreams.find((asked) => connectionOf(client, asked).refusal === null);
  if (upstream === undefined) return;
  const filter = name === null ? [] : ["LIBRARYNAME", name];
  const request = encodeRequest("FUNCTION", "LIST", "WITHCODE", ...filter);
  const collector = new Collector(1, ([answer]) => {
    if (!Buffer.isBuffer(answer) || era !== pool.scripts.era) return;
    for (const library of librariesFrom(decodeReply(answer, 0))) {
      pool.scripts.rememberLibrary(library, upstreams);
    }
  });
  const connection = upstream.connection(session.lane, client.variant);
  connection.send(request, 0, request.length, collector, 0, 1);
}

function connectionOf({ session, variant }: RedisFrontend, upstream: Upstream) {
  return upstream.connection(session.lane, variant);
}

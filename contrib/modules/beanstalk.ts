/**
 * beanstalkd: the jobs of several servers behind one address. The id of a job says its server: it is made of the server's own id and of the
 * number that the server's name gives. So servers may come and go, but none may be renamed while it has jobs.
 */
import type { Block, Bytes, Client, OwnConnection, ProxiedRequest, Verb } from "proxy/module";
import { choice, defineProtocol, lines, type Reply, type Server, ServerError } from "proxy/module";
import {
  faultOf,
  first,
  jobBytes,
  listOf,
  merge,
  NUMBERS,
  outerId,
  outward,
  replyBytes,
} from "./beanstalk-lines.ts";

/** A server that is missing is looked for so often. */
const RETRY_S = 5;

const newState = () => ({
  ...{ used: "default", watched: ["default"], turn: 0, untilMs: null as number | null },
  /** By job, the connection that has reserved it: it can be deleted over no other. */
  held: {} as Record<string, number>,
});
type Beanstalk = Client<ReturnType<typeof newState>>;

/** Null: the server did not answer. */
const tried = <Result>(promise: Promise<Result>): Promise<Result | null> =>
  promise.catch((error) => {
    if (error instanceof ServerError) return null;
    throw error;
  });

/** A connection of the client's own, with the tubes that it watches. */
function open(client: Beanstalk, server: Server): Promise<OwnConnection> {
  const { watched } = client.state;
  const ignored = watched.includes("default") ? [] : ["ignore default\r\n"];
  return client.open(server, [...watched.map((tube) => `watch ${tube}\r\n`), ...ignored]);
}

function taken({ state }: Beanstalk, reply: Reply, own: OwnConnection): Bytes {
  if (reply.word(0) === "RESERVED") state.held[outerId(reply.word(1), own.server)] = own.id;
  return outward(reply);
}

/**
 * Asks one server after the other; if none has a job, waits at all of them. A job that another server gives too late goes back to its queue
 * with the end of its connection: so connections that wait must hold none.
 */
async function reserve(client: Beanstalk): Promise<Bytes | Block> {
  const { state, servers } = client;
  const up = servers.filter(({ isUp }) => isUp);
  if (up.length === 0) throw new ServerError("no server can be reached");
  const ownOf = async (server: Server, holding: readonly number[]) =>
    client.owns.find((own) => own.server === server && !holding.includes(own.id)) ??
    (await tried(open(client, server)));
  for (const _ of up) {
    const own = await ownOf(up[state.turn++ % up.length]!, []);
    const reply = own && (await tried(client.ask(own, ["reserve-with-timeout 0\r\n"])));
    if (own && reply && reply.word(0) !== "TIMED_OUT") return taken(client, reply, own);
  }
  const leftS = state.untilMs === null ? Number.POSITIVE_INFINITY : secondsTo(state.untilMs);
  if (leftS <= 0) return "TIMED_OUT\r\n";
  const holding = servers.length === 1 ? [] : Object.values(state.held);
  const owns = await Promise.all(up.map((server) => ownOf(server, holding)));
  const waiting = owns.filter((own) => own !== null);
  if (waiting.length === 0) throw new ServerError("no connection to wait at");
  const waitS = waiting.length === servers.length ? leftS : Math.min(leftS, RETRY_S);
  const isEndless = waitS === Number.POSITIVE_INFINITY;
  return client.block(
    waiting,
    isEndless ? "reserve\r\n" : `reserve-with-timeout ${Math.ceil(waitS)}\r\n`,
  );
}
const secondsTo = (ms: number) => (ms - Date.now()) / 1000;

/** Over all servers, one after the other, because each takes the bound for itself. */
async function kick(client: Beanstalk, bound: number): Promise<Bytes> {
  let kicked = 0;
  for (const server of client.servers.filter(({ isUp }) => isUp)) {
    const requests = [`use ${client.state.used}\r\n`, `kick ${bound - kicked}\r\n`];
    if (kicked < bound) kicked += Number((await client.ask(server, requests)).word(1));
  }
  return `KICKED ${kicked}\r\n`;
}

/** From now on the client watches these tubes. */
function watch(r: ProxiedRequest, client: Beanstalk, watched: string[]): Verb {
  if (watched.length === 0) return r.answer("NOT_IGNORED\r\n");
  const line = `${r.text}\r\n`;
  client.state.watched = watched;
  return r.alone(async () => {
    for (const own of client.owns) await tried(client.ask(own, [line]));
    return `WATCHING ${watched.length}\r\n`;
  });
}

/** To the server of a job; over the client's own connection, if that has reserved it. */
function toJob(r: ProxiedRequest, client: Beanstalk): Verb {
  const [command, job] = [r.word(0), r.word(1)];
  const server = client.servers.find(({ number }) => BigInt(number) === BigInt(job) % NUMBERS);
  if (server === undefined) return r.answer("NOT_FOUND\r\n");
  const line = `${r.text.replace(job, `${BigInt(job) / NUMBERS}`)}\r\n`;
  const own = client.owns.find(({ id }) => id === client.state.held[job]);
  if (command !== "reserve-job" && own === undefined) return r.ask(server, [line], outward);
  return r.alone(async () => {
    const over = own ?? (await open(client, server));
    const reply = await client.ask(over, [line]);
    if (/^(delete|release|bury)$/.test(command)) delete client.state.held[job];
    return taken(client, reply, over);
  });
}

export default defineProtocol({
  api: 1,
  name: "beanstalk",
  options: {
    put: choice(["tube", "round_robin"], {
      default: "tube",
      help: "Which server gets a job: always the same one for its `tube`, or each in turn.",
    }),
  },
  requestScanner: lines({ body: ({ text }) => jobBytes(text) }),
  replyScanner: lines({ body: ({ text }) => replyBytes(text) }),
  probe: "list-tube-used\r\n",
  failure: () => "INTERNAL_ERROR\r\n",
  state: newState,
  request(r, client, { options }) {
    const { state } = client;
    const [command, word, line] = [r.word(0), r.word(1), `${r.text}\r\n`];
    const use = `use ${state.used}\r\n`;
    const fault = faultOf(r.text);
    if (fault !== null) return r.answer(fault);
    switch (command) {
      case "put": {
        const isByTube = options.put === "tube";
        const server = isByTube ? client.serverOf(state.used) : client.nextServer();
        return r.ask(server, [use, r.bytes], outward);
      }
      case "use":
        state.used = word;
        return r.answer(`USING ${word}\r\n`);
      case "watch":
        return watch(r, client, [...state.watched.filter((tube) => tube !== word), word]);
      case "ignore":
        return watch(
          r,
          client,
          state.watched.filter((tube) => tube !== word),
        );
      case "reserve":
      case "reserve-with-timeout":
        state.untilMs = word === "" ? null : Date.now() + Number(word) * 1000;
        return r.alone(() => reserve(client));
      case "kick":
        return r.alone(() => kick(client, Number(word)));
      case "peek-ready":
      case "peek-delayed":
      case "peek-buried":
        return r.askAll([use, line], first("FOUND"));
      case "pause-tube":
        return r.askAll([line], first("PAUSED"));
      case "stats":
      case "stats-tube":
      case "list-tubes":
        return r.askAll([line], merge);
      case "list-tube-used":
        return r.answer(`USING ${state.used}\r\n`);
      case "list-tubes-watched":
        return r.answer(listOf(state.watched.map((tube) => `- ${tube}`)));
      case "quit":
        return r.end();
      default:
        return toJob(r, client);
    }
  },
  unblocked: ({ reply, own }, client) =>
    reply && own && reply.word(0) !== "TIMED_OUT" ? taken(client, reply, own) : reserve(client),
});

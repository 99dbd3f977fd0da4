/** PUBSUB CHANNELS, NUMSUB and so on: all servers are asked, and hubs are counted as the clients that they stand for. */
import type { Failure, ReplySink, UpstreamConnection } from "../../../api/upstream.ts";
import { copyOf } from "../../../base/copy-of.ts";
import type { Command } from "../../../protocol/redis/command.ts";
import { encodeError, encodeInteger, encodeValue } from "../../../protocol/redis/encode.ts";
import { parseLength } from "../../../protocol/redis/reply-scanner.ts";
import type { RequestView } from "../../../protocol/redis/request-view.ts";
import { forwardToAny } from "../any-server.ts";
import type { RedisFrontend } from "../redis-frontend.ts";
import { NO_SERVER } from "../refusals.ts";
import type { Kind } from "./kinds.ts";

type Answer = readonly (string | number)[];
type Merge = (client: RedisFrontend, answers: readonly Answer[]) => Buffer;

const MERGES: Readonly<Record<string, Merge>> = {
  "PUBSUB|CHANNELS": channels,
  "PUBSUB|SHARDCHANNELS": channels,
  "PUBSUB|NUMPAT": patterns,
  "PUBSUB|NUMSUB": (client, answers) => subscribers(client, answers, "channel"),
  "PUBSUB|SHARDNUMSUB": (client, answers) => subscribers(client, answers, "shard"),
};

const CR = 13;
const MINUS = 0x2d;
const COLON = 0x3a;
const ASTERISK = 0x2a;
const MISMATCH: Buffer = encodeError(
  "ERR Invalid argument (a server's reply does not fit the command)",
);

export function introspect(client: RedisFrontend, command: Command, view: RequestView): boolean {
  const merge = MERGES[command.name];
  if (merge === undefined) return forwardToAny(client, command, view);
  const { session, pool } = client;
  const live = pool.route.upstreams.filter((upstream) => !upstream.isEjected);
  const connections = live.map((upstream) => client.connectionTo(upstream));
  for (const connection of connections) {
    if (connection.refusal !== null) {
      session.onFailure(session.ring.open(), 1, connection.refusal);
      return true;
    }
    if (connection.isFull) {
      session.waitFor(connection);
      return false;
    }
  }
  if (connections.length === 0) {
    client.refuse(NO_SERVER);
    return true;
  }
  client.flushRun();
  new Collector(client, merge, session.ring.open()).ask(connections, view);
  return true;
}

/** Waits for the answers of all servers. */
class Collector implements ReplySink {
  private readonly client: RedisFrontend;
  private readonly merge: Merge;
  private readonly token: number;
  private readonly answers: Answer[] = [];
  private fault: Buffer | null = null;
  private pending = 0;

  constructor(client: RedisFrontend, merge: Merge, token: number) {
    this.client = client;
    this.merge = merge;
    this.token = token;
  }

  ask(connections: readonly UpstreamConnection[], { bytes, start, end }: RequestView): void {
    this.pending = connections.length;
    for (const [part, connection] of connections.entries()) {
      connection.send(bytes, start, end, this, part, 1);
    }
  }

  onReplies(part: number, _count: number, bytes: Buffer, start: number, end: number): void {
    if (bytes[start] === MINUS) this.fault ??= copyOf(bytes, start, end);
    else {
      const answer = parse(bytes, start, end);
      if (answer === null) this.fault ??= MISMATCH;
      else this.answers[part] = answer;
    }
    this.partDone();
  }

  onFailure(_part: number, _count: number, failure: Failure): void {
    this.fault ??= this.client.session.failureReply(failure, this.token);
    this.partDone();
  }

  private partDone(): void {
    if (--this.pending > 0) return;
    const { client, token, fault, answers } = this;
    client.session.reply(token, fault ?? this.merge(client, answers));
  }
}

function channels({ state }: RedisFrontend, answers: readonly Answer[]): Buffer {
  const names = new Set(answers.flat());
  return encodeValue(
    [...names].map((name) => Buffer.from(String(name), "latin1")),
    state.version,
  );
}

/** Every server has the patterns of all hubs. */
function patterns(_client: RedisFrontend, answers: readonly Answer[]): Buffer {
  return encodeInteger(Math.max(...answers.map(([count]) => Number(count))));
}

/** Alternating names and counts, the same names from all servers. */
function subscribers(client: RedisFrontend, answers: readonly Answer[], kind: Kind): Buffer {
  const [first = []] = answers;
  const merged = first.map((name, at) => {
    if (at % 2 === 0) return Buffer.from(String(name), "latin1");
    const channel = String(first[at - 1]);
    const counted = answers.reduce((sum, answer) => sum + Number(answer[at] ?? 0), 0);
    const { copies, clients } = client.pool.hubs.subscribersOf(kind, channel);
    return Math.max(counted - copies, 0) + clients;
  });
  return encodeValue(merged, client.state.version);
}

/** An integer, or an array of strings and integers; null: neither. */
function parse(bytes: Buffer, start: number, end: number): Answer | null {
  const values: (string | number)[] = [];
  let at = start;
  while (at < end) {
    const type = bytes[at];
    const lineEnd = bytes.indexOf(CR, at);
    const number = parseLength(bytes, at + 1, lineEnd);
    if (number < 0) return null;
    at = lineEnd + 2;
    if (type === ASTERISK) continue;
    if (type === COLON) values.push(number);
    else {
      values.push(bytes.toString("latin1", at, at + number));
      at += number + 2;
    }
  }
  return values;
}

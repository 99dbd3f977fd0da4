/** Asks servers on a client's behalf, in other words than the client's own or several at once, and settles one slot with what comes of it. */
import { ACCESS, type Access } from "../../../api/request-facts.ts";
import type { Failure, Upstream } from "../../../api/upstream.ts";
import { REPLY_BYTES_MAX } from "../../../base/limits.ts";
import { encodeError } from "../codec/encode.ts";
import { isError } from "../codec/merge-replies.ts";
import { awaitsRecovery } from "./awaits-recovery.ts";
import { type Answer, Collector } from "./collector.ts";
import type { RedisClient } from "./redis-client.ts";

/** Each server's part may be just so long. */
const TOO_LONG: Buffer = encodeError(
  `ERR Message too long (the servers' replies together are more than ${REPLY_BYTES_MAX} bytes)`,
);

/** One request is bytes[start, end), which never change. */
export interface Request {
  readonly bytes: Buffer;
  readonly start: number;
  readonly end: number;
}

export interface Question {
  readonly requests: readonly Request[];
  /** "all": if a server cannot be asked, nothing is sent, and the client gets an error. "available": its answers are failures. */
  readonly reach: "all" | "available";
  /** What it does to data. Absent: it is about servers. */
  readonly access?: Access;
  /**
   * Makes the reply: gets the answers to the first request in the order of `servers`, then those to the second …. The pool may have
   * others by then.
   */
  readonly merge: (answers: readonly Answer[], servers: readonly Upstream[]) => Buffer;
}

/** Sends the same requests to all servers. @returns false: not now, see Handler */
export function askAll(client: RedisClient, { merge, ...question }: Question): boolean {
  const servers = client.pool.route.targets(question.access ?? ACCESS.admin);
  return collectAll(client, question, (answers, token) => {
    const reply = merge(answers, servers);
    client.session.reply(token, reply.length > REPLY_BYTES_MAX ? TOO_LONG : reply);
  });
}

/** The same; `whenDone` gets the answers as `merge` does, and sees to it that slot `token` is settled. */
export function collectAll(
  client: RedisClient,
  { requests, reach, access = ACCESS.admin }: Omit<Question, "merge">,
  whenDone: (answers: readonly Answer[], token: number) => void,
): boolean {
  const { session, pool } = client;
  const upstreams = pool.route.targets(access);
  const isWaiting = (upstream: Upstream): boolean =>
    awaitsRecovery(client, client.connectionTo(upstream));
  if (reach === "all" && upstreams.some(isWaiting)) return false;
  const refusals = upstreams.map((upstream) => refusalOf(client, upstream));
  const refusal = refusals.find((failure) => failure !== null) ?? null;
  if (refusal !== null && reach === "all") {
    client.refuse(encodeError(`ERR ${refusal.text}; all servers are needed, none was asked`));
    return true;
  }
  const asked = upstreams.filter((_, index) => refusals[index] === null);
  if (asked.some((upstream) => waitsForRoom(client, upstream))) return false;
  client.flushRun();
  const token = session.open();
  const collector = new Collector(upstreams.length * requests.length, (answers) =>
    whenDone(answers, token),
  );
  for (const [number, { bytes, start, end }] of requests.entries()) {
    for (const [index, upstream] of upstreams.entries()) {
      const part = number * upstreams.length + index;
      const failure = refusals[index]!;
      if (failure !== null) collector.onFailure(part, 1, failure);
      else client.connectionTo(upstream).send(bytes, start, end, collector, part, 1);
    }
  }
  return true;
}

/**
 * Sends a request to one server; `convert` makes the client's reply of the server's (borrowed), errors apart, which are
 * passed on as they are. @returns false: not now, see Handler
 */
export function askOne(
  client: RedisClient,
  upstream: Upstream,
  request: Buffer,
  convert: (reply: Buffer) => Buffer,
): boolean {
  const { session } = client;
  const refusal = refusalOf(client, upstream);
  if (refusal !== null) {
    client.refuse(client.failureReply(refusal));
    return true;
  }
  if (waitsForRoom(client, upstream)) return false;
  client.flushRun();
  const token = session.open();
  const collector = new Collector(1, ([answer]) => {
    if (!Buffer.isBuffer(answer)) session.onFailure(token, 1, answer!);
    else session.reply(token, isError(answer) ? answer : convert(answer));
  });
  client.connectionTo(upstream).send(request, 0, request.length, collector, 0, 1);
  return true;
}

/** The first of these answers that is no proper reply, as the client is told; null: all are. */
export function firstFault(client: RedisClient, answers: readonly Answer[]): Buffer | null {
  for (const answer of answers) {
    if (!Buffer.isBuffer(answer)) return client.failureReply(answer);
    if (isError(answer)) return answer;
  }
  return null;
}

/** Why `upstream` cannot be asked now, or null. */
export function refusalOf(client: RedisClient, upstream: Upstream): Failure | null {
  const { refusal } = client.connectionTo(upstream);
  if (refusal !== null || !upstream.isEjected) return refusal;
  const text = `Connection refused (server ${upstream.name} is ejected)`;
  return { kind: "ejected", wasSent: false, text };
}

function waitsForRoom(client: RedisClient, upstream: Upstream): boolean {
  const connection = client.connectionTo(upstream);
  if (connection.isFull) client.session.waitFor(connection);
  return connection.isFull;
}

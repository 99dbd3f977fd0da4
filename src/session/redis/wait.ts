/**
 * WAIT: how many replicas have what this client wrote. Redis answers for the writes of the connection that asks, and a client's
 * writes go over shared ones, so it is asked over a connection of its own that has just "written" something newer: a
 * message that goes to replicas, changes no data, and reaches nobody.
 */
import type { Lease } from "../../api/upstream.ts";
import type { Command } from "../../protocol/redis/command.ts";
import { decodeReply } from "../../protocol/redis/decode.ts";
import { encodeError, encodeRequest } from "../../protocol/redis/encode.ts";
import { isError, mergeReplies } from "../../protocol/redis/merge-replies.ts";
import type { RequestView } from "../../protocol/redis/request-view.ts";
import { firstFault, refusalOf } from "./ask.ts";
import { type Answer, Collector } from "./collector.ts";
import type { RedisFrontend } from "./redis-frontend.ts";
import { MISMATCH } from "./refusals.ts";

/** Older servers count any command as a write, as this one, which also tells the version. Everybody may use it. */
const HELLO: Buffer = encodeRequest("HELLO");
/** Subscribers of patterns do not get it. */
const MESSAGE: Buffer = encodeRequest("SPUBLISH", "__proxy_wait__", "");
/** Its answers come behind those to the two before it. */
const WAIT_REQUEST = 2;

export function handleWait(client: RedisFrontend, command: Command, view: RequestView): boolean {
  if (!client.settleFirst()) return false;
  const { session, pool } = client;
  const { upstreams } = pool.route;
  for (const upstream of upstreams) {
    const refusal = refusalOf(client, upstream);
    if (refusal === null) continue;
    session.onFailure(session.ring.open(), 1, refusal);
    return true;
  }
  const leases = leaseAll(client);
  if (leases === null) {
    const reason = "too many connections of clients that block or are in a transaction";
    client.refuse(
      encodeError(`ERR '${command.name}' cannot have a connection of its own: ${reason}`),
    );
    return true;
  }
  session.waitBlocked();
  const token = session.ring.open();
  const collector = new Collector(upstreams.length * (WAIT_REQUEST + 1), (answers) => {
    for (const lease of leases) {
      client.leases.delete(lease);
      lease.release(answers.every((answer) => Buffer.isBuffer(answer)));
    }
    session.reply(token, leastOf(client, answers));
  });
  for (const [index, lease] of leases.entries()) {
    lease.mayBlock = true;
    client.leases.add(lease);
    const count = leases.length;
    lease.send(HELLO, 0, HELLO.length, collector, index, 1);
    lease.send(MESSAGE, 0, MESSAGE.length, collector, count + index, 1);
    const part = WAIT_REQUEST * count + index;
    lease.send(view.bytes, view.start, view.end, collector, part, 1);
  }
  return true;
}

/** One of each server, or null. */
function leaseAll({ pool, variant }: RedisFrontend): Lease[] | null {
  const leases: Lease[] = [];
  for (const upstream of pool.route.upstreams) {
    const lease = upstream.lease(variant);
    if (lease === null) {
      for (const taken of leases) taken.release(true);
      return null;
    }
    leases.push(lease);
  }
  return leases;
}

/** @param answers to HELLO, to the message, to WAIT */
function leastOf(client: RedisFrontend, answers: readonly Answer[]): Buffer {
  const count = answers.length / (WAIT_REQUEST + 1);
  const waits = answers.filter((_, i) => i >= WAIT_REQUEST * count);
  const fault = firstFault(client, waits);
  if (fault !== null) return fault;
  for (let i = 0; i < count; i++) {
    const message = answers[count + i]!;
    if (!Buffer.isBuffer(message) || !isError(message) || isOld(answers[i]!)) continue;
    const text = message.toString("latin1", 1, message.length - 2);
    return encodeError(`${text} (through this proxy, WAIT needs SPUBLISH)`);
  }
  return mergeReplies("min", waits as readonly Buffer[]) ?? MISMATCH;
}

/** True: a server before 7.2. */
function isOld(hello: Answer): boolean {
  const fields = Buffer.isBuffer(hello) ? decodeReply(hello, 0) : null;
  if (!Array.isArray(fields)) return true;
  const at = fields.findIndex((field) => Buffer.isBuffer(field) && `${field}` === "version");
  const [major = 0, minor = 0] = `${fields[at + 1]}`.split(".").map(Number);
  return major < 7 || (major === 7 && minor < 2);
}

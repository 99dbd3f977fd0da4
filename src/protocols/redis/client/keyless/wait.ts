/**
 * WAIT: how many replicas have what this client wrote. Redis answers for the writes of the connection that asks, and a client's
 * writes go over shared ones, so it is asked over a connection of its own that has just "written" something newer: a
 * message that goes to replicas, changes no data, and reaches no client.
 */
import type { Lease } from "../../../../api/upstream.ts";
import { decodeReply } from "../../codec/decode.ts";
import { encodeError, encodeRequest } from "../../codec/encode.ts";
import { isError, mergeReplies } from "../../codec/merge-replies.ts";
import type { RequestView } from "../../codec/request-view.ts";
import type { Command } from "../../commands/command.ts";
import { firstFault } from "../ask.ts";
import { type Answer, Collector } from "../collector.ts";
import { leaseFrom } from "../lease-from.ts";
import type { RedisClient } from "../redis-client.ts";
import { MISMATCH } from "../refusals.ts";

/** Older servers count any command as a write, as this one, which also tells the version. Every user may use it. */
const HELLO: Buffer = encodeRequest("HELLO");
/** Subscribers of patterns do not get it. */
const MESSAGE: Buffer = encodeRequest("SPUBLISH", "__proxy_wait__", "");
/** Its answers come behind those to the two before it. */
const WAIT_REQUEST = 2;

export function handleWait(client: RedisClient, _command: Command, view: RequestView): boolean {
  if (!client.settleFirst()) return false;
  const leases: Lease[] = [];
  for (const upstream of client.pool.route.upstreams) {
    const lease = leaseFrom(upstream, client);
    if (Buffer.isBuffer(lease)) {
      for (const taken of leases) taken.release(true);
      client.refuse(lease);
      return true;
    }
    leases.push(lease);
  }
  ask(client, leases, view);
  return true;
}

function ask(client: RedisClient, leases: readonly Lease[], view: RequestView): void {
  const { session } = client;
  session.waitBlocked();
  const token = session.open();
  const count = leases.length;
  const lent = new Set(leases);
  client.features.leases = lent;
  const giveBack = (isClean: boolean): void => {
    for (const lease of lent) lease.release(isClean);
    lent.clear();
    client.features.leases = null;
  };
  const collector = new Collector(count * (WAIT_REQUEST + 1), (answers) => {
    giveBack(answers.every((answer) => Buffer.isBuffer(answer)));
    session.reply(token, leastOf(client, answers));
  });
  for (const [index, lease] of leases.entries()) {
    lease.mayBlock = true;
    // The others may have to wait for ever.
    lease.whenLost = (failure) => {
      if (!lent.delete(lease)) return;
      giveBack(false);
      session.onFailure(token, 1, failure);
    };
    lease.send(HELLO, 0, HELLO.length, collector, index, 1);
    lease.send(MESSAGE, 0, MESSAGE.length, collector, count + index, 1);
    const part = WAIT_REQUEST * count + index;
    lease.send(view.bytes, view.start, view.end, collector, part, 1);
  }
}

/** @param answers to HELLO, to the message, to WAIT */
function leastOf(client: RedisClient, answers: readonly Answer[]): Buffer {
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

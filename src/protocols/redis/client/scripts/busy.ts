/**
 * What is asked of servers while a script runs: how it goes, and to end it. The connections that all share may be the
 * ones that wait for the script, so each server is asked over another.
 */
import type { Failure, ReplySink } from "../../../../api/upstream.ts";
import { isError } from "../../codec/merge-replies.ts";
import type { RequestView } from "../../codec/request-view.ts";
import type { Command } from "../../commands/command.ts";
import { refusalOf } from "../ask.ts";
import { type Answer, Collector } from "../collector.ts";
import type { RedisClient } from "../redis-client.ts";

const NOT_BUSY: Buffer = Buffer.from("-NOTBUSY ");
const IDLE = /running_script\r\n(_|\*-1|\$-1)\r\n/;

/** SCRIPT KILL, FUNCTION KILL, FUNCTION STATS: one server's reply is the client's, that of one where a script runs if there is. */
export function askBesides(client: RedisClient, command: Command, view: RequestView): boolean {
  const { pool, session, state } = client;
  const { upstreams } = pool.route;
  const { bytes, start, end } = view;
  // One at a time: a client shall not borrow a connection for each of a thousand.
  if (!client.settleFirst()) return false;
  // SELECT is not answered while a script runs, and does not matter here.
  const held = pool.variants.hold({ ...state, database: 0 }, session.origin);
  const variant = held < 0 ? client.variant : held;
  const token = session.open();
  const collector = new Collector(upstreams.length, (answers) => {
    if (held >= 0) pool.variants.release(held);
    session.reply(token, choose(client, command, answers));
  });
  for (const [part, upstream] of upstreams.entries()) {
    const lease = upstream.lease(variant, session.origin);
    const refusal = lease === null ? (refusalOf(client, upstream) ?? NO_LEASE) : null;
    if (lease === null) {
      collector.onFailure(part, 1, refusal ?? NO_LEASE);
      continue;
    }
    const settle = (isClean: boolean): void => lease.release(isClean);
    const sink: ReplySink = {
      takesRuns: false,
      onReplies: (_token, count, reply, from, to) => {
        collector.onReplies(part, count, reply, from, to);
        settle(true);
      },
      onFailure: (_token, count, failure) => {
        collector.onFailure(part, count, failure);
        settle(false);
      },
    };
    lease.whenReady((failure) => {
      if (failure === null) lease.send(bytes, start, end, sink, 0, 1);
      else sink.onFailure(0, 1, failure);
    });
  }
  return true;
}

const NO_LEASE: Failure = {
  kind: "refused",
  wasSent: false,
  text: "Too many connections are lent to clients already",
};

/** The answer that tells most; of equals the first server's. */
function choose(client: RedisClient, command: Command, answers: readonly Answer[]): Buffer {
  const replies = answers.filter((answer) => Buffer.isBuffer(answer));
  const isIdle = (reply: Buffer): boolean =>
    isError(reply)
      ? reply.subarray(0, NOT_BUSY.length).equals(NOT_BUSY)
      : command.name === "FUNCTION|STATS" && IDLE.test(reply.toString("latin1"));
  const busy = replies.filter((reply) => !isIdle(reply));
  const best = busy.find((reply) => !isError(reply)) ?? busy[0] ?? replies[0];
  return best ?? client.failureReply(answers[0] as Failure);
}

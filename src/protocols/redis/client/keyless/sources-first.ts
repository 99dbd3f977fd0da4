/**
 * Commands about all keys of all servers, while keys move: FLUSHALL, FLUSHDB and KEYS. The servers that keys leave are asked first, and only when
 * these have answered all servers are. So a key that is on its way meanwhile is on a server that is asked later, and is neither passed over
 * nor kept: FLUSHALL takes away the locks, too, so what was read of the old server before is not written to the new one after.
 *
 * Its client waits in between, because what it sends next must not overtake.
 */
import type { MovingKeys } from "../../../../api/protocol-module.ts";
import { encodeError } from "../../codec/encode.ts";
import { elementsOf } from "../../codec/merge-replies.ts";
import type { RequestView } from "../../codec/request-view.ts";
import type { Command } from "../../commands/command.ts";
import { isLock } from "../../migrate/move-commands.ts";
import { firstFault, refusalOf } from "../ask.ts";
import { type Answer, Collector } from "../collector.ts";
import type { RedisClient } from "../redis-client.ts";

const ABOUT_ALL = /^(FLUSHALL|FLUSHDB|KEYS)$/;

/** The first half of a request. */
interface Round {
  /** Of the migration. */
  readonly epoch: number;
  /** Null: some are missing. */
  answers: readonly Answer[] | null;
}

const rounds: WeakMap<RedisClient, Round> = new WeakMap();

/**
 * @returns what the servers have answered that keys leave, none of it an error; "later": not now, see Handler; "refused": its client was told why
 */
export function askSources(
  client: RedisClient,
  { name }: Command,
  view: RequestView,
): readonly Buffer[] | "later" | "refused" {
  const moving = client.pool.gate?.mover.moving ?? null;
  if (moving === null || !ABOUT_ALL.test(name)) return [];
  const round = rounds.get(client);
  if (round?.epoch !== moving.epoch) return begin(client, view, moving);
  if (round.answers === null) {
    client.session.waitForWake();
    return "later";
  }
  rounds.delete(client);
  const fault = firstFault(client, round.answers);
  if (fault === null) return round.answers.filter((answer) => Buffer.isBuffer(answer));
  client.refuse(fault);
  return "refused";
}

function begin(client: RedisClient, view: RequestView, { epoch, sources }: MovingKeys) {
  const { session } = client;
  const servers = [...new Set(sources)];
  const refusal = servers.map((server) => refusalOf(client, server)).find((one) => one !== null);
  if (refusal != null) {
    client.refuse(encodeError(`ERR ${refusal.text}; all servers are needed, none was asked`));
    return "refused";
  }
  const full = servers.map((server) => client.connectionTo(server)).find((one) => one.isFull);
  if (full !== undefined) {
    session.waitFor(full);
    return "later";
  }
  client.flushRun();
  const round: Round = { epoch, answers: null };
  rounds.set(client, round);
  const collector = new Collector(servers.length, (answers) => {
    round.answers = answers;
    client.pool.turn.wake(session);
  });
  session.waitForWake();
  // The request itself is left where it is until it comes again.
  const request = Buffer.from(view.bytes.subarray(view.start, view.end));
  for (const [number, server] of servers.entries()) {
    client.connectionTo(server).send(request, 0, request.length, collector, number, 1);
  }
  return "later";
}

/** One reply of those to KEYS, each key once and no locks; null: they do not fit. */
export function mergeKeys(replies: readonly Buffer[]): Buffer | null {
  const keys = new Map<string, Buffer>();
  for (const reply of replies) {
    const elements = elementsOf(reply);
    if (elements === null) return null;
    for (const element of elements) {
      const key = element.subarray(element.indexOf("\n") + 1, element.length - 2);
      if (!isLock(key)) keys.set(element.toString("latin1"), element);
    }
  }
  return Buffer.concat([Buffer.from(`*${keys.size}\r\n`), ...keys.values()]);
}

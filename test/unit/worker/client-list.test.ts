import { expect, test } from "bun:test";
import type { ClientOrder, ClientQuery, ClientReport } from "../../../src/api/inspection.ts";
import { RUNTIME_SLICES } from "../../../src/base/slices.ts";
import type { Session } from "../../../src/client/session.ts";
import { listClients } from "../../../src/worker/inspection/client-list.ts";

const CLIENTS = 40_000;

/** A client whose figures follow from its number. */
function clientOf(id: number): Session {
  const sent = (id * 7919) % CLIENTS;
  const record = { id, ageMs: id, idleMs: CLIENTS - id, requests: sent, received: id, sent };
  return {
    ...{ ownId: id, record, isOpen: true, owed: id % 3, isSettled: id % 3 === 0, out: { size: 0 } },
    ...{ peer: `10.0.${id % 256}.1:${id}`, unread: { bytes: 0 }, frontend: {} },
    ring: { pending: 0 },
    ...{ life: { takesRequests: true }, move: { isUnderWay: false } },
    intake: { requests: sent, isPausedByOperator: false },
  } as unknown as Session;
}

const sessions = Array.from({ length: CLIENTS }, (_, id) => clientOf(id + 1));
const pools = [
  { name: "a", sessions: sized(sessions.filter((_, at) => at % 2 === 1)) },
  { name: "b", sessions: sized(sessions.filter((_, at) => at % 2 === 0)) },
];

function sized(list: Session[]): Iterable<Session> & { readonly size: number } {
  return { size: list.length, [Symbol.iterator]: () => list[Symbol.iterator]() };
}

async function list(order: ClientOrder, change: Partial<ClientQuery> = {}): Promise<ClientReport> {
  const query = { order, limit: 10, pool: null, address: null, name: null, user: null };
  return await new Promise((resolve) =>
    listClients(RUNTIME_SLICES, pools, 3, { ...query, state: null, ...change }, resolve),
  );
}

test("of tens of thousands the first in each order are found, and described", async () => {
  const byAge = await list("age");
  expect([byAge.total, byAge.matching]).toEqual([CLIENTS, CLIENTS]);
  expect(byAge.rows.map(({ id }) => id)).toEqual(
    Array.from({ length: 10 }, (_, index) => CLIENTS - index),
  );
  expect(byAge.rows[0]).toMatchObject({ pool: "a", worker: 3, state: "waiting" });
  const bySent = (await list("sent", { limit: 500 })).rows.map(({ sent }) => sent);
  expect(bySent).toEqual(Array.from({ length: 500 }, (_, index) => CLIENTS - 1 - index));
});

test("filters are about all clients, not only those that are shown", async () => {
  expect((await list("age", { state: "idle" })).matching).toBe(Math.floor(CLIENTS / 3));
  expect((await list("age", { pool: "b" })).matching).toBe(CLIENTS / 2);
  const { matching, rows } = await list("age", { address: "10.0.7.1:" });
  expect(matching).toBe(sessions.filter((_, at) => (at + 1) % 256 === 7).length);
  expect(rows.every(({ address }) => address.startsWith("10.0.7.1:"))).toBe(true);
  expect(await list("age", { name: "none" })).toMatchObject({ matching: 0, rows: [] });
});

/** Who is connected: `proxy clients`, the same over HTTP, and `proxy kick`. */
import { afterEach, expect, setDefaultTimeout, test } from "bun:test";
import type { ClientReport, ClientRow } from "../../src/api/inspection.ts";
import {
  type OperatorRig,
  reloadWith,
  respClient,
  startOperatorRig,
  textClient,
} from "../support/operator-rig.ts";
import { commandOf, mustRun } from "../support/run-command.ts";
import { stopAll } from "../support/upgrade-rig.ts";

setDefaultTimeout(120_000);
afterEach(stopAll);

async function clientsOf({ proxy }: OperatorRig, ...args: string[]): Promise<ClientReport> {
  return (await mustRun<{ report: ClientReport }>(proxy, "clients", ...args)).report;
}

/** Asks again until the client of this name fits. */
async function rowOf(
  rig: OperatorRig,
  name: string,
  fits: (row: ClientRow) => boolean,
): Promise<ClientRow> {
  for (let tries = 0; tries < 100; tries++) {
    const { rows } = await clientsOf(rig, "--name", name);
    const found = rows.find(fits);
    if (found !== undefined) return found;
  }
  throw new Error(`client ${name} is never as expected`);
}

test("clients of all pools and workers are shown with what was counted of them", async () => {
  const rig = await startOperatorRig(2);
  const worker = await respClient(rig.main);
  await worker.ask("CLIENT", "SETNAME", "busy");
  for (let n = 0; n < 9; n++) await worker.ask("SET", "k", "x".repeat(1000));
  const id = Number((await worker.ask("CLIENT", "ID")).substring(1));
  const blocked = await respClient(rig.main);
  await blocked.ask("CLIENT", "SETNAME", "waits");
  blocked.command(["BLPOP", "nothing", "0"]);
  const text = await textClient(rig.cache);
  await text.ask("set a 0 0 5\r\nhello\r\n");
  const plain = await respClient(rig.plain);
  await plain.ask("PING");

  const busy = await rowOf(rig, "busy", () => true);
  expect(busy).toMatchObject({ id, pool: "main", user: "default", state: "idle", requests: 11 });
  expect(busy).toMatchObject({ pending: 0, owed: 0 });
  expect(busy.received).toBeGreaterThan(9000);
  expect(busy.sent).toBe("+OK\r\n".length * 10 + `:${id}\r\n`.length);
  const waits = await rowOf(rig, "waits", ({ state }) => state === "blocked");
  expect(waits.pending).toBe(1);
  const { total, rows } = await clientsOf(rig, "--sort", "received");
  expect(total).toBe(4);
  expect(rows.map(({ pool }) => pool).toSorted()).toEqual(["cache", "main", "main", "plain"]);
  expect(rows[0]?.name).toBe("busy");
  expect(new Set(rows.map(({ worker: slot }) => slot)).size).toBe(2);
  expect(new Set(rows.map(({ id: one }) => one)).size).toBe(4);
  // The same numbers, asked again.
  const again = await clientsOf(rig, "--sort", "received");
  expect(again.rows.map(({ id: one }) => one)).toEqual(rows.map(({ id: one }) => one));
});

test("filters and the limit hold, over the command line and over HTTP, and what cannot be is refused", async () => {
  const rig = await startOperatorRig(2);
  for (let n = 0; n < 5; n++) await (await respClient(rig.main)).ask("PING");
  const text = await textClient(rig.cache);
  await text.ask("version\r\n");
  const limited = await clientsOf(rig, "--limit", "2");
  expect([limited.total, limited.matching, limited.rows.length]).toEqual([6, 6, 2]);
  const ofPool = await clientsOf(rig, "--pool", "cache");
  expect([ofPool.total, ofPool.matching]).toEqual([6, 1]);
  const [row] = ofPool.rows;
  expect((await clientsOf(rig, "--address", row!.address)).matching).toBe(1);
  const table = await commandOf(rig.proxy, "clients", "--pool", "cache");
  expect(table.output).toContain(row!.address);
  expect(table.output).toContain("1 of 1 that match; 6 clients");
  expect((await commandOf(rig.proxy, "clients", "--sort", "luck")).code).toBe(2);

  const get = async (path: string): Promise<[number, { report?: ClientReport }]> => {
    const response = await fetch(`${rig.admin}${path}`);
    return [response.status, (await response.json()) as { report?: ClientReport }];
  };
  const [status, answer] = await get("/clients?pool=cache&limit=5");
  expect([status, answer.report?.matching]).toEqual([200, 1]);
  for (const query of ["order=luck", "limit=0", "limit=x", "state=x", "pools=main"]) {
    expect([query, (await get(`/clients?${query}`))[0]]).toEqual([query, 400]);
  }
});

test("a client is disconnected by its number or its address, and only that one", async () => {
  const rig = await startOperatorRig(2);
  const clients = [
    await respClient(rig.main),
    await respClient(rig.main),
    await respClient(rig.main),
  ];
  const ids: string[] = [];
  for (const client of clients) ids.push((await client.ask("CLIENT", "ID")).substring(1).trim());
  const { clients: kicked } = await mustRun<{ clients: { id: number }[] }>(
    rig.proxy,
    "kick",
    ids[0]!,
  );
  expect(kicked.map(({ id }) => `${id}`)).toEqual([ids[0]!]);
  await clients[0]!.untilClosed();
  const text = await textClient(rig.cache);
  await text.ask("version\r\n");
  const [row] = (await clientsOf(rig, "--pool", "cache")).rows;
  await mustRun(rig.proxy, "kick", row!.address);
  await text.untilClosed();
  for (const client of clients.slice(1)) expect(await client.ask("PING")).toBe("+PONG\r\n");
  const gone = await commandOf(rig.proxy, "kick", ids[0]!);
  expect([gone.code, gone.errors]).toEqual([1, `proxy: there is no client ${ids[0]}\n`]);
  expect(rig.proxy.stderr()).toContain("a client was disconnected by an operator");
});

test("what was counted of a client goes along to another worker, and so does its number", async () => {
  const rig = await startOperatorRig(1);
  const text = await textClient(rig.cache);
  for (let n = 0; n < 7; n++) await text.ask("version\r\n");
  const before = (await clientsOf(rig, "--pool", "cache")).rows[0]!;
  await reloadWith(rig, 2);
  await text.ask("version\r\n");
  const after = (await clientsOf(rig, "--pool", "cache")).rows[0]!;
  expect([after.id, after.requests]).toEqual([before.id, 8]);
  expect(after.received).toBe(8 * "version\r\n".length);
  expect(after.sent).toBeGreaterThan(before.sent);
  expect(after.ageMs).toBeGreaterThanOrEqual(before.ageMs);
});

test("a worker that does not answer is left out, and the others are shown", async () => {
  const rig = await startOperatorRig(2);
  for (let n = 0; n < 2; n++) await (await respClient(rig.main)).ask("PING");
  const [pid] = rig.proxy.workerPids();
  process.kill(pid!, "SIGSTOP");
  try {
    const { rows } = await clientsOf(rig);
    expect(rows.length).toBe(1);
  } finally {
    process.kill(pid!, "SIGCONT");
  }
});

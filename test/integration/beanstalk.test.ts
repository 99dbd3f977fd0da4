/** beanstalkd behind a module of the user, before real servers: the same words as without, and no job lost on the way. */
import { afterEach, expect, setDefaultTimeout, test } from "bun:test";
import { appendFileSync } from "node:fs";
import { BeanstalkLoad, startBeanstalkd } from "../support/beanstalk.ts";
import { beanstalkPool } from "../support/beanstalk-pool.ts";
import { until } from "../support/echo-proxy.ts";
import { mustRun } from "../support/run-command.ts";
import { TextClient } from "../support/text-client.ts";
import { stopAll, stops, type UpgradeResult } from "../support/upgrade-rig.ts";

setDefaultTimeout(120_000);
afterEach(stopAll);

/** Ids that servers choose, by the order in which they are seen. */
class Ids {
  private readonly seen: string[] = [];

  hide(reply: string): string {
    return reply.replace(
      /^(INSERTED|BURIED|RESERVED|FOUND) (\d+)|^(id:) (\d+)/gm,
      (_, a, b, c, d) => {
        const [word, id] = [a ?? c, b ?? d];
        if (!this.seen.includes(id)) this.seen.push(id);
        return `${word} #${this.seen.indexOf(id)}`;
      },
    );
  }

  show(request: string): string {
    return request.replace(/#(\d+)/g, (_, index) => this.seen[Number(index)] ?? "999");
  }
}

const SCRIPT: readonly string[] = [
  "list-tube-used",
  "list-tubes-watched",
  "use mails",
  "list-tube-used",
  "watch mails",
  "list-tubes-watched",
  "ignore default",
  "ignore mails",
  "list-tubes-watched",
  "reserve-with-timeout 0",
  "put 5 0 60 5\r\nhello",
  "put 9 0 60 0\r\n",
  "put 1 0 60 3\r\na\r\n",
  "peek #0",
  "peek-ready",
  "reserve",
  "touch #2",
  "stats-job #2",
  "release #2 7 0",
  "reserve",
  "delete #0",
  "delete #0",
  "reserve-with-timeout 3",
  "bury #2 3",
  "peek-buried",
  "kick 10",
  "reserve",
  "delete #2",
  "peek-delayed",
  "put 1 30 60 4\r\nlate",
  "peek-delayed",
  "kick-job #3",
  "reserve-job #3",
  "delete #3",
  "delete #1",
  "delete 77",
  "bogus",
  "put 1 2 3",
  "put x 0 60 1",
  "use -no",
  "watch",
  "delete x",
  "stats-tube mails",
  "stats-tube none",
  "pause-tube mails 0",
  "pause-tube none 1",
  "list-tubes",
  // The end of the body is a line of its own.
  "put 1 0 60 1\r\nabc",
  "list-tube-used",
];

/** A reply as text; \`bytes\` of those that have a body. */
async function replyTo(client: TextClient, request: string): Promise<string> {
  client.send(`${request}\r\n`);
  const line = (await client.until("\r\n")).toString("latin1");
  const size = /^(?:(?:RESERVED|FOUND) \d+|OK) (\d+)\r\n$/.exec(line)?.[1];
  if (size === undefined) return line;
  let body = "";
  while (body.length < Number(size) + 2) body += (await client.until("\r\n")).toString("latin1");
  return line + body;
}

async function transcript(client: TextClient): Promise<string[]> {
  const ids = new Ids();
  const lines: string[] = [];
  for (const request of SCRIPT) {
    const reply = ids.hide(await replyTo(client, ids.show(request)));
    // Numbers that the clock or other connections make.
    lines.push(
      `${request} → ${reply.replace(/^((age|time-left|current-using|file|cmd-\S+|current-w\S+)): .*$/gm, "$1").replace(/^OK \d+/, "OK")}`,
    );
  }
  return lines;
}

test.each([1, 3])(
  "a script has the same replies over the proxy, with %d servers",
  async (servers) => {
    const rig = await beanstalkPool(servers);
    const lone = await startBeanstalkd();
    stops.push(() => lone.stop());
    const direct = await TextClient.connect({ host: "127.0.0.1", port: lone.port });
    stops.push(async () => direct.close());
    expect(await transcript(await rig.connect())).toEqual(await transcript(direct));
  },
);

async function statsOf(client: TextClient, name: string): Promise<number> {
  const stats = await replyTo(client, "stats");
  return Number(new RegExp(`^${name}: (\\d+)$`, "m").exec(stats)?.[1] ?? -1);
}

async function untilSum(clients: readonly TextClient[], name: string, sum: number): Promise<void> {
  for (;;) {
    let found = 0;
    for (const client of clients) found += await statsOf(client, name);
    if (found === sum) return;
    await Bun.sleep(10);
  }
}

test("clients that wait for a job, or hold one, move with upgrades and a reload, and no job is lost", async () => {
  const rig = await beanstalkPool(3, 2, "    put: round_robin\n");
  const directs = await Promise.all([0, 1, 2].map((i) => rig.direct(i)));
  const holder = await rig.connect();
  expect(await holder.ask("put 0 0 600 4\r\nheld\r\n")).toStartWith("INSERTED ");
  const [, held] = /^RESERVED (\d+) 4/.exec(await holder.ask("reserve\r\n")) ?? [];
  expect(`${await holder.until("held\r\n")}`).toBe("held\r\n");
  const waiting: TextClient[] = [];
  for (let i = 0; i < 12; i++) {
    const client = await rig.connect();
    expect(await client.ask("watch common\r\n")).toBe("WATCHING 2\r\n");
    client.send("reserve\r\n");
    waiting.push(client);
  }
  const producer = await rig.connect();
  expect(await producer.ask("use common\r\n")).toBe("USING common\r\n");
  const done: string[] = [];
  for (const [round, verb] of ["upgrade", "reload", "upgrade"].entries()) {
    // Each waits at each server.
    await untilSum(directs, "current-waiting", 3 * waiting.length);
    if (verb === "reload") appendFileSync(rig.module, "\nexport const isChanged = true;\n");
    const { crew } = await mustRun<UpgradeResult>(rig.proxy, verb);
    expect(crew).toMatchObject({ moved: waiting.length + 2, left: 0, lost: 0 });
    for (let i = 0; i < 5; i++) {
      const put = `put 0 0 60 3\r\n${round}.${i}\r\n`;
      expect(await producer.ask(put)).toStartWith("INSERTED ");
    }
    const unread = (): TextClient[] => waiting.filter((client) => client.unread.length > 0);
    await until("5 jobs", () => unread().length === 5);
    for (const client of unread()) {
      const [, id] = /^RESERVED (\d+) 3/.exec(`${await client.until("\r\n")}`) ?? [];
      done.push(`${await client.until("\r\n")}`.trim());
      expect(await client.ask(`delete ${id}\r\n`)).toBe("DELETED\r\n");
      client.send("reserve\r\n");
    }
  }
  expect(done.sort()).toEqual(
    [0, 1, 2].flatMap((round) => [0, 1, 2, 3, 4].map((i) => `${round}.${i}`)),
  );
  await untilSum(directs, "current-jobs-ready", 0);
  // It was never given back.
  await untilSum(directs, "current-jobs-reserved", 1);
  expect(await holder.ask(`delete ${held}\r\n`)).toBe("DELETED\r\n");
  // What is held by a client that leaves goes back to its queue.
  const [leaver, heir] = [await rig.connect(), await rig.connect()];
  expect(await leaver.ask("put 0 0 600 4\r\nback\r\n", "\r\n")).toStartWith("INSERTED ");
  for (const client of waiting) client.close();
  await untilSum(directs, "current-waiting", 0);
  expect(await leaver.ask("reserve\r\n")).toStartWith("RESERVED ");
  leaver.close();
  expect(await heir.ask("reserve\r\n")).toStartWith("RESERVED ");
});

test("jobs go through while upgrades follow each other", async () => {
  const rig = await beanstalkPool(2, 2);
  const loads = Array.from({ length: 6 }, (_, i) => new BeanstalkLoad(rig.port, `tube${i}`));
  for (const _ of [0, 1, 2]) {
    const before = loads.map(({ jobs }) => jobs);
    const { crew } = await mustRun<UpgradeResult>(rig.proxy, "upgrade");
    expect(crew).toMatchObject({ moved: loads.length, left: 0, lost: 0 });
    await until("each to go on", () =>
      loads.every((load, i) => load.errors.length > 0 || load.jobs > before[i]!),
    );
  }
  await Promise.all(loads.map((load) => load.stop()));
  expect(loads.flatMap(({ errors }) => errors)).toEqual([]);
});

test("a server that is gone is left out, and clients that wait are served by it when it is back", async () => {
  const rig = await beanstalkPool(2, 1, "    put: round_robin\n");
  const second = rig.servers[1]!;
  const waiting = await rig.connect();
  waiting.send("reserve\r\n");
  const directs = [await rig.direct(0), await rig.direct(1)];
  await untilSum(directs, "current-waiting", 2);
  await second.stop();
  await untilSum([directs[0]!], "current-waiting", 1);
  const producer = await rig.connect();
  const replies: string[] = [];
  for (let i = 0; i < 4; i++) replies.push(await producer.ask("put 0 0 60 1\r\nx\r\n"));
  // Jobs go to the server that is there as soon as it is known that the other one is not.
  expect(replies.at(-1)).toStartWith("INSERTED ");
  expect(`${await waiting.until("x\r\n")}`).toStartWith("RESERVED ");
  const again = await startBeanstalkd(second.port);
  stops.push(() => again.stop());
  // The jobs that the first one has left, and then the wait goes on at both.
  const late = await rig.connect();
  expect(await late.ask("watch late\r\n")).toBe("WATCHING 2\r\n");
  expect(await late.ask("ignore default\r\n")).toBe("WATCHING 1\r\n");
  late.send("reserve\r\n");
  const direct = await TextClient.connect({ host: "127.0.0.1", port: second.port });
  stops.push(async () => direct.close());
  expect(await direct.ask("use late\r\n")).toBe("USING late\r\n");
  expect(await direct.ask("put 0 0 60 4\r\nlate\r\n")).toStartWith("INSERTED ");
  expect(`${await late.until("late\r\n")}`).toStartWith("RESERVED ");
});

/** What of the package jackd is used here. */
interface Jackd {
  connect(to: { readonly host: string; readonly port: number }): Promise<unknown>;
  use(tube: string): Promise<string>;
  watch(tube: string): Promise<number>;
  ignore(tube: string): Promise<number>;
  put(payload: string): Promise<string>;
  reserve(): Promise<{ readonly id: string; readonly payload: Buffer }>;
  release(id: string): Promise<unknown>;
  bury(id: string): Promise<unknown>;
  kickJob(id: string): Promise<unknown>;
  delete(id: string): Promise<unknown>;
  listTubesWatched(): Promise<string>;
  disconnect(): Promise<void>;
}

test("a client that applications use gets its jobs, also the one that it waits for during an upgrade", async () => {
  const pool = await beanstalkPool(3, 2, "    put: round_robin\n");
  // Its types are not those of its exports.
  const name = "jackd";
  const { default: Client } = (await import(name)) as { readonly default: new () => Jackd };
  const connect = async (): Promise<Jackd> => {
    const client = new Client();
    await client.connect({ host: "127.0.0.1", port: pool.port });
    stops.push(() => client.disconnect());
    return client;
  };
  const [producer, consumer] = [await connect(), await connect()];
  expect(await producer.use("pictures")).toBe("pictures");
  expect(await consumer.watch("pictures")).toBe(2);
  expect(await consumer.ignore("default")).toBe(1);
  expect(await consumer.listTubesWatched()).toContain("- pictures");
  const payloads = Array.from({ length: 6 }, (_, i) => `${i}\r\n`.repeat(1 + i * 3000));
  for (const payload of payloads) await producer.put(payload);
  const got: string[] = [];
  for (const [i] of payloads.entries()) {
    const job = await consumer.reserve();
    if (i === 0) {
      await consumer.release(job.id);
    } else if (i === 1) {
      await consumer.bury(job.id);
      await consumer.kickJob(job.id);
    }
    if (i > 1) {
      got.push(job.payload.toString());
      await consumer.delete(job.id);
    }
  }
  for (let i = 0; i < 2; i++) {
    const { id, payload } = await consumer.reserve();
    got.push(payload.toString());
    await consumer.delete(id);
  }
  expect(got.sort()).toEqual(payloads);
  const waited = consumer.reserve();
  const directs = await Promise.all([0, 1, 2].map((i) => pool.direct(i)));
  await untilSum(directs, "current-waiting", 3);
  expect(await mustRun<UpgradeResult>(pool.proxy, "upgrade")).toMatchObject({
    crew: { moved: 2, left: 0, lost: 0 },
  });
  await producer.put("at last");
  const { id, payload } = await waited;
  expect(payload.toString()).toBe("at last");
  await consumer.delete(id);
});

/** Two masters with a replica each and three sentinels, behind two workers: a master is killed, its replica takes over, and it returns. */
import { ClusterLoad } from "../../test/support/cluster-load.ts";
import { freePort } from "../../test/support/free-port.ts";
import { startProxy } from "../../test/support/proxy-process.ts";
import { startSentinels } from "../../test/support/redis-sentinel.ts";
import { ask, Watcher } from "./asked.ts";
import { Beat } from "./beat.ts";
import { markOf, type Row, rowOf, say } from "./report.ts";

const AFTER_MS = 3_000;
const QUIET_MS = 5_000;

export async function measureSentinel(): Promise<readonly Row[]> {
  const group = await startSentinels({ masters: ["one", "two"], replicas: 1 });
  const port = freePort();
  const pool = [
    `listen: 127.0.0.1:${port}`,
    `sentinels: [${group.sentinels.map(({ address }) => address).join(", ")}]`,
    ...["masters: [one, two]", 'hash_tag: "{}"', "timeout: 5s"],
  ];
  const config = ["pools:", "  main:", ...pool.map((line) => `    ${line}`), ""].join("\n");
  const proxy = await startProxy({ config, args: ["--workers", "2"] });
  const rows: Row[] = [];
  const beat = await Beat.start({ port, connections: 16, perSecond: 400, mayLose: true });
  const load = new ClusterLoad({
    ...{ port, clients: 4, pauseMs: 40 },
    ...{ mayFail: true, mayLose: true },
  });
  await load.start();
  beat.take();
  let before = markOf(load);
  await Bun.sleep(QUIET_MS);
  rows.push(rowOf("sentinels: nothing", QUIET_MS, beat.take(), load, before, null));
  const master = await group.master("one");
  const heir = group.servers[1]!;
  const keys = new Set(
    (await keysOf(master)).filter((key) => key.startsWith("beat:")).map((key) => key),
  );
  before = markOf(load);
  const died = performance.now();
  process.kill(master.pid, "SIGKILL");
  let [served, heirServed, agreed] = [0, 0, 0];
  beat.onServed = (key, dueMs) => {
    if (served === 0 && dueMs > died && keys.has(key)) served = performance.now();
  };
  const writes = new Watcher([heir], ["SET", "at:1", "x"], 2, (_, answer) => {
    if (heirServed === 0 && answer === "+OK\r\n") heirServed = performance.now();
  });
  const told = new Set<number>();
  const places = group.sentinels.map((sentinel) => ({ host: "127.0.0.1", port: sentinel.port }));
  const views = new Watcher(
    places,
    ["SENTINEL", "GET-MASTER-ADDR-BY-NAME", "one"],
    5,
    (sentinel, answer) => {
      if (answer?.includes(`\r\n${heir.port}\r\n`) === true) told.add(sentinel.port);
      if (agreed === 0 && told.size === places.length) agreed = performance.now();
    },
  );
  while (served === 0 || agreed === 0) await Bun.sleep(5);
  await Promise.all([writes.stop(), views.stop()]);
  await Bun.sleep(AFTER_MS);
  const ms = performance.now() - died;
  rows.push(rowOf("a master is killed", ms, beat.take(), load, before, null));
  for (const [text, count] of load.errorsSeen) say(`${count}× ${text}`);
  say(
    `the new master served by itself ${(heirServed - died).toFixed(0)} ms after the kill, all sentinels agreed after ` +
      `${(agreed - died).toFixed(0)} ms; served through the proxy ${(served - heirServed).toFixed(0)} ms after the first, ` +
      `${(served - agreed).toFixed(0)} ms after the second`,
  );
  before = markOf(load);
  const again = performance.now();
  const old = await group.restart(master);
  while ((await ask(old, "ROLE"))?.includes("slave") !== true) await Bun.sleep(50);
  await Bun.sleep(AFTER_MS);
  const calm = performance.now() - again;
  rows.push(rowOf("the old master returns", calm, beat.take(), load, before, null));
  await load.stop();
  await beat.stop();
  await proxy.stop();
  await group.stop();
  return rows;
}

async function keysOf(server: { readonly host: string; readonly port: number }): Promise<string[]> {
  return ((await ask(server, "KEYS", "*")) ?? "").split("\r\n");
}

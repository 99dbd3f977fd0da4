/**
 * A thousand clients, and slots that go to and fro between the primaries of a real cluster: how often the nodes are asked, and what memory and
 * descriptors do. In the first part of the time nothing changes, so that what clients alone cost is known.
 */
import { readdirSync } from "node:fs";
import { RespClient } from "../../test/support/resp-client.ts";
import { memoryOf, processTree } from "../proc.ts";
import { ask, callsAt } from "./asked.ts";
import { slotOf } from "./beat.ts";
import { keyOfSlot, primariesOf, startScene } from "./cluster.ts";
import { say } from "./report.ts";

const CLIENTS = 1_000;
const CHANGE_MS = 100;
/** Of the time. */
const QUIET_PART = 0.3;
const STEP_MS = 10_000;
/** Each client asks so often. */
const ASK_MS = 1_000;
const MIB = 1024;

/** @param seconds how long it lasts */
export async function measureCrowd(seconds: number): Promise<void> {
  const { cluster, port, proxy, stop } = await startScene();
  const clients: RespClient[] = [];
  for (let i = 0; i < CLIENTS; i++) {
    clients.push(await RespClient.connect({ host: "127.0.0.1", port }, 60_000));
  }
  const faults: string[] = [];
  let [isOver, asked, changes] = [false, 0, 0];
  const run = async (client: RespClient, i: number): Promise<void> => {
    await Bun.sleep((i * ASK_MS) / CLIENTS);
    for (let round = 0; !isOver; round++) {
      const key = `crowd:${i}:${round % 16}`;
      client.command(["SET", key, `${round}`], ["GET", key]);
      const [set, get] = (await client.replies(2)).map((reply) => `${reply}`);
      const wanted = `$${`${round}`.length}\r\n${round}\r\n`;
      if (set !== "+OK\r\n" || get !== wanted) faults.push(`${key}: ${set} ${get}`);
      asked += 2;
      await Bun.sleep(ASK_MS);
    }
    client.close();
  };
  const running = clients.map(run);
  const [one, two] = (await primariesOf(cluster.nodes)).map((primary) => ({
    ...primary,
    node: cluster.nodes.find((each) => each.port === primary.port)!,
  }));
  // Slots without keys are moved, and asked for afterwards, so that the proxy is told MOVED each time.
  const used = new Set<number>();
  for (let i = 0; i < CLIENTS; i++)
    for (let n = 0; n < 16; n++) used.add(slotOf(`crowd:${i}:${n}`));
  const [first, last] = one!.ranges[0]!;
  const free = Array.from({ length: last - first }, (_, i) => first + i).filter(
    (slot) => !used.has(slot),
  );
  const prober = await RespClient.connect({ host: "127.0.0.1", port });
  const looks = async (): Promise<number[]> => {
    const counts: number[] = [];
    for (const node of cluster.nodes) counts.push(await callsAt(node, "cluster\\|slots"));
    return counts;
  };
  const descriptors = (): number =>
    processTree(proxy.pid).reduce((sum, { pid }) => sum + readdirSync(`/proc/${pid}/fd`).length, 0);
  const start = await looks();
  const startMs = performance.now();
  let before = start;
  let stepMs = startMs;
  let most = 0;
  const change = async (): Promise<void> => {
    const slot = free[changes % 50]!;
    const [from, to] = changes % 100 < 50 ? [one!, two!] : [two!, one!];
    // The target says that it takes it, so that its claim is the newer one.
    for (const [{ node }, ...words] of [
      [to, "IMPORTING", from.id],
      [from, "MIGRATING", to.id],
      [to, "NODE", to.id],
      [from, "NODE", to.id],
    ] as const) {
      const said = await ask(node, "CLUSTER", "SETSLOT", `${slot}`, ...words);
      if (said !== "+OK\r\n") faults.push(`SETSLOT: ${said}`);
    }
    changes++;
    const nothing = await prober.ask("GET", keyOfSlot(slot));
    if (nothing !== "$-1\r\n") faults.push(`GET in slot ${slot}: ${nothing}`);
  };
  while (performance.now() < startMs + seconds * 1000) {
    await Bun.sleep(CHANGE_MS);
    if (performance.now() > startMs + QUIET_PART * seconds * 1000) await change();
    const nowMs = performance.now();
    if (nowMs < stepMs + STEP_MS) continue;
    const now = await looks();
    const perSecond = now.map((count, n) => (count - before[n]!) / ((nowMs - stepMs) / 1000));
    most = Math.max(most, ...perSecond);
    const tree = processTree(proxy.pid);
    const { pssKib } = memoryOf(tree);
    const each = tree.map((process) => (memoryOf([process]).rssKib / MIB).toFixed(0));
    say(
      `${((nowMs - startMs) / 1000).toFixed(0)} s: ${asked} requests, ${changes} changes, ${faults.length} faults; looks per s at each node ` +
        `${perSecond.map((rate) => rate.toFixed(2)).join(" ")}; PSS ${(pssKib / MIB).toFixed(0)} MiB, RSS of each process ` +
        `${each.join(" ")}, ${descriptors()} descriptors`,
    );
    before = now;
    stepMs = nowMs;
  }
  say(`most looks per s at one node ${most.toFixed(2)}; ${faults[0] ?? ""}`);
  prober.close();
  isOver = true;
  await Promise.all(running);
  await stop();
}

/**
 * All that an admin port may be asked, and more than it should be: viewers of the page, each once a second, and readers of `/metrics`,
 * `/stats`, `/events` and the page's history, each again as soon as it has its answer. A line "begin" starts it; "end" stops it, and is
 * answered with a ViewersReport.
 */
import { createInterface } from "node:readline";
import { percentile } from "../statistics.ts";

export interface ViewersOrder {
  readonly port: number;
  /** Of the page: each asks once a second. */
  readonly viewers: number;
  /** Of everything else: each asks without a pause. */
  readonly readers: number;
}

export interface ViewersReport {
  readonly answers: number;
  /** Refused, cut, or no success. */
  readonly failures: number;
  readonly bytes: number;
  /** Of the viewers' answers, milliseconds; 0: there were none. */
  readonly viewersP99: number;
}

const READ = ["/metrics", "/stats", "/events", "/overview?history", "/page", "/ready"];
const EACH_MS = 1_000;
const RETRY_MS = 20;

const order = JSON.parse(process.argv[2] ?? "{}") as ViewersOrder;
let isOn = false;
let round = 0;
let [answers, failures, bytes] = [0, 0, 0];
let times: number[] = [];

/** @returns whether it was a success */
function ask(path: string): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<boolean>();
  let isGood = false;
  let isFirst = true;
  Bun.connect({
    ...{ hostname: "127.0.0.1", port: order.port },
    socket: {
      open: (socket) => void socket.write(`GET ${path} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n`),
      data(_, chunk) {
        if (isFirst) isGood = chunk.subarray(0, 12).toString("latin1") === "HTTP/1.1 200";
        isFirst = false;
        bytes += chunk.length;
      },
      end: (socket) => void socket.end(),
      close: () => resolve(isGood),
      error: () => resolve(false),
    },
  }).catch(() => resolve(false));
  return promise;
}

async function counted(path: string): Promise<void> {
  const isGood = await ask(path);
  if (isGood) answers += 1;
  else {
    failures += 1;
    await Bun.sleep(RETRY_MS);
  }
}

async function view(index: number, own: number): Promise<void> {
  await Bun.sleep((index * EACH_MS) / order.viewers);
  while (isOn && own === round) {
    const startedMs = performance.now();
    await counted("/overview");
    const tookMs = performance.now() - startedMs;
    times.push(tookMs);
    await Bun.sleep(Math.max(0, EACH_MS - tookMs));
  }
}

async function read(index: number, own: number): Promise<void> {
  while (isOn && own === round) await counted(READ[index % READ.length]!);
}

for await (const line of createInterface({ input: process.stdin })) {
  if (line === "begin") {
    isOn = true;
    round += 1;
    [answers, failures, bytes] = [0, 0, 0];
    times = [];
    for (let index = 0; index < order.viewers; index += 1) void view(index, round);
    for (let index = 0; index < order.readers; index += 1) void read(index, round);
  } else {
    isOn = false;
    const sorted = times.sort((a, b) => a - b);
    const viewersP99 = sorted.length === 0 ? 0 : percentile(sorted, 0.99);
    const report: ViewersReport = { answers, failures, bytes, viewersP99 };
    process.stdout.write(`${JSON.stringify(report)}\n`);
  }
}
process.exit(0);

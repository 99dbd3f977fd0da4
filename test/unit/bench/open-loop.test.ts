/** The open-loop load generator against servers that answer, stall, complain and hang up. */
import { afterAll, afterEach, beforeAll, describe, expect, test } from "bun:test";
import { stopAll } from "../../../bench/children.ts";
import { Generator } from "../../../bench/generator.ts";
import { LatencyHistogram } from "../../../bench/latency-histogram.ts";
import type { SliceOrder, SliceReport } from "../../../bench/load/open-loop.ts";

const VALUE_BYTES = 100;
const VALUE = `$${VALUE_BYTES}\r\n${"x".repeat(VALUE_BYTES)}\r\n`;
const REQUEST_BYTES = "*2\r\n$3\r\nGET\r\n$16\r\nkey:000000000000\r\n".length;

type Answer = (requests: number) => string;
/** What the server says to so many requests; what it holds back goes out with the next answer. */
let answer: Answer = (requests) => VALUE.repeat(requests);
let hangUpAfter = Number.POSITIVE_INFINITY;
let requestsSeen = 0;

interface Peer {
  partBytes: number;
}

const server = Bun.listen<Peer>({
  hostname: "127.0.0.1",
  port: 0,
  socket: {
    open(socket) {
      socket.data = { partBytes: 0 };
    },
    data(socket, chunk) {
      const bytes = socket.data.partBytes + chunk.length;
      const requests = Math.floor(bytes / REQUEST_BYTES);
      socket.data.partBytes = bytes % REQUEST_BYTES;
      requestsSeen += requests;
      if (requestsSeen >= hangUpAfter) {
        hangUpAfter = Number.POSITIVE_INFINITY;
        socket.end();
        return;
      }
      if (requests > 0) socket.write(answer(requests));
    },
  },
});

let generator: Generator;

beforeAll(() => {
  generator = new Generator({ connections: 4, valueBytes: VALUE_BYTES });
});

afterEach(() => {
  answer = (requests) => VALUE.repeat(requests);
  requestsSeen = 0;
});

afterAll(async () => {
  await generator.end();
  server.stop(true);
  await stopAll();
});

function slice(part: Partial<SliceOrder>): Promise<SliceReport> {
  return generator.slice(
    {
      ...{ ports: [server.port], requestsPerSecond: 1_000, warmUpSeconds: 0.1, seconds: 0.5 },
      ...{ windows: 5, groups: [{ connections: 4, keys: [0, 1, 2] }], isBadDay: false },
      ...part,
    },
    "test",
  );
}

function countOf(report: SliceReport): number {
  return report.groups[0]!.reduce(
    (sum, { latency }) => sum + LatencyHistogram.from(latency).count,
    0,
  );
}

describe("open loop", () => {
  test("sends what is due, and measures all but the warm-up", async () => {
    const report = await slice({});
    expect([report.sent, report.answered, requestsSeen]).toEqual([600, 600, 600]);
    expect(countOf(report)).toBe(500);
  });

  test("a stall shows in every request that was due while it lasted", async () => {
    const stallMs = 200;
    let hasStalled = false;
    answer = (requests) => {
      // This process serves all connections: none of them is read meanwhile.
      if (!hasStalled && requestsSeen > 300) {
        hasStalled = true;
        Bun.sleepSync(stallMs);
      }
      return VALUE.repeat(requests);
    };
    const report = await slice({ windows: 1 });
    const latency = LatencyHistogram.from(report.groups[0]![0]!.latency);
    // 200 of the 500 measured ones were due in those 200 ms, evenly spread: half of them waited 100 ms or longer.
    expect(latency.percentileMicros(0.85)).toBeGreaterThan(90_000);
    expect(latency.maxMicros).toBeGreaterThan(stallMs * 900);
  });

  test("closed loop: a connection asks when it has its answer", async () => {
    const report = await slice({ requestsPerSecond: null, windows: 1 });
    expect(report.sent).toBe(report.answered);
    expect(report.sent).toBeGreaterThan(100);
  });

  test("replies cut at any byte are told apart, errors and nil too", async () => {
    const replies = ["$-1\r\n", "-ERR no\r\n", VALUE];
    let turn = 0;
    answer = (requests) =>
      Array.from({ length: requests }, () => replies[turn++ % replies.length]!).join("");
    const report = await slice({ isBadDay: true, windows: 1 });
    expect(report.answered).toBe(600);
    const { errors, lost } = report.groups[0]![0]!;
    expect([errors + countOf(report), lost]).toEqual([500, 0]);
    expect(errors).toBeGreaterThan(300);
  });

  test("on a bad day a closed connection is counted and opened again", async () => {
    hangUpAfter = 300;
    const report = await slice({ isBadDay: true });
    expect(report.cut).toBe(1);
    const lost = report.groups[0]!.reduce((sum, window) => sum + window.lost, 0);
    expect(lost).toBeGreaterThan(0);
    expect(countOf(report) + lost).toBe(500);
  });
});

test.each(["-ERR no\r\n", "$-1\r\n", ":1\r\n"])(
  "%j ends a run that is no bad day",
  async (reply) => {
    answer = (requests) => reply.repeat(requests);
    const other = new Generator({ connections: 1, valueBytes: VALUE_BYTES });
    const order: SliceOrder = {
      ...{ ports: [server.port], requestsPerSecond: 100, warmUpSeconds: 0, seconds: 0.2 },
      ...{ windows: 1, groups: [{ connections: 1, keys: [0] }], isBadDay: false },
    };
    await expect(other.slice(order, "it")).rejects.toThrow("it: not a value");
  },
);

/**
 * What it costs to observe: all that is done for the requests that a client sends at once, from their arrival until their replies are
 * written, beside serving them. One iteration is one such piece of 1, 16 or 64 requests: divide by that.
 */

import { FAMILY, FAMILY_NAMES } from "../../src/api/latency.ts";
import type { MetricBlock } from "../../src/api/metrics.ts";
import { ClientTimes } from "../../src/client/client-times.ts";
import { type KeyOptions, PoolKeys } from "../../src/client/pool-keys.ts";
import { RequestTape } from "../../src/client/request-tape.ts";
import { RequestTrace } from "../../src/client/request-trace.ts";
import { type SlowOptions, SlowRequests } from "../../src/client/slow-requests.ts";
import { Stamps } from "../../src/client/stamps.ts";
import { BUCKETS } from "../../src/metrics/histogram.ts";
import { ServerTimes } from "../../src/server/server-times.ts";
import type { MicroBenchmark } from "./micro-benchmark.ts";

const TOKENS = 2 ** 30;
const REPLY_BYTES = 108;
const REQUEST = "*2\r\n$3\r\nGET\r\n$16\r\nkey:000000000000\r\n";
const DEPTHS = [1, 16, 64];
const OFF = { slowlogMs: null, hotKeys: false, bigKeysBytes: null };
const ON = {
  ...{ slowlogMs: 10, slowlogSlowest: 10, hotKeys: true, hotKeysSamples: 100 },
  ...{ bigKeysBytes: 64 * 1024, bigKeysElements: 5000 },
};

export const benchmarks: readonly MicroBenchmark[] = DEPTHS.flatMap((depth) => [
  piece(`observe: histograms, pieces of ${depth}`, OFF, depth),
  piece(`observe: histograms, slow log, keys, pieces of ${depth}`, ON, depth),
]);

function piece(
  name: string,
  wanted: Omit<SlowOptions & KeyOptions, "name">,
  depth: number,
): MicroBenchmark {
  const requests = Buffer.from(REQUEST.repeat(depth), "latin1");
  const replies = Buffer.alloc(REPLY_BYTES * depth);
  return {
    name,
    run: (iterations) => {
      const turn = { nowMs: performance.now() };
      const options = { name: "main", ...wanted };
      const tape = new RequestTape();
      const describe = () => ({ command: "GET", keys: [requests.subarray(18, 34)], bytes: 36 });
      const schedule = () => () => {};
      const told = { ...{ options, tape, schedule, describe }, tell() {} };
      const slow = new SlowRequests({ ...told, hasRoom: () => true });
      const random = Math.random;
      const keys = new PoolKeys({ ...told, turn, random, replyReader: null, serverOf: () => "a" });
      const sizes = { requestBytes: block(), replyBytes: block(), pipelineDepth: block() };
      const times = new ClientTimes({ totalUs: FAMILY_NAMES.map(block), ...sizes }, slow, keys);
      const server = new ServerTimes("a", block(), block(), slow);
      const stamps = new Stamps(times);
      const client = { id: 1, peer: "127.0.0.1:1", trace: new RequestTrace() };
      let token = 0;
      for (let n = 0; n < iterations; n++) {
        // The turn in which they come reads the clock in any case.
        turn.nowMs += 0.01;
        stamps.arrivedAt(turn.nowMs, token);
        stamps.areOf(FAMILY.read, token);
        times.taken(depth, requests.length, depth);
        if (times.needsTape) {
          const position = tape.put(requests, 0, requests.length);
          client.trace.add(token, depth, position, requests.length, true);
        }
        keys.taken(client, token, depth, requests, 0, requests.length);
        server.sent(performance.now() > 0 ? 0.01 : 0, depth);
        server.answered(0.2 + (n & 127) / 1000, depth);
        keys.replied(client, token, depth, replies, 0, replies.length);
        stamps.replied(depth, replies.length);
        token = (token + depth) % TOKENS;
        turn.nowMs += 0.2;
        stamps.measure(token, performance.now() > 0 ? turn.nowMs : 0);
      }
      return sizes.requestBytes.values[0]!;
    },
  };
}

function block(): MetricBlock {
  return { values: new Float64Array(BUCKETS + 1), base: 0 };
}

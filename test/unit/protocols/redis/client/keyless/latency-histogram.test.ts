import { expect, test } from "bun:test";
import { mergeHistograms } from "../../../../../../src/protocols/redis/client/keyless/latency-histogram.ts";
import { decodeReply } from "../../../../../../src/protocols/redis/codec/decode.ts";
import { encodeValue, type Value } from "../../../../../../src/protocols/redis/codec/encode.ts";

type Counts = readonly (readonly [us: number, count: number])[];

function reply(
  commands: Readonly<Record<string, readonly [calls: number, below: Counts]>>,
  version: 2 | 3 = 2,
): Buffer {
  const pairs = Object.entries(commands).map(([name, [calls, below]]): [Value, Value] => [
    name,
    {
      mapOf: [
        ["calls", calls],
        ["histogram_usec", { mapOf: [...below] }],
      ],
    },
  ]);
  return encodeValue({ mapOf: pairs }, version);
}

test("calls are added up, and so are the requests below each bound of any server", () => {
  for (const version of [2, 3] as const) {
    const merged = mergeHistograms(
      [
        reply(
          {
            get: [
              10,
              [
                [1, 4],
                [4, 9],
                [16, 10],
              ],
            ],
            set: [2, [[2, 2]]],
          },
          version,
        ),
        reply(
          {
            get: [
              5,
              [
                [2, 3],
                [33, 5],
              ],
            ],
          },
          version,
        ),
        reply({}, version),
      ],
      version,
    );
    const expected = reply(
      {
        get: [
          15,
          [
            [1, 4],
            [2, 7],
            [4, 12],
            [16, 13],
            [33, 15],
          ],
        ],
        set: [2, [[2, 2]]],
      },
      version,
    );
    expect(`${merged}`).toBe(`${expected}`);
  }
});

test("what is no such reply is none", () => {
  expect(mergeHistograms([Buffer.from("+OK\r\n")], 2)).toBeNull();
  expect(mergeHistograms([encodeValue(["get"], 2)], 2)).toBeNull();
  expect(mergeHistograms([encodeValue(["get", ["calls", 1]], 2)], 2)).toBeNull();
  expect(decodeReply(mergeHistograms([encodeValue([], 2)], 2)!, 0)).toEqual([]);
});

/** `mget_errors: element`: what is wrong with one server is told in place of its keys' values. */
import { expect, test } from "bun:test";
import fc from "fast-check";
import type { Failure } from "../../../../../../src/api/upstream.ts";
import { answerTo, createRig, serverOf } from "../../../../client/session-rig.ts";

const SERVERS = 3;
const AWAY: Failure = { kind: "refused", wasSent: false, text: "away" };

/** The element for `key`, when all `keys` are asked for. */
function elementOf(key: string, keys: readonly string[], away: readonly boolean[]): string {
  const server = serverOf(key, SERVERS);
  if (away[server]!) return "-ERR away\r\n";
  const part = keys.filter((each) => serverOf(each, SERVERS) === server);
  const reply = answerTo(["MGET", ...part], server);
  if (reply === null) return `-ERR lost ${server}\r\n`;
  return reply.startsWith("-") ? reply : answerTo(["GET", key], server)!;
}

const key = fc
  .tuple(fc.constantFrom("v", "v", "v", "n", "f", "e"), fc.integer({ min: 0, max: 9 }))
  .map(([kind, digit]) => `${kind}${digit}`);

test("every key gets its value or its own error", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.array(key, { minLength: 1, maxLength: 9 }), { minLength: 1, maxLength: 9 }),
      fc.array(fc.boolean(), { minLength: SERVERS, maxLength: SERVERS }),
      async (requests, away) => {
        const rig = createRig({ servers: SERVERS, mgetErrors: "element" });
        for (const [server, isAway] of away.entries()) {
          if (isAway) rig.connections[server]!.refusal = AWAY;
        }
        for (const keys of requests) rig.ask("MGET", ...keys);
        await rig.settle();
        const expected = requests.map(
          (keys) =>
            `*${keys.length}\r\n${keys.map((each) => elementOf(each, keys, away)).join("")}`,
        );
        expect(rig.stream.output).toBe(expected.join(""));
        expect(rig.session.isIdle).toBe(true);
      },
    ),
    { numRuns: 200 },
  );
});

test("other commands fail as a whole", async () => {
  const rig = createRig({ servers: SERVERS, mgetErrors: "element" });
  rig.connections[1]!.refusal = AWAY;
  rig.ask("DEL", "v0", "v1");
  rig.ask("MSET", "v1", "a", "v2", "b");
  await rig.settle();
  expect(rig.stream.output).toBe("-ERR away\r\n-ERR away\r\n");
});

/** One connection under everything that can happen to it, in any order. */
import { expect, test } from "bun:test";
import fc from "fast-check";
import { SERVER } from "../../../src/api/stats.ts";
import { answersTo, createConnectionRig, type FakeSocket, RecordingSink } from "./upstream-rig.ts";

type Event =
  | { readonly kind: "get"; readonly count: number; readonly sink: number }
  | { readonly kind: "says"; readonly bytes: number }
  | { readonly kind: "room"; readonly bytes: number }
  | { readonly kind: "hangsUp" | "turn" }
  | { readonly kind: "clock"; readonly ms: number };

const event: fc.Arbitrary<Event> = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.record({
      kind: fc.constant("get" as const),
      count: fc.integer({ min: 1, max: 5 }),
      sink: fc.integer({ min: 0, max: 2 }),
    }),
  },
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constant("says" as const),
      bytes: fc.integer({ min: 1, max: 80 }),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant("room" as const),
      bytes: fc.constantFrom(0, 10, 500, 1e9),
    }),
  },
  { weight: 1, arbitrary: fc.constant({ kind: "hangsUp" as const }) },
  { weight: 4, arbitrary: fc.constant({ kind: "turn" as const }) },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant("clock" as const),
      ms: fc.integer({ min: 1, max: 60 }),
    }),
  },
);

test("every request gets its own reply or one failure, whatever happens on the way", async () => {
  let replied = 0;
  let failed = 0;
  await fc.assert(
    fc.asyncProperty(
      fc.array(event, { maxLength: 80, size: "max" }),
      fc.boolean(),
      async (events, isStable) => {
        const rig = createConnectionRig();
        const sinks = [new RecordingSink(), new RecordingSink(), new RecordingSink()];
        const owner: (number | null)[] = [];
        let socket = null as FakeSocket | null;
        let opened = 0;
        let said = 0;
        let clockMs = 1000;
        // What this server will have said once it has answered everything that it received.
        const answers = (): string => answersTo(socket?.received ?? "", (_, key) => key).join("");
        const open = async (): Promise<void> => {
          if (rig.attempts.length === opened) return;
          opened = rig.attempts.length;
          socket = await rig.opened();
          socket.isReceivedStable = isStable;
          said = 0;
        };
        for (const each of events) {
          if (each.kind === "get" && rig.connection.refusal === null) {
            // Sometimes a token in between belongs to nobody here: to another server, say.
            if (each.count % 2 === 0) owner.push(null);
            const first = owner.length;
            for (let i = 0; i < each.count; i++) owner.push(each.sink);
            const ids = owner.map((_, id) => id).filter((id) => id >= first);
            const request = ids.map(
              (id) => `*2\r\n$3\r\nGET\r\n$6\r\n${String(id).padStart(6, "0")}\r\n`,
            );
            const bytes = Buffer.from(request.join(""));
            rig.connection.send(bytes, 0, bytes.length, sinks[each.sink]!, first, each.count);
            await open();
          } else if (each.kind === "says" && socket !== null) {
            await rig.endTurn();
            const now = answers().substring(said, said + each.bytes);
            said += now.length;
            if (now !== "" && !socket.isClosed) socket.says(now);
          } else if (each.kind === "room" && socket !== null) {
            socket.room = each.bytes;
            if (!socket.isClosed) rig.connection.onDrain();
          } else if (each.kind === "hangsUp") {
            socket?.hangsUp();
            socket = null;
          } else if (each.kind === "turn") {
            await rig.endTurn();
          } else if (each.kind === "clock") {
            clockMs += each.ms;
            rig.turn.atMs = clockMs;
            rig.deadlines.reach(clockMs);
            if (rig.connection.refusal !== null) {
              rig.timers.at(-1)!.callback();
              await open();
            }
          }
        }
        const failure = { kind: "stopping", wasSent: false, text: "" } as const;
        rig.connection.close(failure, failure);
        for (const [id, sink] of owner.entries()) {
          if (sink === null) continue;
          const what = sinks[sink]!.settled.get(id);
          expect(what).toBeDefined();
          if (what!.startsWith("$")) expect(what).toBe(`$6\r\n${String(id).padStart(6, "0")}\r\n`);
        }
        expect(sinks.flatMap(({ changed }) => changed)).toEqual([]);
        const settled = sinks.reduce((sum, sink) => sum + sink.settled.size, 0);
        expect(settled).toBe(owner.filter((sink) => sink !== null).length);
        replied += sinks.reduce((sum, sink) => sum + sink.settled.size - sink.failures.size, 0);
        failed += sinks.reduce((sum, sink) => sum + sink.failures.size, 0);
        expect(rig.counters[SERVER.server_connections]).toBe(0);
      },
    ),
    { numRuns: 300 },
  );
  // The dice must not leave either out.
  expect(replied).toBeGreaterThan(500);
  expect(failed).toBeGreaterThan(500);
});

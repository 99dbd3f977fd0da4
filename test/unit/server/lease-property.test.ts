/** Leases in many hands, under everything that can happen to them, in any order. */

import { expect, test } from "bun:test";
import fc from "fast-check";
import { SERVER } from "../../../src/api/stats.ts";
import { connectionKind, type Lease } from "../../../src/api/upstream.ts";
import { answer, ask, createLeaseRig } from "./lease-rig.ts";
import { type FakeSocket, RecordingSink } from "./upstream-rig.ts";

/** Who has a lease, and what it has heard. */
interface Holder {
  readonly lease: Lease;
  readonly sink: RecordingSink;
  /** Tokens of its requests. */
  readonly asked: number[];
  losses: number;
  hasReturned: boolean;
}

type Event =
  | { readonly kind: "lease"; readonly variant: number }
  | { readonly kind: "ask" | "block"; readonly holder: number }
  | { readonly kind: "release"; readonly holder: number; readonly isClean: boolean }
  | { readonly kind: "leave"; readonly holder: number }
  | { readonly kind: "says"; readonly socket: number; readonly bytes: number }
  | { readonly kind: "hangsUp"; readonly socket: number }
  | { readonly kind: "open" | "refuse" | "turn" | "adopt" | "takeDown" }
  | { readonly kind: "clock"; readonly ms: number };

const index = fc.nat({ max: 5 });
const just = <Kind extends string>(kind: Kind) => fc.record({ kind: fc.constant(kind) });
const event: fc.Arbitrary<Event> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constant("lease" as const),
      variant: fc.constantFrom(0, 0, 0, 1),
    }),
  },
  { weight: 8, arbitrary: fc.record({ kind: fc.constant("ask" as const), holder: index }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("block" as const), holder: index }) },
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant("release" as const),
      holder: index,
      isClean: fc.boolean(),
    }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("leave" as const), holder: index }) },
  {
    weight: 10,
    arbitrary: fc.record({
      kind: fc.constant("says" as const),
      socket: index,
      bytes: fc.integer({ min: 1, max: 40 }),
    }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("hangsUp" as const), socket: index }) },
  { weight: 6, arbitrary: just("open" as const) },
  { weight: 1, arbitrary: just("refuse" as const) },
  { weight: 8, arbitrary: just("turn" as const) },
  { weight: 1, arbitrary: just("adopt" as const) },
  { weight: 1, arbitrary: just("takeDown" as const) },
  {
    weight: 3,
    arbitrary: fc.record({ kind: fc.constant("clock" as const), ms: fc.constantFrom(5, 60, 2000) }),
  },
);

/** A server's side of a connection: it answers what it has received. */
class Answering {
  private said = 0;
  readonly socket: FakeSocket;
  private readonly owed: string;

  /**
   * @param owed what it was asked by another process
   * @param isStable see FakeSocket.isReceivedStable
   */
  constructor(socket: FakeSocket, owed: string, isStable: boolean) {
    this.socket = socket;
    socket.isReceivedStable = isStable;
    this.owed = owed;
  }

  says(bytes: number): void {
    const { socket } = this;
    const asked = socket.received.matchAll(/GET\r\n\$6\r\n(\d{6})\r\n/g);
    const answers = this.owed + [...asked].map(([, id]) => answer(Number(id))).join("");
    const now = answers.substring(this.said, this.said + bytes);
    this.said += now.length;
    if (now !== "" && !socket.isClosed && !socket.isDetached) socket.says(now);
  }
}

test("every holder gets its own replies or one failure each, and nothing that was another's", async () => {
  const seen = { replies: 0, failures: 0, losses: 0, reused: 0 };
  await fc.assert(
    fc.asyncProperty(
      fc.array(event, { maxLength: 120, size: "max" }),
      fc.boolean(),
      async (events, isStable) => {
        const rig = createLeaseRig();
        const holders: Holder[] = [];
        const sockets: Answering[] = [];
        const leases = new Set<Lease>();
        let tokens = 0;
        let attempts = 0;
        let adoptions = 0;
        const owed: string[] = [];
        const stop = { kind: "stopping", wasSent: false, text: "" } as const;

        const hold = (lease: Lease): Holder => {
          if (leases.has(lease)) seen.reused++;
          leases.add(lease);
          const holder: Holder = {
            ...{ lease, sink: new RecordingSink(), asked: [], losses: 0, hasReturned: false },
          };
          lease.whenLost = () => {
            holder.losses++;
            // Its requests have heard before it does.
            expect(holder.asked.filter((token) => !holder.sink.settled.has(token))).toEqual([]);
          };
          holders.push(holder);
          return holder;
        };
        const act = async (each: Event): Promise<void> => {
          if (each.kind === "lease") {
            const lease = rig.pool.lease(connectionKind(each.variant), "10.0.0.1");
            if (lease !== null) hold(lease).lease.whenReady(() => {});
          } else if (each.kind === "adopt") {
            const holder = hold(rig.pool.adopt(41, connectionKind(0), "10.0.0.1"));
            holder.asked.push(++tokens);
            holder.lease.mayBlock = true;
            holder.lease.expect(holder.sink, tokens);
            owed.push(answer(tokens));
          } else if ("holder" in each) {
            const holder = holders.at(-1 - each.holder);
            if (holder === undefined || holder.hasReturned) return;
            actOn(holder, each);
          } else if ("socket" in each) {
            const answering = sockets.at(-1 - each.socket);
            if (each.kind === "says") answering?.says(each.bytes);
            else if (answering?.socket.isDetached === false) answering.socket.hangsUp();
          } else if (each.kind === "open" || each.kind === "refuse") {
            await connect(each.kind === "open");
          } else if (each.kind === "clock") {
            rig.turn.atMs += each.ms;
            rig.deadlines.reach(rig.turn.atMs);
          } else if (each.kind === "takeDown") {
            rig.pool.takeDown(stop, stop);
          } else await rig.endTurn();
        };
        const actOn = (holder: Holder, each: Event & { readonly holder: number }): void => {
          const { lease } = holder;
          if (each.kind === "release") {
            holder.hasReturned = true;
            lease.release(each.isClean);
          } else if (each.kind === "leave") {
            if (!lease.isMovable) return;
            holder.hasReturned = true;
            lease.leave();
          } else if (lease.refusal === null) {
            lease.mayBlock = each.kind === "block";
            holder.asked.push(++tokens);
            ask(lease, holder.sink, tokens);
          }
        };
        const connect = async (isUp: boolean): Promise<void> => {
          const attempt = rig.attempts[attempts];
          if (attempt !== undefined) {
            attempts++;
            if (attempt.isAbandoned) return;
            if (isUp) sockets.push(new Answering(attempt.opens(), "", isStable));
            else attempt.events.onError("ECONNREFUSED");
          } else if (adoptions < rig.adoptions.length) {
            const socket = rig.adoptions[adoptions]!.opens();
            if (socket !== null) sockets.push(new Answering(socket, owed[adoptions]!, isStable));
            adoptions++;
          }
          await rig.endTurn();
        };

        for (const each of events) await act(each);
        rig.pool.takeDown(stop, stop);
        for (const { sink, asked, losses, hasReturned } of holders) {
          expect(losses).toBeLessThanOrEqual(1);
          if (!hasReturned) expect([...sink.settled.keys()].sort()).toEqual([...asked].sort());
          for (const [token, what] of sink.settled) {
            expect(asked).toContain(token);
            if (what.startsWith("$")) expect(what).toBe(answer(token));
          }
          seen.losses += losses;
          seen.failures += sink.failures.size;
          expect(sink.changed).toEqual([]);
          seen.replies += sink.settled.size - sink.failures.size;
        }
        const { counters, limit, timers } = rig;
        expect(
          [SERVER.server_connections, SERVER.in_queue, SERVER.out_queue].map((at) => counters[at]),
        ).toEqual([0, 0, 0]);
        expect([limit.lent, rig.pool.pendingCount]).toEqual([0, 0]);
        expect(timers.every(({ isCancelled }) => isCancelled)).toBe(true);
      },
    ),
    { numRuns: 400 },
  );
  // The dice must leave nothing out.
  expect(Math.min(...Object.values(seen))).toBeGreaterThan(15);
});

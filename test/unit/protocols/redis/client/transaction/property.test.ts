/** Transactions among other commands, under everything that can happen to their connections, in any order. */
import { expect, test } from "bun:test";
import fc from "fast-check";
import { multibulk, serverOf } from "../../../../client/session-rig.ts";
import { createRig as createShardRig } from "../../../../dev/shard-rig.ts";
import { createTransactionRig, settleAll, type TransactionRig } from "./rig.ts";

const SERVERS = 2;

/** What clients may send, with keys on either server. */
const key = fc.constantFrom("a0", "b0", "a1", "b1");
const keyed = fc.oneof(
  key.map((each) => ["INCR", each]),
  key.map((each) => ["GET", each]),
  fc.tuple(key, key).map(([one, other]) => ["RENAME", one, other]),
  fc.constantFrom(["GET"], ["NOSUCH"], ["PING"], ["ECHO", "e"], ["CLIENT", "GETNAME"]),
);
const control = fc.oneof(
  fc.constantFrom(["MULTI"], ["EXEC"], ["DISCARD"], ["UNWATCH"], ["EXEC", "extra"]),
  key.map((each) => ["WATCH", each]),
);
const whole = fc
  .tuple(fc.array(keyed, { maxLength: 4 }), fc.constantFrom("EXEC", "EXEC", "DISCARD"))
  .map(([inner, end]) => [["MULTI"], ...inner, [end]]);
const onOneServer = fc
  .tuple(fc.constantFrom("0", "1"), fc.array(fc.constantFrom("INCR", "GET"), { maxLength: 4 }))
  .map(([server, names]) => [["MULTI"], ...names.map((name) => [name, `a${server}`]), ["EXEC"]]);
const requests: fc.Arbitrary<(readonly string[])[]> = fc
  .array(
    fc.oneof(
      { weight: 3, arbitrary: keyed.map((each) => [each]) },
      { weight: 2, arbitrary: control.map((each) => [each]) },
      { weight: 2, arbitrary: whole },
      { weight: 3, arbitrary: onOneServer },
    ),
    { minLength: 1, maxLength: 16, size: "max" },
  )
  .map((blocks) => blocks.flat());

/** One Redis, with the proxy's rule that a transaction is on one server. */
class Model {
  private readonly rig = createShardRig();
  private isOpen = false;
  private server: number | null = null;

  constructor() {
    this.rig.shard.clients.add(this.rig.client);
  }

  ask(args: readonly string[]): string {
    const [name = ""] = args;
    if (name === "EXEC" && args.length > 1) {
      this.forget();
      this.rig.ask("DISCARD");
      this.rig.ask("UNWATCH");
      return "-EXECABORT Transaction discarded because of: wrong number of arguments for 'exec' command\r\n";
    }
    const servers = new Set(keysOf(args).map((each) => serverOf(each, SERVERS)));
    const isBound = this.isOpen ? name !== "WATCH" : name === "WATCH";
    if (isBound && this.server !== null) servers.add(this.server);
    if (servers.size > 1) {
      if (this.isOpen) this.rig.ask("GET");
      return "-CROSSSLOT";
    }
    if (isBound) for (const each of servers) this.server = each;
    if (name === "MULTI") this.isOpen = true;
    if (["EXEC", "DISCARD"].includes(name) && this.isOpen) this.forget();
    if (name === "UNWATCH" && !this.isOpen) this.forget();
    return this.rig.ask(...args);
  }

  private forget(): void {
    this.isOpen = false;
    this.server = null;
  }
}

function keysOf([name = "", ...args]: readonly string[]): readonly string[] {
  return ["GET", "INCR", "WATCH", "RENAME"].includes(name) ? args : [];
}

type Event =
  | { readonly kind: "input"; readonly size: number }
  | { readonly kind: "answer"; readonly which: number; readonly count: number }
  | { readonly kind: "lose"; readonly which: number; readonly executed: number }
  | { readonly kind: "turn" }
  | { readonly kind: "full"; readonly which: number };

const which = fc.integer({ min: 0, max: 20 });
const event: fc.Arbitrary<Event> = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.record({
      kind: fc.constant("input" as const),
      size: fc.oneof(fc.integer({ min: 1, max: 60 }), fc.integer({ min: 60, max: 1000 })),
    }),
  },
  {
    weight: 5,
    arbitrary: fc.record({
      kind: fc.constant("answer" as const),
      which,
      count: fc.integer({ min: 1, max: 6 }),
    }),
  },
  { weight: 4, arbitrary: fc.constant({ kind: "turn" as const }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("full" as const), which }) },
);
const loss: fc.Arbitrary<Event> = fc.record({
  kind: fc.constant("lose" as const),
  which,
  executed: fc.integer({ min: 0, max: 4 }),
});

async function play(
  rig: TransactionRig,
  events: readonly Event[],
  requested: readonly (readonly string[])[],
): Promise<void> {
  const bytes = Buffer.from(requested.map(multibulk).join(""), "latin1");
  let sent = 0;
  const feed = (size: number): void => {
    const chunk = bytes.subarray(sent, sent + size);
    sent += chunk.length;
    if (chunk.length > 0) rig.receive(chunk);
  };
  for (const each of events) {
    const lent = rig.leases.filter(({ fate }) => fate === "lent");
    const connections = [...rig.connections, ...lent];
    if (each.kind === "turn") await rig.turn();
    else if (each.kind === "input") {
      if (!rig.stream.isPaused) feed(each.size);
    } else if (each.kind === "lose") lent[each.which % lent.length]?.lose(each.executed);
    else {
      const connection = connections[each.which % connections.length]!;
      if (each.kind === "full") connection.isFull = true;
      else connection.answer(each.count);
    }
  }
  for (let i = 0; sent < bytes.length || !rig.session.isIdle; i++) {
    for (const lease of rig.leases) if (lease.isFull) lease.makeRoom();
    if (!rig.stream.isPaused) feed(bytes.length);
    await settleAll(rig);
    if (i > 1000) throw new Error("it hangs");
  }
}

/** One reply a line, of replies that hold no line ends of their own. */
function withoutHints(output: string): string {
  return output.replace(/-CROSSSLOT[^\r]*\r\n/g, "-CROSSSLOT");
}

test("replies are those of one Redis, and connections go back as they came", async () => {
  await fc.assert(
    fc.asyncProperty(
      requests,
      fc.array(event, { maxLength: 60, size: "max" }),
      fc.boolean(),
      async (requested, events, isStable) => {
        const rig = createTransactionRig({ servers: SERVERS });
        rig.isReceivedStable = isStable;
        await play(rig, events, requested);
        const model = new Model();
        const expected = requested.map((args) => model.ask(args)).join("");
        expect(withoutHints(rig.stream.output)).toBe(expected);
        // What is still lent, the client has not ended.
        await rig.talk("DISCARD", "UNWATCH");
        expect(rig.leases.filter(({ fate }) => fate !== "clean")).toEqual([]);
      },
    ),
    { numRuns: 300 },
  );
}, 120_000);

test("whatever is lost, a transaction happens as a whole or not at all, and nobody is told otherwise", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.integer({ min: 1, max: 12 }),
      fc.array(fc.oneof({ weight: 9, arbitrary: event }, { weight: 1, arbitrary: loss }), {
        maxLength: 60,
        size: "max",
      }),
      fc.boolean(),
      async (count, events, isStable) => {
        const rig = createTransactionRig({ servers: SERVERS });
        rig.isReceivedStable = isStable;
        const transaction = [["MULTI"], ["INCR", "a1"], ["INCR", "b1"], ["EXEC"]];
        await play(rig, events, Array.from({ length: count }, () => transaction).flat());
        const replies = rig.stream.output
          .replaceAll(/\*2\r\n:(\d+)\r\n:\1\r\n/g, "=\r\n")
          .split("\r\n");
        expect(replies.pop()).toBe("");
        expect(replies.length).toBe(4 * count);
        const ends = replies.filter((_, index) => index % 4 === 3);
        const done = ends.filter((reply) => reply === "=").length;
        const uncertain = ends.filter((reply) => reply.startsWith("-ERR lost")).length;
        const value = Number(rig.elsewhere(1, "GET", "a1").split("\r\n")[1] ?? 0);
        expect(rig.elsewhere(1, "GET", "b1")).toBe(rig.elsewhere(1, "GET", "a1"));
        expect(value).toBeGreaterThanOrEqual(done);
        expect(value).toBeLessThanOrEqual(done + uncertain);
        expect(rig.leases.filter(({ fate }) => fate === "lent")).toEqual([]);
        expect(await rig.talk("GET a1")).toMatch(value === 0 ? / \$-1$/ : new RegExp(` ${value}$`));
      },
    ),
    { numRuns: 300 },
  );
}, 120_000);

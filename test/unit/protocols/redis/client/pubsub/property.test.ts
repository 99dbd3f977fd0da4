/** Clients that share a shared subscription, whatever happens in whatever order, against what each of them must see. */
import { expect, test } from "bun:test";
import fc from "fast-check";
import { type FakeClient, fits, PubSubRig } from "./rig.ts";

const CHANNELS = ["a", "ab", "b"];
const PATTERNS = ["a*", "*"];

type Act =
  | { readonly do: "subscribe" | "unsubscribe"; readonly who: number; readonly names: string[] }
  | { readonly do: "publish"; readonly server: number; readonly channel: string }
  | { readonly do: "process" | "deliver"; readonly server: number; readonly count: number }
  | { readonly do: "lose" | "connect"; readonly server: number }
  | { readonly do: "close"; readonly who: number }
  | { readonly do: "all"; readonly who: number }
  | { readonly do: "turn" };

const SERVERS = 2;
const CLIENTS = 4;

const server = fc.nat(SERVERS - 1);
const who = fc.nat(CLIENTS - 1);
const names = fc.array(fc.constantFrom(...CHANNELS, ...PATTERNS), { minLength: 1, maxLength: 3 });

function anyAct(mayLose: boolean): fc.Arbitrary<Act> {
  const acts: { weight: number; arbitrary: fc.Arbitrary<Act> }[] = [
    { weight: 5, arbitrary: fc.record({ do: fc.constant("subscribe" as const), who, names }) },
    { weight: 3, arbitrary: fc.record({ do: fc.constant("unsubscribe" as const), who, names }) },
    {
      weight: 1,
      arbitrary: fc.record({ do: fc.constantFrom("close" as const, "all" as const), who }),
    },
    {
      weight: 8,
      arbitrary: fc.record({
        do: fc.constant("publish" as const),
        server,
        channel: fc.constantFrom(...CHANNELS),
      }),
    },
    {
      weight: 12,
      arbitrary: fc.record({
        do: fc.constantFrom("process" as const, "deliver" as const),
        server,
        count: fc.integer({ min: 1, max: 5 }),
      }),
    },
    { weight: 8, arbitrary: fc.record({ do: fc.constant("turn" as const) }) },
    { weight: 6, arbitrary: fc.record({ do: fc.constant("connect" as const), server }) },
  ];
  if (mayLose)
    acts.push({ weight: 1, arbitrary: fc.record({ do: fc.constant("lose" as const), server }) });
  return fc.oneof(...acts);
}

const kindOf = (name: string): "channel" | "pattern" =>
  name.endsWith("*") ? "pattern" : "channel";

/** Those that are of the first one's kind: one command is about one kind. */
function alike(names: readonly string[]): string[] {
  return names.filter((name) => kindOf(name) === kindOf(names[0]!));
}

/** What one client was told. */
class Witness {
  readonly client: FakeClient;
  readonly topics: Set<string> = new Set();
  /** Messages that must come: topic, and the message's number. */
  readonly owed: Set<string> = new Set();
  private readonly last: Map<string, number> = new Map();
  /** It has asked for something that it was not told of. */
  isAsking = false;

  constructor(client: FakeClient) {
    this.client = client;
  }

  look(): void {
    for (const frame of this.client.take()) this.hear(frame);
    if (this.client.isIdle) this.isAsking = false;
  }

  private hear(frame: string): void {
    const [type = "", word = "", topic = "", ...rest] = frame.split(" ");
    if (type.startsWith("-")) return;
    expect(type[0]).toBe(this.client.version === 3 ? ">" : "*");
    if (word.endsWith("unsubscribe")) {
      this.topics.delete(topic);
      expect(rest).toEqual([`:${this.topics.size}`]);
    } else if (word.endsWith("subscribe")) {
      this.topics.add(topic);
      expect(rest).toEqual([`:${this.topics.size}`]);
    } else {
      expect(word).toBe(kindOf(topic) === "pattern" ? "pmessage" : "message");
      // Neither before its confirmation nor after the end was confirmed.
      expect([...this.topics]).toContain(topic);
      const text = rest.at(-1)!;
      const [from, number] = text.split(".");
      const before = this.last.get(`${topic} ${from}`) ?? -1;
      expect(Number(number)).toBeGreaterThan(before);
      this.last.set(`${topic} ${from}`, Number(number));
      this.owed.delete(`${topic} ${text}`);
    }
  }
}

class World {
  readonly rig: PubSubRig = new PubSubRig(SERVERS);
  readonly witnesses: Witness[] = [];
  private published = 0;

  constructor() {
    for (let i = 0; i < CLIENTS; i++) {
      this.witnesses.push(new Witness(this.rig.connect(i % 2 === 0 ? 2 : 3)));
    }
  }

  async act(act: Act): Promise<void> {
    if (act.do === "turn") await this.rig.rig.turn();
    else if ("who" in act) this.actOfClient(act);
    else this.actOfServer(act);
    for (const witness of this.witnesses) witness.look();
  }

  private actOfClient(act: Extract<Act, { readonly who: number }>): void {
    const witness = this.witnesses[act.who]!;
    const { client } = witness;
    if (client.isClosed) return;
    if (act.do === "close") {
      client.stream.close();
      witness.owed.clear();
      return;
    }
    // One wish at a time, so that what was confirmed can be told from what was asked for.
    if (witness.isAsking) return;
    const names = act.do === "all" ? [] : alike(act.names);
    const isPattern = names[0] !== undefined && kindOf(names[0]) === "pattern";
    const verb = act.do === "subscribe" ? "SUBSCRIBE" : "UNSUBSCRIBE";
    if (act.do === "all" && ![...witness.topics].some((name) => kindOf(name) === "channel")) return;
    witness.isAsking = true;
    client.ask(`${isPattern ? "P" : ""}${verb}`, ...names);
  }

  private actOfServer(act: Exclude<Act, { readonly who: number } | { readonly do: "turn" }>): void {
    const line = this.rig.lines[act.server]?.at(-1);
    if (line === undefined || line.isClosed) return;
    if (act.do === "connect") line.connect();
    else if (act.do === "process")
      for (let i = 0; i < act.count && line.requests.length > 0; i++) line.process();
    else if (act.do === "deliver") line.deliver(act.count);
    else if (act.do === "publish") this.publish(act.server, act.channel);
    else {
      // What the server had sent and nobody received is nobody's fault.
      const lost = line.frames.map((frame) => frame.split("\r\n"));
      for (const parts of lost) {
        const [topic, text] = [parts[4], parts.at(-2)];
        for (const { owed } of this.witnesses) owed.delete(`${topic} ${text}`);
      }
      line.lose();
    }
  }

  private publish(server: number, channel: string): void {
    const line = this.rig.line(server);
    const text = `${server}.${this.published++}`;
    line.publish(channel, text);
    if (!line.isUp) return;
    for (const witness of this.witnesses) {
      if (witness.client.isClosed || witness.isAsking) continue;
      for (const topic of witness.topics) {
        const isOn = line.topics[kindOf(topic) === "pattern" ? "p" : ""]!.has(topic);
        const isMeant = topic === channel || (kindOf(topic) === "pattern" && fits(topic, channel));
        if (isOn && isMeant) witness.owed.add(`${topic} ${text}`);
      }
    }
  }

  async end(): Promise<void> {
    await this.rig.settle();
    const wanted = new Set<string>();
    for (const witness of this.witnesses) {
      witness.look();
      expect([...witness.owed]).toEqual([]);
      expect(witness.client.isIdle || witness.client.isClosed).toBe(true);
      if (!witness.client.isClosed) for (const topic of witness.topics) wanted.add(topic);
    }
    for (let server = 0; server < SERVERS; server++) {
      const line = this.rig.lines[server]?.at(-1);
      if (line === undefined) continue;
      expect(line.isDistrusted).toBe(false);
      // Neither more nor less than what somebody wants.
      expect([...line.topics[""]!, ...line.topics["p"]!].sort()).toEqual([...wanted].sort());
    }
  }
}

test.each([false, true])(
  "everybody gets what they subscribed to, and nothing else; connections are lost: %p",
  async (mayLose) => {
    await fc.assert(
      fc.asyncProperty(fc.array(anyAct(mayLose), { maxLength: 250, size: "max" }), async (acts) => {
        const world = new World();
        for (const act of acts) await world.act(act);
        await world.end();
      }),
      { numRuns: 1000 },
    );
  },
  60_000,
);

/** Hand-over packets that are not as they should be: a worker takes those that it understands, and says of the others that they failed. */
import type { Config } from "../../src/api/config.ts";
import { initHashes } from "../../src/hash/hash-function.ts";
import { install, Kernel, type PacketSocket } from "../simulation/kernel.ts";
import { Network } from "../simulation/network.ts";
import { Peer } from "../simulation/peer.ts";
import { Random } from "../simulation/random.ts";
import { RedisSpeaker, RedisStore } from "../simulation/redis-server.ts";
import { Server } from "../simulation/server.ts";
import { connect, type Way } from "../simulation/socket.ts";
import { SimulatedProxy } from "../simulation/worker.ts";
import { World } from "../simulation/world.ts";
import { loadConfig } from "../support/load-config.ts";
import type { FuzzFailure } from "./fuzz.ts";

const TARGET = "hand-over packets";
const WAY: Way = { leastMs: 0, mostMs: 0.1, pieces: 1, capacity: 65_536 };
const HABITS = { isStable: true, holdsOutput: false, readMost: 65_536, lookMs: 0, turnMs: 0 };
const TEXT = `client_memory: none
accept: shared
pools:
  pool:
    listen: 127.0.0.1:65535
    hash_tag: "{}"
    servers: [127.0.0.1:1:1 one]
`;
/** What clients have sent when they move. */
const CLIENTS = [
  "",
  "*2\r\n$3\r\nGET",
  "*1\r\n$5\r\nMULTI\r\n",
  "*2\r\n$5\r\nHELLO\r\n$1\r\n3\r\n",
  "*3\r\n$6\r\nCLIENT\r\n$7\r\nSETNAME\r\n$4\r\nname\r\n",
];

let config: Config;
let examples: readonly { readonly bytes: Buffer; readonly files: number }[] = [];

/** Has a worker write the packets that others are made of. */
export async function preparePackets(): Promise<void> {
  if (examples.length > 0) return;
  await initHashes();
  const loaded = loadConfig(TEXT, "packets.yaml");
  if (loaded.config === null) throw new Error(JSON.stringify(loaded.problems));
  config = loaded.config;
  const world = new World(1, false);
  const kernel = new Kernel(world);
  const network = new Network(world);
  const end = install(kernel);
  try {
    const worker = new SimulatedProxy(world, network, kernel, config).start(HABITS);
    const store = new RedisStore(world, () => {});
    const server = { world, network, name: "one", port: 1, way: WAY };
    new Server(server, (host) => new RedisSpeaker(store, host));
    worker.listen();
    for (const text of CLIENTS) {
      const user = { onText() {}, onGone() {} };
      new Peer(world, network.connectClient(WAY), user).send(text);
    }
    world.runUntil(world.nowMs + 50);
    const { packets } = kernel.fileOf(worker.handOverSocket)!.of as PacketSocket;
    worker.plane.handOver(
      { type: "hand_over", sessions: null, pools: ["pool"], format: 4, timeoutMs: 200 },
      { onPackets() {}, onDone() {} },
    );
    world.runUntil(world.nowMs + 400);
    examples = packets.map(({ bytes, files }) => ({ bytes, files: files.length }));
    worker.end();
  } finally {
    end();
  }
  if (examples.length < CLIENTS.length - 1) throw new Error("not all clients have moved");
}

const VALUES = [
  "null",
  "-1",
  "0",
  "1",
  "65536",
  "1e9",
  '""',
  '"x"',
  "[]",
  "{}",
  "true",
  "[[]]",
  '{"a":1}',
  "99999999999",
];

/** Of the head all that says how a packet is read, and of the rest everything: what a client was is told by programs that are trusted. */
function mutated(bytes: Buffer, random: Random): Buffer {
  const whole = bytes.toString("latin1");
  const clientAt = whole.indexOf('"client":');
  let head = whole.substring(0, clientAt);
  for (let i = 1 + random.small(4); i > 0; i--) {
    const kind = random.below(5);
    const at = random.below(head.length + 1);
    if (kind <= 2) {
      // A field with another value.
      const fields = [...head.matchAll(/"[\w ]+":("[^"]*"|[\w.-]+|\[[^\]]*\])/g)];
      if (fields.length === 0) continue;
      const field = random.pick(fields);
      const [name] = field[0].split(":");
      const rest = head.substring(field.index + field[0].length);
      head = `${head.substring(0, field.index)}${name}:${random.pick(VALUES)}${rest}`;
    } else if (kind === 3) {
      head =
        head.substring(0, at) + String.fromCharCode(random.below(256)) + head.substring(at + 1);
    } else head = head.substring(0, at) + random.pick(VALUES) + head.substring(at);
  }
  const text = head + whole.substring(clientAt);
  const kept = random.chance(0.15) ? random.between(1, text.length) : text.length;
  return Buffer.from(text.substring(0, kept), "latin1");
}

/** To be called after `preparePackets`. @returns null: all is well */
export function fuzzPackets(seed: number): FuzzFailure | null {
  const random = new Random(seed);
  const world = new World(seed, false);
  const kernel = new Kernel(world);
  const network = new Network(world);
  network.add(1, { reach: "refuses", way: WAY, onConnection() {} });
  const sent: string[] = [];
  const fail = (problem: string): FuzzFailure => ({
    ...{ target: TARGET, seed, problem },
    input: sent.map((packet) => JSON.stringify(packet)).join(" "),
  });
  const end = install(kernel);
  try {
    const worker = new SimulatedProxy(world, network, kernel, config).start(HABITS);
    const socket = (kernel.fileOf(worker.handOverSocket)!.of as PacketSocket).peer;
    const count = random.between(1, 3);
    for (let i = 0; i < count; i++) {
      const example = random.pick(examples);
      const bytes = random.chance(0.1) ? example.bytes : mutated(example.bytes, random);
      sent.push(bytes.toString("latin1"));
      const files = random.chance(0.8) ? example.files : random.below(3);
      const sockets = Array.from({ length: files }, (_, at) => connect(world, WAY, WAY, 2 * at)[0]);
      socket.packets.push({ bytes, files: sockets.map((of) => ({ of, references: 1 })) });
    }
    let settled = 0;
    worker.plane.adopt(count, ({ adopted, failed, others }) => {
      settled += adopted + failed + others;
    });
    world.runUntil(world.nowMs + 20_000);
    worker.end();
    world.runUntil(world.nowMs + 10_000);
    if (settled !== count) return fail(`of ${count} packets ${settled} are settled`);
    if (kernel.openFiles > 0) return fail(`${kernel.openFiles} descriptors are left open`);
    return null;
  } catch (error) {
    return fail(error instanceof Error ? (error.stack ?? error.message) : String(error));
  } finally {
    end();
  }
}

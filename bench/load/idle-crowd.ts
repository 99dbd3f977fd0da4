/**
 * A crowd of Redis connections that say nothing until they are asked whether they still work.
 *
 * A process of its own: `bun bench/load/idle-crowd.ts '{"hosts": [...], …}'`. Prints "connected", and for each line on stdin how many
 * answered a PING; leaves when its stdin ends.
 */
import { createInterface } from "node:readline";
import type { Socket } from "bun";

export interface IdleCrowdOrder {
  /** Connections are spread over them, because one address has only so many ports for them. */
  readonly hosts: readonly string[];
  readonly port: number;
  readonly connections: number;
}

const AT_ONCE = 200;
const TRIES = 50;
const ANSWER_MS = 60_000;
const PLUS = "+".charCodeAt(0);

async function runIdleCrowd({ hosts, port, connections }: IdleCrowdOrder): Promise<void> {
  const sockets: Socket[] = [];
  let answered = 0;
  const handlers = {
    data(_socket: Socket, chunk: Buffer) {
      for (const byte of chunk) if (byte === PLUS) answered++;
    },
    error() {},
  };
  const open = async (hostname: string): Promise<Socket> => {
    for (let left = TRIES; ; left--) {
      try {
        return await Bun.connect({ hostname, port, socket: handlers });
      } catch (error) {
        if (left === 0) throw error;
        await Bun.sleep(20);
      }
    }
  };
  while (sockets.length < connections) {
    const some = Math.min(AT_ONCE, connections - sockets.length);
    const names = Array.from({ length: some }, (_, i) => hosts[i % hosts.length]!);
    sockets.push(...(await Promise.all(names.map(open))));
  }
  process.stdout.write("connected\n");
  for await (const _line of createInterface({ input: process.stdin })) {
    answered = 0;
    for (const [at, socket] of sockets.entries()) {
      socket.write("PING\r\n");
      if (at % 500 === 0) await Bun.sleep(1);
    }
    const untilMs = performance.now() + ANSWER_MS;
    while (answered < connections && performance.now() < untilMs) await Bun.sleep(10);
    process.stdout.write(`${answered}\n`);
  }
  process.exit(0);
}

await runIdleCrowd(JSON.parse(process.argv[2] ?? "{}") as IdleCrowdOrder);

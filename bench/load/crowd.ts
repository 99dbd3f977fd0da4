/**
 * A crowd of connections that each send deep pipelines of GETs and read every reply, then stay connected.
 *
 * A process of its own: `bun bench/load/crowd.ts '{"port": …}'`. Prints "answered" when every reply has come, and
 * leaves when its stdin ends.
 */
import type { Socket } from "bun";
import { keyName } from "../key-space.ts";
import { bulk, encode } from "../wire.ts";

export interface CrowdOrder {
  readonly port: number;
  readonly connections: number;
  /** Requests in one pipeline. */
  readonly depth: number;
  /** Pipelines per connection, one after the other. */
  readonly pipelines: number;
  readonly keys: number;
  readonly valueBytes: number;
}

interface Member {
  readonly request: Buffer;
  /** Bytes of `request` that the kernel has not taken yet. */
  unsentBytes: number;
  missingBytes: number;
  pipelinesLeft: number;
}

async function runCrowd(order: CrowdOrder): Promise<void> {
  const replyBytes = bulk("x".repeat(order.valueBytes)).length * order.depth;
  const { promise: allAnswered, resolve, reject } = Promise.withResolvers<void>();
  let unanswered = order.connections;
  const members: Socket<Member>[] = [];
  const start = (socket: Socket<Member>): void => {
    socket.data.unsentBytes = socket.data.request.length;
    socket.data.missingBytes = replyBytes;
    sendRest(socket);
  };
  for (let index = 0; index < order.connections; index += 1) {
    const request = Buffer.from(pipelineOf(order, index), "latin1");
    const data: Member = {
      request,
      unsentBytes: 0,
      missingBytes: 0,
      pipelinesLeft: order.pipelines,
    };
    const socket = await Bun.connect<Member>({
      hostname: "127.0.0.1",
      port: order.port,
      data,
      socket: {
        drain: sendRest,
        data(member, chunk) {
          const { data: state } = member;
          state.missingBytes -= chunk.length;
          if (state.missingBytes < 0) reject(new Error("more reply bytes than asked for"));
          if (state.missingBytes !== 0) return;
          state.pipelinesLeft -= 1;
          if (state.pipelinesLeft > 0) return start(member);
          unanswered -= 1;
          if (unanswered === 0) resolve();
        },
        close: () => reject(new Error("the proxy closed a connection")),
        error: (_, error) => reject(error),
      },
    });
    members.push(socket);
  }
  for (const member of members) start(member);
  await allAnswered;
  process.stdout.write("answered\n");
  await Bun.stdin.text();
  process.exit(0);
}

function sendRest(socket: Socket<Member>): void {
  const { data } = socket;
  if (data.unsentBytes === 0) return;
  const offset = data.request.length - data.unsentBytes;
  const taken = socket.write(data.request, offset, data.unsentBytes);
  if (taken > 0) data.unsentBytes -= taken;
}

/** The same requests in every run; neighbours ask for different keys. */
function pipelineOf(order: CrowdOrder, member: number): string {
  const keyAt = (n: number): string => keyName((member * 7919 + n * 104_729) % order.keys);
  return Array.from({ length: order.depth }, (_, n) => encode("GET", keyAt(n))).join("");
}

if (import.meta.main) {
  runCrowd(JSON.parse(process.argv[2] ?? "") as CrowdOrder).catch((error: Error) => {
    process.stderr.write(`${error.message}\n`);
    process.exit(1);
  });
}

/**
 * Clients that know what they have written: writers count a number up in each key, and readers count how often a
 * value comes back that is older than one whose write was acknowledged before the read began.
 */
import { RespClient } from "./resp-client.ts";
import type { Endpoint } from "./server-process.ts";

export interface StaleReads {
  reads: number;
  /** Reads of a value (or of none) that is older than the last acknowledged one. */
  stale: number;
  writes: number;
  /** Requests that were answered with an error. */
  errors: number;
}

export interface StaleReadsRun {
  readonly counts: StaleReads;
  /** Ends all clients, after the request that each waits for. */
  stop(): Promise<void>;
}

const WRITERS = 4;
const READERS = 8;
const KEYS_PER_WRITER = 50;

/** Every key has one writer, so its acknowledged values only grow. */
export function countStaleReads(endpoint: Endpoint): StaleReadsRun {
  const counts: StaleReads = { reads: 0, stale: 0, writes: 0, errors: 0 };
  const acknowledged = new Map<string, number>();
  const keys = Array.from({ length: WRITERS * KEYS_PER_WRITER }, (_, index) => `stale:${index}`);
  let hasStopped = false;

  const repeat = async (step: (client: RespClient) => Promise<void>): Promise<void> => {
    let client = await RespClient.connect(endpoint);
    while (!hasStopped) {
      if (client.isClosed) client = await RespClient.connect(endpoint);
      await step(client);
    }
    client.close();
  };
  const ask = async (client: RespClient, ...command: string[]): Promise<string | null> => {
    const reply = await client.ask(...command).catch(() => "-closed");
    if (!reply.startsWith("-")) return reply;
    counts.errors++;
    // Errors come at once: the rest of the machine is to have its turn.
    await Bun.sleep(1);
    return null;
  };
  const write = (writer: number): Promise<void> => {
    let value = 0;
    return repeat(async (client) => {
      const key = keys[writer + WRITERS * (value % KEYS_PER_WRITER)]!;
      const written = ++value;
      if ((await ask(client, "SET", key, `${written}`)) === null) return;
      acknowledged.set(key, written);
      counts.writes++;
    });
  };
  const read = (): Promise<void> =>
    repeat(async (client) => {
      const key = keys[Math.floor(Math.random() * keys.length)]!;
      const known = acknowledged.get(key) ?? 0;
      const reply = await ask(client, "GET", key);
      if (reply === null) return;
      const found = reply === "$-1\r\n" ? 0 : Number(reply.split("\r\n")[1]);
      counts.reads++;
      if (found < known) counts.stale++;
    });

  const clients = [
    ...Array.from({ length: WRITERS }, (_, writer) => write(writer)),
    ...Array.from({ length: READERS }, read),
  ];
  return {
    counts,
    async stop() {
      hasStopped = true;
      await Promise.all(clients);
    },
  };
}

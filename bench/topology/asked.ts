/** What servers say of themselves. */
import { RespClient } from "../../test/support/resp-client.ts";

export interface Place {
  readonly host: string;
  readonly port: number;
}

/** Null: it does not live. */
export async function ask(
  { host, port }: Place,
  ...words: [string, ...string[]]
): Promise<string | null> {
  try {
    const client = await RespClient.connect({ host, port }, 2_000);
    try {
      return await client.ask(...words);
    } finally {
      client.close();
    }
  } catch {
    return null;
  }
}

/** How often all that live have executed what the pattern names, for instance "get" or "cluster\\|slots". */
export async function callsOf(servers: readonly Place[], command: string): Promise<number> {
  let sum = 0;
  for (const server of servers) sum += await callsAt(server, command);
  return sum;
}

export async function callsAt(server: Place, command: string): Promise<number> {
  const text = (await ask(server, "INFO", "commandstats")) ?? "";
  return Number(new RegExp(`cmdstat_${command}:calls=(\\d+)`).exec(text)?.[1] ?? 0);
}

/** Asks again and again over one connection, as fast as answers come. */
export class Watcher {
  private isOver = false;
  private readonly done: Promise<void>[];

  /** @param heard told each answer; null: the server does not live */
  constructor(
    servers: readonly Place[],
    words: [string, ...string[]],
    everyMs: number,
    heard: (server: Place, answer: string | null) => void,
  ) {
    this.done = servers.map(async (server) => {
      let client: RespClient | null = null;
      while (!this.isOver) {
        client ??= await RespClient.connect(server, 2_000).catch(() => null);
        const answer = client === null ? null : await client.ask(...words).catch(() => null);
        heard(server, answer);
        // A server that changes its role closes its connections.
        if (answer === null) client = null;
        await Bun.sleep(everyMs);
      }
      client?.close();
    });
  }

  async stop(): Promise<void> {
    this.isOver = true;
    await Promise.all(this.done);
  }
}

/**
 * Scenarios with several clients, as text, for playing straight to Redis and through the proxy:
 *
 *     a: SET {t}k "a value"           client a (it connects when it is first named) sends this and waits for one reply
 *     a 3: MULTI; GET {t}k; EXEC      three commands in one write, three replies
 *     b 0: BLPOP {t}q 0               waits for none now
 *     b < 2                           waits for two more
 *     b raw 0: "*1\r\n$x\r\n"         sends bytes as they are
 *     b ends                          the other side closes the connection
 *     a close                         a closes its connection; `a reset`: with a reset
 *     blocked 1                       waits until one client is blocked on the servers
 *     running 1                       waits until a script runs too long there
 *     subscribers ch 1                waits until a channel has one subscriber; `patterns 1`: until there is one pattern
 *     a id                            finds out a's id, which `$a` stands for from now on
 *
 * Lines happen one after the other, so that all that every client receives is determined. In the end every client that
 * is still connected says PING, and nothing else may have come before its reply. Keys with the tag {t} are on one server.
 */
import { type Looseness, loosenessOf } from "./known-differences.ts";
import { encode } from "./random-commands.ts";
import { exchange } from "./redis-exchange.ts";
import { RespClient } from "./resp-client.ts";
import type { Endpoint } from "./server-process.ts";

const DEADLINE_MS = 30_000;
const POLL_MS = 2;

/** One reply that a client got. */
export interface Received {
  readonly bytes: Buffer;
  readonly looseness: readonly Looseness[];
}

/** What every client received, by its name. */
export type Transcript = ReadonlyMap<string, readonly Received[]>;

type Line =
  | {
      readonly kind: "send";
      readonly client: string;
      readonly replies: number;
      readonly commands: readonly string[][];
    }
  | {
      readonly kind: "raw";
      readonly client: string;
      readonly replies: number;
      readonly bytes: string;
    }
  | { readonly kind: "close" | "reset" | "ends" | "id"; readonly client: string }
  | { readonly kind: State; readonly name: string; readonly count: number };

/** What can be awaited. */
type State = "blocked" | "running" | "subscribers" | "patterns";

/** @throws for a line that is none. */
export function parseScenario(text: string): Line[] {
  return text
    .split("\n")
    .map((line) => line.replace(/^\s*#.*|\s+# .*$/, "").trim())
    .filter((line) => line !== "")
    .map(parseLine);
}

function parseLine(line: string): Line {
  const state = /^(blocked|running|subscribers|patterns)(?: (\S+))? (\d+)$/.exec(line);
  if (state !== null) {
    return { kind: state[1] as State, name: state[2] ?? "", count: Number(state[3]) };
  }
  const end = /^(\w+) (close|reset|ends|id)$/.exec(line);
  if (end !== null) return { kind: end[2] as "close", client: end[1] ?? "" };
  const wait = /^(\w+) <(?: (\d+))?$/.exec(line);
  if (wait !== null) {
    return { kind: "send", client: wait[1] ?? "", replies: Number(wait[2] ?? 1), commands: [] };
  }
  const raw = /^(\w+) raw (\d+): (".*")$/.exec(line);
  if (raw !== null) {
    const bytes = JSON.parse(raw[3] ?? "") as string;
    return { kind: "raw", client: raw[1] ?? "", replies: Number(raw[2]), bytes };
  }
  const send = /^(\w+)(?: (\d+))?: (.+)$/.exec(line);
  if (send === null) throw new Error(`no line of a scenario: ${line}`);
  const commands = (send[3] ?? "").split(/; /).map(parseWords);
  return { kind: "send", client: send[1] ?? "", replies: Number(send[2] ?? 1), commands };
}

/** Words between blanks, or in double quotes as JSON has them. */
function parseWords(text: string): string[] {
  return (text.match(/"(?:[^"\\]|\\.)*"|\S+/g) ?? []).map((word) =>
    word.startsWith('"') ? (JSON.parse(word) as string) : word,
  );
}

/** @param servers where the clients end up, for looking whether one is blocked. */
export async function perform(
  scenario: string,
  endpoint: Endpoint,
  servers: readonly Endpoint[],
): Promise<Transcript> {
  const stage = new Stage(endpoint, servers);
  let at: Line | string = "";
  try {
    for (const line of parseScenario(scenario)) {
      at = line;
      await stage.play(line);
    }
    at = "the end";
    await stage.end();
    return stage.transcript;
  } catch (error) {
    const got = [...stage.transcript].map(([name, received]) => `${name} got ${received.length}`);
    throw new Error(`${JSON.stringify(at)}, ${got}: ${(error as Error).message}`);
  } finally {
    stage.clear();
  }
}

class Stage {
  readonly transcript = new Map<string, Received[]>();
  readonly #endpoint: Endpoint;
  readonly #servers: readonly Endpoint[];
  readonly #clients = new Map<string, RespClient>();
  readonly #ids = new Map<string, string>();

  constructor(endpoint: Endpoint, servers: readonly Endpoint[]) {
    this.#endpoint = endpoint;
    this.#servers = servers;
  }

  async play(line: Line): Promise<void> {
    if ("count" in line) {
      await this.#await(line.kind, line.name, line.count);
      return;
    }
    const client = await this.#client(line.client);
    switch (line.kind) {
      case "send":
        client.send(latin1(line.commands.map((words) => encode(this.#filled(words))).join("")));
        await this.#receive(
          line.client,
          line.replies,
          line.commands.flatMap((words) => [...loosenessOf(words)]),
        );
        return;
      case "raw":
        client.send(latin1(line.bytes));
        await this.#receive(line.client, line.replies, []);
        return;
      case "id":
        this.#ids.set(line.client, (await client.ask("CLIENT", "ID")).replace(/\D/g, ""));
        return;
      case "ends":
        this.#add(line.client, Buffer.concat([await client.untilClosed(), latin1("(closed)")]), []);
        break;
      case "reset":
        client.reset();
        break;
      case "close":
        client.close();
    }
    this.#clients.delete(line.client);
  }

  /** Whoever is still connected has nothing unread, and gets an answer. */
  async end(): Promise<void> {
    for (const [name, client] of this.#clients) {
      client.command(["PING", "end"]);
      await this.#receive(name, 1, []);
    }
  }

  clear(): void {
    for (const client of this.#clients.values()) client.close();
  }

  async #client(name: string): Promise<RespClient> {
    const client =
      this.#clients.get(name) ?? (await RespClient.connect(this.#endpoint, DEADLINE_MS));
    this.#clients.set(name, client);
    return client;
  }

  async #receive(name: string, count: number, looseness: readonly Looseness[]): Promise<void> {
    const client = await this.#client(name);
    for (let got = 0; got < count; got++) this.#add(name, await client.reply(), looseness);
  }

  #add(name: string, bytes: Buffer, looseness: readonly Looseness[]): void {
    const received = this.transcript.get(name) ?? [];
    received.push({ bytes, looseness });
    this.transcript.set(name, received);
  }

  #filled(words: readonly string[]): string[] {
    return words.map((word) => this.#ids.get(/^\$(\w+)$/.exec(word)?.[1] ?? "") ?? word);
  }

  async #await(state: State, name: string, count: number): Promise<void> {
    const deadline = performance.now() + DEADLINE_MS;
    for (;;) {
      const found = await this.#count(state, name);
      if (found === count) return;
      if (performance.now() > deadline) throw new Error(`${state} ${name}: ${found}, not ${count}`);
      await Bun.sleep(POLL_MS);
    }
  }

  async #count(state: State, name: string): Promise<number> {
    if (state === "subscribers" || state === "patterns") {
      const question = state === "patterns" ? ["NUMPAT"] : ["NUMSUB", name];
      const [reply] = await exchange(this.#endpoint, [["PUBSUB", ...question]]);
      return Number(Array.isArray(reply) ? reply[1] : reply);
    }
    const counts = this.#servers.map(async (server) => {
      const [reply] = await exchange(server, [
        state === "running" ? ["PING"] : ["INFO", "clients"],
      ]);
      if (state === "running") return `${reply}`.includes("BUSY") ? 1 : 0;
      return Number(/blocked_clients:(\d+)/.exec(`${reply}`)?.[1] ?? 0);
    });
    return (await Promise.all(counts)).reduce((total, each) => total + each, 0);
  }
}

function latin1(text: string): Buffer {
  return Buffer.from(text, "latin1");
}

/**
 * A proxy in trouble, to practise on: `bun bench/culprit.ts [--seed N] [--seconds S] [--proxy COMMAND] [--json]`. See docs/find-the-culprit.md.
 *
 * One server is slow, one key is hot, one is big, and one client is noisy: which, the seed says. It goes on until Ctrl-C or the end of the
 * time, and then says what they were. Everything listens on 127.0.0.1, and is ended with it.
 */
import { writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { parseArgs } from "node:util";
import { runDirectory, startChild, stopAll } from "./children.ts";
import { startSlowRelay } from "./load/slow-relay.ts";
import { fillOne, startServer } from "./servers.ts";
import { encode, exchange, freePort, waitForPort } from "./wire.ts";

const SERVERS = 4;
const SLOW_MS = 25;
const KEYS = 2_000;
const VALUE_BYTES = 100;
const BIG_ELEMENTS = 40_000;
const BIG_EACH_MS = 1_500;
/** A client's rest between two batches. */
const REST_MS = 20;
const NOISY_BATCH = 32;
/** So many of a usual client's requests, of ten, ask for the hot key. */
const HOT_OF_TEN = 9;
const FILL_MS = 30_000;
const CLIENTS = [
  ...["accounts", "basket", "billing", "catalog", "checkout"],
  ...["mailer", "profile", "reports", "search", "sessions"],
];

interface Culprits {
  readonly slowServer: string;
  readonly hotKey: string;
  readonly bigKey: string;
  readonly noisyClient: string;
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      seed: { type: "string", default: `${Math.floor(Math.random() * 1e6)}` },
      seconds: { type: "string", default: "900" },
      proxy: { type: "string", default: join(dirname(import.meta.dir), "dist", "proxy") },
      json: { type: "boolean", default: false },
    },
  });
  const culprits = chosenBy(Number(values.seed));
  const { port, adminPort, config } = await prepare(values.proxy.split(" "), culprits);
  const load = new AbortController();
  const over = Promise.withResolvers<void>();
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, over.resolve);
  setTimeout(over.resolve, Number(values.seconds) * 1_000);
  const running = startLoad(port, culprits, load.signal);
  const page = `http://127.0.0.1:${adminPort}/`;
  process.stdout.write(
    values.json
      ? `${JSON.stringify({ port, page, config, culprits })}\n`
      : `A proxy in trouble, seed ${values.seed}. Wait ten seconds, and find who it is:\n\n` +
          `  proxy top -c ${config}\n  ${page}\n  redis-cli -p ${port} PROXY SHOW HELP TEXT\n\nCtrl-C ends it and says what it was.\n`,
  );
  await over.promise;
  load.abort();
  await running;
  if (values.json) return;
  const { slowServer, hotKey, bigKey, noisyClient } = culprits;
  process.stdout.write(
    `\nslow server: ${slowServer}\nhot key:     ${hotKey}\nbig key:     ${bigKey}\nnoisy client: ${noisyClient}\n`,
  );
}

/** The same for the same seed. */
function chosenBy(seed: number): Culprits {
  let state = seed >>> 0;
  const pick = (count: number): number => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * count);
  };
  pick(1);
  return {
    slowServer: `cache-${pick(SERVERS) + 1}`,
    hotKey: keyOf(pick(KEYS)),
    bigKey: `list:${1_000 + pick(9_000)}`,
    noisyClient: CLIENTS[pick(CLIENTS.length)]!,
  };
}

/** As fillOne names it. */
function keyOf(index: number): string {
  return `key:${String(index).padStart(12, "0")}`;
}

interface Prepared {
  readonly port: number;
  readonly adminPort: number;
  readonly config: string;
}

async function prepare(
  command: readonly string[],
  { slowServer, bigKey }: Culprits,
): Promise<Prepared> {
  const lines: string[] = [];
  for (let n = 1; n <= SERVERS; n += 1) {
    const server = await startServer(`redis-${n}`, await freePort());
    await fillOne(server.port, { keys: KEYS, valueBytes: VALUE_BYTES }, "x");
    await push(server.port, bigKey);
    let { port } = server;
    if (`cache-${n}` === slowServer) {
      port = await freePort();
      startSlowRelay(port, server.port, SLOW_MS);
    }
    lines.push(`      - 127.0.0.1:${port}:1 cache-${n}`);
  }
  const [port, adminPort] = [await freePort(), await freePort()];
  const config = join(runDirectory(), "proxy.yaml");
  const text = [
    ...[`control: ${join(runDirectory(), "control")}`, "workers: 2"],
    ...["admin:", `  listen: 127.0.0.1:${adminPort}`],
    ...["pools:", "  main:", `    listen: 127.0.0.1:${port}`, "    protocol: redis"],
    ...["    proxy_commands: true", "    servers:", ...lines, ""],
  ];
  writeFileSync(config, text.join("\n"));
  const proxy = startChild("proxy", [...command, "-c", config]);
  for (const one of [port, adminPort]) {
    const isUp = await waitForPort(one, proxy.hasExited);
    if (!isUp) throw new Error(`the proxy does not start:\n${proxy.logTail()}`);
  }
  return { port, adminPort, config };
}

/** The long list, on every server: the proxy decides which of them is asked. */
async function push(port: number, key: string): Promise<void> {
  const script = "for n = 1, ARGV[1] do redis.call('RPUSH', KEYS[1], 'element ' .. n) end return 1";
  await exchange(port, encode("EVAL", script, "1", key, `${BIG_ELEMENTS}`), 4, FILL_MS);
}

async function startLoad(
  port: number,
  { hotKey, bigKey, noisyClient }: Culprits,
  signal: AbortSignal,
): Promise<void> {
  const other = (): string => keyOf(Math.floor(Math.random() * KEYS));
  const usual = (): string => (Math.random() * 10 < HOT_OF_TEN ? hotKey : other());
  let bigMs = 0;
  const clients = CLIENTS.map(async (name, index) => {
    const isNoisy = name === noisyClient;
    const isReader = index === (CLIENTS.indexOf(noisyClient) + 1) % CLIENTS.length;
    const client = await Client.open(port, name);
    while (!signal.aborted) {
      const count = isNoisy ? NOISY_BATCH : 2;
      const requests = Array.from({ length: count }, () => ["GET", isNoisy ? other() : usual()]);
      if (isReader && Date.now() - bigMs > BIG_EACH_MS) {
        bigMs = Date.now();
        requests.push(["LRANGE", bigKey, "0", "-1"]);
      }
      await client.ask(requests);
      await Bun.sleep(isNoisy ? 1 : REST_MS);
    }
    client.close();
  });
  await Promise.all(clients);
}

/** Sends some requests at once, and waits for all of their replies, which it only looks through for their ends. */
class Client {
  readonly #socket: Bun.Socket;
  #left = 0;
  #line = "";
  #isClosed = false;
  #done: () => void = () => {};

  private constructor(socket: Bun.Socket) {
    this.#socket = socket;
  }

  static async open(port: number, name: string): Promise<Client> {
    let client: Client | null = null;
    const socket = await Bun.connect({
      ...{ hostname: "127.0.0.1", port },
      socket: {
        data: (_, chunk) => client?.onData(chunk),
        close: () => client?.onClose(),
      },
    });
    client = new Client(socket);
    await client.ask([["CLIENT", "SETNAME", name]]);
    return client;
  }

  ask(requests: readonly (readonly string[])[]): Promise<void> {
    // Ctrl-C in a terminal ends the proxy, too.
    if (this.#isClosed) return Promise.resolve();
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#done = resolve;
    this.#left = requests.length;
    this.#socket.write(requests.map((words) => encode(...words)).join(""));
    return promise;
  }

  close(): void {
    this.#socket.end();
  }

  /** Every value of the scenario's replies is without line feeds, so each line is a head or a value. */
  onData(chunk: Buffer): void {
    const lines = (this.#line + chunk.toString("latin1")).split("\r\n");
    this.#line = lines.pop() ?? "";
    for (const line of lines) {
      if (line.startsWith("*")) this.#left += Number(line.substring(1)) - 1;
      else if (!line.startsWith("$") || line === "$-1") this.#left -= 1;
    }
    if (this.#left <= 0) this.#done();
  }

  onClose(): void {
    this.#isClosed = true;
    this.#done();
  }
}

try {
  await main();
} catch (error) {
  console.error(error);
  process.exitCode = 1;
} finally {
  await stopAll();
}
process.exit();

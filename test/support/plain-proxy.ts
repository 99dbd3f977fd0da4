/** A proxy without servers behind it, from a configuration of a few lines, whose start may also fail. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { isAlive, until } from "./echo-proxy.ts";
import { freePort } from "./free-port.ts";
import { engineArguments, proxyCommand } from "./proxy-process.ts";
import { RespClient } from "./resp-client.ts";
import { type CommandResult, runCommand } from "./run-command.ts";
import { stops } from "./upgrade-rig.ts";

export interface PlainProxy {
  readonly pid: number;
  readonly configFile: string;
  readonly exited: Promise<number>;
  /** What it wrote to stdout and stderr so far. */
  output(): string;
  /** It serves, or it has ended: then false. */
  serves(): Promise<boolean>;
}

/** Starts it; `stopAll` ends it. @param lines of the top level @param listen default: a free port */
export function startPlain(
  directory: string,
  lines: readonly string[],
  options: { readonly listen?: string; readonly args?: readonly string[] } = {},
): PlainProxy {
  const port = freePort();
  const configFile = join(directory, "proxy.yaml");
  writePlain(configFile, lines, [
    `127.0.0.1:${port}`,
    ...(options.listen === undefined ? [] : [options.listen]),
  ]);
  const control = ["--control", join(directory, "control")];
  const command = [
    ...proxyCommand(),
    "-c",
    configFile,
    "--workers",
    "1",
    ...control,
    ...engineArguments(),
  ];
  const child = Bun.spawn([...command, ...(options.args ?? [])], {
    stdio: ["ignore", "pipe", "pipe"],
  });
  let output = "";
  const read = async (stream: ReadableStream<Uint8Array>): Promise<void> => {
    const decoder = new TextDecoder();
    for await (const chunk of stream) output += decoder.decode(chunk, { stream: true });
  };
  const ends = [read(child.stdout), read(child.stderr)];
  stops.push(async () => {
    child.kill("SIGTERM");
    const timer = setTimeout(() => child.kill("SIGKILL"), 5_000);
    await child.exited;
    clearTimeout(timer);
  });
  return {
    pid: child.pid,
    configFile,
    exited: child.exited.then(async (code) => {
      await Promise.all(ends);
      return code;
    }),
    output: () => output,
    async serves() {
      let client: RespClient | null = null;
      let isOver = false;
      void child.exited.then(() => (isOver = true));
      while (client === null && !isOver) {
        client = await RespClient.connect({ host: "127.0.0.1", port }).catch(() => null);
        if (client === null) await Bun.sleep(5);
      }
      client?.close();
      if (client !== null) await until("it answers", () => isAlive(child.pid));
      return client !== null && (await answers(configFile));
    },
  };
}

/** All workers are ready, so it has done everything that belongs to its start. */
async function answers(configFile: string): Promise<boolean> {
  for (;;) {
    const { code, output } = await plainCommand(configFile, "status", "--json");
    if (code !== 0) return false;
    if (output.includes('"phase":"serving"')) return true;
  }
}

/** `proxy VERB` for such a proxy. */
export function plainCommand(
  configFile: string,
  verb: string,
  ...args: string[]
): Promise<CommandResult> {
  const control = join(configFile, "../control");
  return runCommand([verb, "--control", control, ...args]);
}

export function writePlain(
  configFile: string,
  lines: readonly string[],
  listen: readonly string[],
): void {
  const pools = listen.flatMap((address, index) => [
    `  pool${index}:`,
    `    listen: ${address}`,
    "    servers: [127.0.0.1:1:1]",
  ]);
  writeFileSync(configFile, [...lines, "pools:", ...pools, ""].join("\n"));
}

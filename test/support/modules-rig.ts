/** A proxy with modules, in files of its own. */
import { cpSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { freePort } from "./free-port.ts";
import { type ProxyProcess, startProxy } from "./proxy-process.ts";
import { RespClient } from "./resp-client.ts";
import { makeDirectory } from "./server-process.ts";

const CONTRIB = join(import.meta.dir, "../../contrib/modules");

export interface ModulesRig {
  readonly folder: string;
  /** Where the modules are; those of contrib are there from the start. */
  path(name: string): string;
  write(name: string, code: string): void;
}

export function modulesRig(): ModulesRig {
  const folder = join(makeDirectory("modules"), "own");
  // Other users may not write there, whatever the umask of the tests is.
  mkdirSync(folder, { mode: 0o700 });
  cpSync(CONTRIB, folder, { recursive: true });
  const path = (name: string): string => join(folder, name);
  return { folder, path, write: (name, code) => writeFileSync(path(name), code, { mode: 0o600 }) };
}

export interface PoolText {
  readonly name: string;
  readonly lines: readonly string[];
}

/** The text of a configuration with these modules and pools; each pool has a port of its own. */
export function configWith(modules: readonly string[], pools: readonly PoolText[]): string {
  const texts = pools.map(({ name, lines }) => {
    const all = [`listen: 127.0.0.1:${freePort()}`, ...lines];
    return `  ${name}:\n${all.map((line) => `    ${line}\n`).join("")}`;
  });
  return `modules: ${JSON.stringify(modules)}\npools:\n${texts.join("")}`;
}

/** A proxy of one worker with a client for each of its pools. */
export async function startWith(
  config: string,
  stops: (() => Promise<void>)[],
  workers = 1,
): Promise<{ readonly proxy: ProxyProcess; readonly clients: readonly RespClient[] }> {
  const proxy = await startProxy({ config, args: ["--workers", String(workers)] });
  stops.push(() => proxy.stop());
  const clients: RespClient[] = [];
  for (const endpoint of proxy.endpoints) {
    const client = await RespClient.connect(endpoint);
    stops.push(async () => client.close());
    clients.push(client);
  }
  return { proxy, clients };
}

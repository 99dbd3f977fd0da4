/** Which configuration file is meant when the command line names none. */
import { accessSync, constants } from "node:fs";

/** In the order they are tried. The last is nutcracker's own default. */
export const DEFAULT_CONFIG_FILES: readonly string[] = [
  "./proxy.yaml",
  "/etc/proxy/proxy.yaml",
  "conf/nutcracker.yml",
];

/** The least that a file must say: for the message of a first start. */
export const MINIMAL_CONFIG = `pools:
  main:
    listen: 127.0.0.1:22121
    servers:
      - 127.0.0.1:6379:1
`;

/** @returns the first readable file, or null */
export function findConfig(candidates: readonly string[] = DEFAULT_CONFIG_FILES): string | null {
  return candidates.find(isReadable) ?? null;
}

/** What to say when there is no configuration at all. */
export function explainNoConfig(candidates: readonly string[] = DEFAULT_CONFIG_FILES): string {
  return [
    `no configuration file: looked for ${candidates.join(", ")}`,
    "",
    "Name one with -c FILE, or write this to proxy.yaml (it proxies one Redis server):",
    "",
    ...MINIMAL_CONFIG.trimEnd()
      .split("\n")
      .map((line) => `  ${line}`),
    "",
    "To try it without any file or server: proxy dev",
  ].join("\n");
}

function isReadable(path: string): boolean {
  try {
    accessSync(path, constants.R_OK);
    return true;
  } catch {
    return false;
  }
}

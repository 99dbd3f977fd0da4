/** What was found last, on disk: a proxy that starts while the source is away has its servers. */
import {
  closeSync,
  fsyncSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import type { ServerConfig } from "../../api/config.ts";
import { formatServerList, readServerList } from "./server-list.ts";

const HEAD =
  "# The servers that were found last. The proxy writes this file, and reads it when it starts.\n";

/** @returns none: there is no such file. @throws an Error in words */
export function readKept(path: string): ServerConfig[] {
  try {
    return readServerList(readFileSync(path, "utf8"));
  } catch (error) {
    if ((error as { readonly code?: string }).code === "ENOENT") return [];
    throw error;
  }
}

/** Readers see the old servers or the new ones. @throws an Error in words */
export function writeKept(path: string, servers: readonly ServerConfig[]): void {
  const made = `${path}.${process.pid}.new`;
  rmSync(made, { force: true });
  // Never a file, or a link, that another user has put there.
  const fd = openSync(made, "wx", 0o644);
  try {
    writeFileSync(fd, HEAD + formatServerList(servers));
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
  renameSync(made, path);
}

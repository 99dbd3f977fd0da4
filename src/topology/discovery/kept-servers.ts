/** What was found last, on disk: a proxy that starts while the source is away has its servers. */
import { readFileSync } from "node:fs";
import { open, rename, rm } from "node:fs/promises";
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

/**
 * Readers see the old servers or the new ones. A disk may be slow, so no event loop waits for it; call it again when it is done.
 * Rejects with an Error in words.
 */
export async function writeKept(path: string, servers: readonly ServerConfig[]): Promise<void> {
  const made = `${path}.${process.pid}.new`;
  await rm(made, { force: true });
  // Never a file, or a link, that another user has put there.
  const file = await open(made, "wx", 0o644);
  try {
    await file.writeFile(HEAD + formatServerList(servers));
    await file.sync();
  } finally {
    await file.close();
  }
  await rename(made, path);
}

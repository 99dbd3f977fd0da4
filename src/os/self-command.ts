/** How to start this very program again. */
import { readFileSync, readlinkSync, realpathSync } from "node:fs";
import { resolve } from "node:path";

/** Where Bun keeps the sources inside a compiled executable. */
const COMPILED_PREFIX = "/$bunfs/";

/**
 * The command that starts this program, without arguments of its own.
 *
 * It names the running executable, not its path: after the file was replaced or removed, children still are of the same
 * version as their parent.
 */
export function selfCommand(): string[] {
  return ["/proc/self/exe", ...selfScript()];
}

/** The script that stands before the arguments when this program is run from its sources. */
export function selfScript(): string[] {
  return Bun.main.startsWith(COMPILED_PREFIX) ? [] : [Bun.main];
}

/**
 * The path that this program was started by: what a new version of it is copied to. A symbolic link stays one.
 * To be called early: later the file may be another.
 */
export function selfPath(): string {
  const running = readlinkSync("/proc/self/exe");
  const name = readFileSync("/proc/self/cmdline", "utf8").split("\0")[0] ?? "";
  const path = name.includes("/") ? resolve(name) : Bun.which(name);
  try {
    // A name may be anything: it counts only when it leads here.
    if (path !== null && realpathSync(path) === running) return path;
  } catch {
    // It leads nowhere.
  }
  return running;
}

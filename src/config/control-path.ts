/**
 * Where the control socket of a proxy is when nothing names it: found from its configuration file alone, so that
 * `proxy status -c FILE` needs to be told no more than `proxy run -c FILE` was.
 */
import { createHash } from "node:crypto";
import { join } from "node:path";

/** What of this process decides. */
export interface ControlPlace {
  readonly uid: number;
  readonly environment: Readonly<Record<string, string | undefined>>;
}

/** Where systemd's `RuntimeDirectory=proxy` is, for a caller from outside of the unit. */
const UNIT_DIRECTORY = "/run/proxy";

/** The folder is made when it is missing: it is this user's alone. */
export interface ControlPath {
  readonly path: string;
  readonly privateFolder: string | null;
}

/** Where the proxy with this configuration file (absolute path) listens for commands. */
export function controlPath(file: string, place: ControlPlace): ControlPath {
  const { uid, environment } = place;
  const name = `proxy-${fingerprint(file)}.sock`;
  const unit = environment["RUNTIME_DIRECTORY"]?.split(":")[0];
  if (unit !== undefined && unit !== "") return { path: join(unit, name), privateFolder: null };
  if (uid === 0) return { path: join("/run", name), privateFolder: null };
  const user = environment["XDG_RUNTIME_DIR"];
  if (user !== undefined && user !== "") return { path: join(user, name), privateFolder: null };
  const folder = `/tmp/proxy-${uid}`;
  return { path: join(folder, name), privateFolder: folder };
}

/** Where a command looks for it, the likeliest place first: the proxy may run as another user, or under systemd. */
export function controlPaths(file: string, place: ControlPlace): readonly string[] {
  const { path } = controlPath(file, place);
  const name = `proxy-${fingerprint(file)}.sock`;
  return [...new Set([path, join(UNIT_DIRECTORY, name), join("/run", name)])];
}

function fingerprint(file: string): string {
  return createHash("sha256").update(file).digest("hex").substring(0, 12);
}

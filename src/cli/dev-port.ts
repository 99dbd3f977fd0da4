/** Which port `proxy dev` listens on. */

export const DEV_HOST = "127.0.0.1";
/** nutcracker's customary port. */
export const DEV_PORT = 22121;
/** How many ports from there on are tried. */
const TRIES = 20;
const PORT_MAX = 65_535;

/** False when a process listens there already, whether or not it would share it. */
export function isPortFree(port: number): boolean {
  try {
    Bun.listen({ hostname: DEV_HOST, port, socket: { data() {} } }).stop(true);
    return true;
  } catch (error) {
    // Any other reason is told best by the process that opens the socket for good.
    return !(error instanceof Error && "code" in error && error.code === "EADDRINUSE");
  }
}

/** The first free port from `first` on, or null. */
export function findFreePort(first: number = DEV_PORT): number | null {
  const last = Math.min(first + TRIES - 1, PORT_MAX);
  for (let port = first; port <= last; port += 1) if (isPortFree(port)) return port;
  return null;
}

/** What to say when `findFreePort` finds none. */
export function noFreePort(flag: string, first: number): string {
  return `ports ${first} to ${first + TRIES - 1} of ${DEV_HOST} are all in use; name one with --${flag}`;
}

/** Where clients of a pool shall go, as operators say it: `host`, `host:port`, `[ipv6]:port`. */

export interface ClientTarget {
  /** With the brackets of IPv6. */
  readonly host: string;
  /** Null: the port of the pool. */
  readonly port: number | null;
}

const PORT_MAX = 65_535;

/** Null: it is no such place. */
export function parseClientTarget(text: string): ClientTarget | null {
  const [, host = "", digits] = /^([\w.-]+|\[[0-9A-Fa-f:.]+\])(?::(\d{1,5}))?$/.exec(text) ?? [];
  if (host === "") return null;
  if (digits === undefined) return { host, port: null };
  const port = Number(digits);
  return port >= 1 && port <= PORT_MAX ? { host, port } : null;
}

/** How a configuration says where a pool's servers are found. */
import type { DiscoverySource } from "../api/discovery.ts";
import { parseServerAddress } from "./address.ts";
import { quote } from "./problem.ts";

/** The pool lists its servers, and their names are resolved. */
export const NAMES = "names";

export const DISCOVERY_EXPECTED =
  "dns:NAME:PORT, srv:NAME, file:/PATH, endpoint:HOST:PORT (config get cluster) or names";

/** @returns a text: what is wrong with it */
export function parseDiscovery(text: string): DiscoverySource | string {
  if (text === NAMES) return { kind: NAMES };
  const colon = text.indexOf(":");
  const kind = colon < 0 ? text : text.substring(0, colon);
  const rest = text.substring(colon + 1);
  switch (colon < 0 ? "" : kind) {
    case "dns": {
      const address = parseServerAddress(rest);
      if (typeof address === "string" || address.kind !== "tcp") break;
      return { kind: "dns", host: address.host, port: address.port };
    }
    case "srv":
      if (!/^[\w-]+(\.[\w-]+)*\.?$/.test(rest)) break;
      return { kind: "srv", name: rest };
    case "file":
      if (!rest.startsWith("/")) return `the file of ${quote(text)} needs an absolute path`;
      return { kind: "file", path: rest };
    case "endpoint": {
      const address = parseServerAddress(rest);
      if (typeof address === "string" || address.kind !== "tcp") break;
      return { kind: "endpoint", address };
    }
  }
  return `expected ${DISCOVERY_EXPECTED}, found ${quote(text)}`;
}

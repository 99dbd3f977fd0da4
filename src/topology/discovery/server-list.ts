/** A list of servers as text: one in each line, as `servers` of a configuration has them; `#` begins a remark. */
import type { ServerConfig } from "../../api/config.ts";
import { DISCOVERED_SERVERS_MAX } from "../../base/discovery-limits.ts";
import { formatAddress, parseServer, parseServerAddress } from "../../config/address.ts";

/** @throws an Error in words; a list that is in error in one line says nothing of who has gone */
export function readServerList(text: string): ServerConfig[] {
  const servers = new Map<string, ServerConfig>();
  for (const [index, line] of text.split("\n").entries()) {
    const entry = line.replace(/#.*/, "").trim().replace(/^- +/, "");
    if (entry === "") continue;
    const server = readEntry(entry);
    if (typeof server === "string") throw new Error(`line ${index + 1}: ${server}`);
    if (servers.has(server.name)) throw new Error(`line ${index + 1}: ${server.name} again`);
    servers.set(server.name, server);
  }
  if (servers.size > DISCOVERED_SERVERS_MAX) {
    throw new Error(`${servers.size} servers, at most ${DISCOVERED_SERVERS_MAX}`);
  }
  return [...servers.values()];
}

/** The weight may be left out: then it is 1. */
function readEntry(text: string): ServerConfig | string {
  const [place = "", ...rest] = text.split(/\s+/);
  const bare = /^[^:]+:\d+$|^\[[^\]]+\]:\d+$/.test(place) && !place.startsWith("/");
  if (bare && typeof parseServerAddress(place) !== "string") {
    return parseServer([`${place}:1`, ...rest].join(" "));
  }
  return parseServer(text);
}

export function formatServerList(servers: readonly ServerConfig[]): string {
  const lines = servers.map(({ address, weight, name }) => {
    return `${formatAddress(address)}:${weight} ${name}\n`;
  });
  return lines.join("");
}

/** A pool's `servers`: read from the file and put in ring order. */
import type { Address, ServerConfig } from "../api/config.ts";
import { sortServers } from "../base/sort-servers.ts";
import { defaultServerName, parseServer, parseServerAddress } from "./address.ts";
import { describe, type MapNode, type Node } from "./document.ts";
import { optionsAt } from "./options.ts";
import { quote } from "./problem.ts";
import { readMap, type Scope, type Values } from "./scope.ts";

/** The ring numbers its servers in 16 bits. */
export const SERVERS_MAX = 65_535;

/**
 * @param scope of the pool
 * @param node the value of `option`; undefined: the file has none, which is reported elsewhere
 * @returns the entries that are right, sorted
 */
export function readServers(
  scope: Scope,
  node: Node | undefined,
  option: "servers" | "spares" = "servers",
): ServerConfig[] {
  if (node === undefined) return [];
  const { problems } = scope;
  const path = `${scope.path}${option}`;
  if (node.kind !== "list" || node.items.length === 0) {
    const found = node.kind === "list" ? "an empty list" : describe(node);
    const isDashed = node.kind === "scalar" && node.text.startsWith("-");
    const hint = isDashed ? '; a blank is missing behind "-"' : "";
    const message = `${scope.label}${option}: expected a list, each entry as host:port:weight name, found ${found}${hint}`;
    problems.error(node.offset, path, message);
    return [];
  }
  if (node.items.length > SERVERS_MAX) {
    problems.error(node.offset, path, `${scope.label}more than ${SERVERS_MAX} ${option}`);
    return [];
  }
  const servers: ServerConfig[] = [];
  const lineByName = new Map<string, number>();
  for (const [index, item] of node.items.entries()) {
    const server = readServer(scope, item, index);
    if (server === null) continue;
    const line = lineByName.get(server.name);
    if (line === undefined) {
      lineByName.set(server.name, problems.lineOf(item.offset));
      servers.push(server);
    } else {
      const message = `${scope.label}two servers have the name ${quote(server.name)}; the first is in line ${line}`;
      problems.error(item.offset, `${path}[${index}]`, message);
    }
  }
  return sortServers(servers);
}

function readServer(scope: Scope, item: Node, index: number): ServerConfig | null {
  const path = `${scope.path}servers[${index}]`;
  if (item.kind === "map" && scope.form === "native") return readServerMap(scope, item, index);
  if (item.kind === "scalar") {
    const server = parseServer(item.text);
    if (typeof server !== "string") return server;
    const message = `${scope.label}server ${quote(item.text)}: ${server}`;
    scope.problems.error(item.offset, path, message);
    return null;
  }
  // `- host: 1` instead of `- host:1`: YAML reads a colon before a space as a map.
  const hint = item.kind === "map" ? " (a space behind a colon makes a map of it)" : "";
  const message = `${scope.label}servers: expected host:port:weight name, found ${describe(item)}${hint}`;
  scope.problems.error(item.offset, path, message);
  return null;
}

function readServerMap(scope: Scope, map: MapNode, index: number): ServerConfig | null {
  const errorsBefore = scope.problems.errorCount;
  const values = readMap(
    {
      ...scope,
      where: "server",
      options: optionsAt("server"),
      label: `${scope.label}server ${index + 1}: `,
      path: `${scope.path}servers[${index}].`,
    },
    map,
  );
  if (scope.problems.errorCount > errorsBefore) return null;
  const address = values.address("address");
  const alias = values.textOrNull("name");
  if (alias !== null && /\s/.test(alias)) {
    const message = `${scope.label}server ${index + 1}: a name cannot hold a space, found ${quote(alias)}`;
    scope.problems.error(values.offsetOf("name"), `${scope.path}servers[${index}].name`, message);
    return null;
  }
  const replicas = readReplicas(scope, values, index);
  const node = values.node("address");
  const text = node?.kind === "scalar" ? node.text : "";
  return {
    address,
    weight: values.number("weight"),
    name: alias ?? defaultServerName(text, address),
    ...(replicas.length > 0 ? { replicas } : {}),
  };
}

/** Addresses from which the server's data may be read, too. */
function readReplicas(scope: Scope, values: Values, index: number): Address[] {
  const texts = values.peek("replicas");
  if (!Array.isArray(texts)) return [];
  return (texts as readonly string[]).flatMap((text) => {
    const address = parseServerAddress(text);
    if (typeof address !== "string") return [address];
    const message = `${scope.label}server ${index + 1}: replica ${quote(text)}: ${address}`;
    const path = `${scope.path}servers[${index}].replicas`;
    scope.problems.error(values.offsetOf("replicas"), path, message);
    return [];
  });
}

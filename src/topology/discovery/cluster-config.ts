/** What a configuration endpoint of Memcached clusters says to `config get cluster`: who the nodes are. */
import type { ServerConfig } from "../../api/config.ts";
import { defaultServerName, formatAddress } from "../../config/address.ts";

export const CLUSTER_CONFIG_REQUEST: Buffer = Buffer.from("config get cluster\r\n");

const END = Buffer.from("\r\nEND\r\n");
const ERROR = /^(?:ERROR|CLIENT_ERROR|SERVER_ERROR)[^\r\n]*\r\n/;

/** Where the reply that begins the bytes ends; 0: it is not complete. */
export function endOfClusterConfig(bytes: Buffer): number {
  const error = ERROR.exec(bytes.toString("latin1", 0, 256));
  if (error !== null) return error[0].length;
  const at = bytes.indexOf(END);
  return at < 0 ? 0 : at + END.length;
}

/**
 * The reply is `CONFIG cluster FLAGS LENGTH`, then a version and a line of `host|ip|port` for each node, and `END`.
 * @param reply whole @throws an Error in words
 */
export function readClusterConfig(reply: Buffer): ServerConfig[] {
  const [head = "", version = "", nodes = ""] = reply.toString("latin1").split(/\r?\n/);
  if (!head.startsWith("CONFIG cluster ")) {
    throw new Error(`it does not know "config get cluster": ${head.substring(0, 80)}`);
  }
  if (!/^\d+$/.test(version.trim())) throw new Error("its answer has no version");
  return nodes
    .split(" ")
    .filter((node) => node.trim() !== "")
    .map(readNode);
}

function readNode(text: string): ServerConfig {
  const [host = "", ip = "", portText = "", ...rest] = text.trim().split("|");
  const port = /^\d{1,5}$/.test(portText) ? Number(portText) : 0;
  const at = ip === "" ? host : ip;
  if (at === "" || /\s/.test(host) || port < 1 || port > 65_535 || rest.length > 0) {
    throw new Error(`its answer has a node that is none: ${text.substring(0, 80)}`);
  }
  const named = { kind: "tcp", host: host === "" ? ip : host, port } as const;
  return {
    name: defaultServerName(formatAddress(named), named),
    address: { kind: "tcp", host: at, port },
    weight: 1,
  };
}

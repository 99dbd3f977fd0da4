/** `config get cluster`, which clients of ElastiCache ask to find the nodes: this proxy is all of them. */
import { ERROR } from "../../codec/text/replies.ts";

/** Clients look at the nodes again when it grows. */
const VERSION = 1;

/** @param at where the client has connected: "10.0.0.1:11211", or what is no such place. @returns the reply */
export function clusterConfig(at: string): Buffer {
  const colon = at.lastIndexOf(":");
  const port = Number(at.substring(colon + 1));
  // Clients on unix sockets know where the proxy is.
  if (colon < 0 || !Number.isInteger(port) || port <= 0) return ERROR;
  const host = at.substring(0, colon).replace(/^\[|\]$/g, "");
  const config = `${VERSION}\n${host}|${host}|${port}\n`;
  return Buffer.from(`CONFIG cluster 0 ${config.length}\r\n${config}\r\nEND\r\n`);
}

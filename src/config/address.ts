/**
 * Addresses as they are written in a file.
 *
 * As in twemproxy the parts are cut off from the end, so an IPv6 address works with and without brackets.
 * Parsers answer with a string when the text is wrong: what was expected, as the end of a sentence.
 */
import { isIPv6 } from "node:net";
import type { Address } from "../api/config.ts";

/** The longest path that the kernel takes for a unix socket (sun_path, without its final zero). */
const UNIX_PATH_BYTES_MAX = 107;

/** An entry of `servers`, taken apart. */
export interface ServerText {
  readonly address: Address;
  readonly weight: number;
  /** The alias, or the name that the ring takes when there is none. */
  readonly name: string;
}

/** `host:port`, `*:port`, `/path` or `/path 0660`. */
export function parseListen(text: string): Address | string {
  if (!text.startsWith("/")) return parseTcp(text, true);
  const space = text.lastIndexOf(" ");
  if (space < 0) return parseUnix(text, null);
  const modeText = text.substring(space + 1);
  if (!/^[0-7]{1,4}$/.test(modeText) || Number.parseInt(modeText, 8) > 0o777) {
    return "the socket's permissions must be octal, at most 0777, as in /run/proxy.sock 0660";
  }
  return parseUnix(text.substring(0, space).trimEnd(), Number.parseInt(modeText, 8));
}

/** `host:port` or `/path`. */
export function parseServerAddress(text: string): Address | string {
  return text.startsWith("/") ? parseUnix(text, null) : parseTcp(text, false);
}

/** `host:port:weight name` or `/path:weight name`; the name is optional. */
export function parseServer(text: string): ServerText | string {
  const match = /^(\S+)(?:\s+(\S+))?$/.exec(text.trim());
  const expected = text.startsWith("/")
    ? "expected /path:weight or /path:weight name"
    : "expected host:port:weight or host:port:weight name";
  const place = match?.[1];
  if (place === undefined) return expected;
  const colon = place.lastIndexOf(":");
  if (colon <= 0) return expected;
  const addressText = place.substring(0, colon);
  const weightText = place.substring(colon + 1);
  if (!addressText.startsWith("/") && !addressText.includes(":")) {
    return `${expected} (is the weight missing? write ${place}:1)`;
  }
  const address = parseServerAddress(addressText);
  if (typeof address === "string") return address;
  const weight = /^\d{1,10}$/.test(weightText) ? Number(weightText) : Number.NaN;
  if (!(weight >= 1 && weight <= 2_147_483_647)) {
    return `the weight must be a whole number from 1 to 2147483647, not "${weightText}"`;
  }
  return { address, weight, name: match?.[2] ?? defaultServerName(addressText, address) };
}

/**
 * The name that places a server on the ring when it has no alias; must be twemproxy's to the byte.
 *
 * `host:port` as written, but `host` alone for port 11211 (libmemcached's rule), and for a unix socket the path
 * with a colon behind it: nutcracker 0.5.0 takes the length of `host:port` there too, with a port of length 0.
 */
export function defaultServerName(addressText: string, address: Address): string {
  if (address.kind === "unix") return `${address.path}:`;
  return address.port === 11211
    ? addressText.substring(0, addressText.lastIndexOf(":"))
    : addressText;
}

/** The place of a server whose address has to be asked for: `host` is the name of a master, and `port` is 0. */
export function isAsked(address: Address): boolean {
  return address.kind === "tcp" && address.port === 0;
}

/** An address as it is written in a file; IPv6 in brackets. */
export function formatAddress(address: Address): string {
  if (address.kind === "tcp") {
    if (isAsked(address)) return `master ${address.host}`;
    const host = address.host.includes(":") ? `[${address.host}]` : address.host;
    return `${host}:${address.port}`;
  }
  return address.mode === null
    ? address.path
    : `${address.path} 0${address.mode.toString(8).padStart(3, "0")}`;
}

function parseUnix(path: string, mode: number | null): Address | string {
  if (Buffer.byteLength(path) > UNIX_PATH_BYTES_MAX) {
    return `the path of a unix socket may have at most ${UNIX_PATH_BYTES_MAX} bytes`;
  }
  return path.length > 1 ? { kind: "unix", path, mode } : "expected the path of a socket";
}

function parseTcp(text: string, wildcard: boolean): Address | string {
  const colon = text.lastIndexOf(":");
  if (colon < 0) return "expected host:port or /path";
  const portText = text.substring(colon + 1);
  const port = /^\d{1,9}$/.test(portText) ? Number(portText) : 0;
  if (port < 1 || port > 65_535) return `the port must be from 1 to 65535, not "${portText}"`;
  let host = text.substring(0, colon);
  if (host.startsWith("[") && host.endsWith("]")) host = host.substring(1, host.length - 1);
  if (host === "*" && wildcard) host = "0.0.0.0";
  if (host === "")
    return `the host before :${portText} is missing${wildcard ? " (write * for all)" : ""}`;
  const isHost = host.includes(":") ? isIPv6(host) : /^[0-9A-Za-z._-]+$/.test(host);
  if (!isHost) return `"${host}" is no host name or address`;
  return { kind: "tcp", host, port };
}

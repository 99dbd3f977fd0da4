/**
 * The header of the PROXY protocol, with which a load balancer says first on a connection whose it is.
 *
 *   version 1: "PROXY TCP4 192.0.2.1 192.0.2.2 56324 6379\r\n"
 *   version 2: 12 bytes of signature, version and command, family, length, addresses, further facts
 */
import { isIPv4, isIPv6 } from "node:net";
import type { ClientAddress } from "../api/move.ts";
import { PROXY_HEADER_BYTES_MAX } from "../base/limits.ts";
import { originOf } from "../base/origin.ts";
import { AF_INET, AF_INET6, ipAddress, ipText } from "../os/socket-address.ts";

/** Of a header that is whole: its length in bytes, and the addresses that it tells; null: it says that they are the connection's own. */
export interface ProxyHeader {
  readonly length: number;
  readonly address: ClientAddress | null;
}

/** Null: more must come. A text: what is wrong with it. */
export type HeaderScan = ProxyHeader | string | null;

const WORD: Buffer = Buffer.from("PROXY ");
/** Longest line of version 1, with its end. */
const LINE_BYTES_MAX = 107;
const SIGNATURE: Buffer = Buffer.from("\r\n\r\n\0\r\nQUIT\n", "latin1");
/** What stands before the addresses in version 2. */
const PREFIX_BYTES = 16;
const LF = 10;
const CR = 13;

/** @param bytes [start, end) is what has come so far; at most PROXY_HEADER_BYTES_MAX of it are looked at */
export function scanProxyHeader(bytes: Buffer, start: number, end: number): HeaderScan {
  if (start === end) return null;
  if (bytes[start] === WORD[0]) return scanLine(bytes, start, end);
  if (bytes[start] === SIGNATURE[0]) return scanBinary(bytes, start, end);
  return "it begins with something else";
}

/** Whether bytes[start, end) begin as `expected` does, as far as they go. */
function beginsWith(expected: Buffer, bytes: Buffer, start: number, end: number): boolean {
  const length = Math.min(expected.length, end - start);
  return bytes.compare(expected, 0, length, start, start + length) === 0;
}

function scanLine(bytes: Buffer, start: number, end: number): HeaderScan {
  if (!beginsWith(WORD, bytes, start, end)) return "it begins with something else";
  const most = Math.min(end, start + LINE_BYTES_MAX);
  let at = start;
  while (at < most && bytes[at] !== LF) at++;
  if (at === most) return at - start < LINE_BYTES_MAX ? null : "its line does not end";
  if (bytes[at - 1] !== CR) return "its line ends without a carriage return";
  const length = at + 1 - start;
  const words = bytes.toString("latin1", start + WORD.length, at - 1).split(" ");
  // What stands behind it is not to be looked at.
  if (words[0] === "UNKNOWN") return { length, address: null };
  const address = addressOfLine(words);
  return address === null ? "its addresses are not understood" : { length, address };
}

function addressOfLine(words: readonly string[]): ClientAddress | null {
  const [family, ip = "", localIp = "", port = "", localPort = ""] = words;
  if (words.length !== 5 || !isPort(port) || !isPort(localPort)) return null;
  if (family === "TCP4" && isIPv4(ip) && isIPv4(localIp)) {
    return clientAddress(ip, Number(port), localIp, Number(localPort));
  }
  if (family !== "TCP6" || !isPlainIPv6(ip) || !isPlainIPv6(localIp)) return null;
  return clientAddress(asWritten(ip), Number(port), asWritten(localIp), Number(localPort));
}

/** As the kernel's addresses are written: one address has one text. */
function asWritten(ip: string): string {
  const address = ipAddress(ip, 0);
  return address === null ? ip : ipText(address);
}

function isPlainIPv6(ip: string): boolean {
  return isIPv6(ip) && !ip.includes("%");
}

function isPort(text: string): boolean {
  return /^(0|[1-9]\d{0,4})$/.test(text) && Number(text) <= 65_535;
}

const LOCAL = 0x20;
const PROXIED = 0x21;
const TCP_IPV4 = 0x11;
const TCP_IPV6 = 0x21;
const UNIX_STREAM = 0x31;
/** Bytes of the addresses of each of them. */
const ADDRESS_BYTES: ReadonlyMap<number, number> = new Map([
  [TCP_IPV4, 12],
  [TCP_IPV6, 36],
  [UNIX_STREAM, 216],
]);

function scanBinary(bytes: Buffer, start: number, end: number): HeaderScan {
  if (!beginsWith(SIGNATURE, bytes, start, end)) return "it begins with something else";
  if (end - start < PREFIX_BYTES) return null;
  const command = bytes[start + 12]!;
  if (command !== LOCAL && command !== PROXIED) return "its version or command is not known";
  const length = PREFIX_BYTES + bytes.readUInt16BE(start + 14);
  if (length > PROXY_HEADER_BYTES_MAX) return `it is longer than ${PROXY_HEADER_BYTES_MAX} bytes`;
  const family = bytes[start + 13]!;
  const needed = ADDRESS_BYTES.get(family);
  // Of other families, such as datagrams, nothing can be told: the connection's own addresses hold, as the protocol wants it.
  const isTold = command === PROXIED && needed !== undefined;
  if (isTold && length < PREFIX_BYTES + needed) return "its addresses are cut off";
  if (end - start < length) return null;
  return { length, address: isTold ? addressOfBinary(family, bytes, start + PREFIX_BYTES) : null };
}

function addressOfBinary(family: number, bytes: Buffer, at: number): ClientAddress {
  if (family === UNIX_STREAM) return { peer: "unix", origin: "unix", localAddress: "unix" };
  const size = family === TCP_IPV4 ? 4 : 16;
  const ports = at + 2 * size;
  return clientAddress(
    textOf(bytes, at, size),
    bytes.readUInt16BE(ports),
    textOf(bytes, at + size, size),
    bytes.readUInt16BE(ports + 2),
  );
}

/** The address of 4 or 16 bytes as text. */
function textOf(bytes: Buffer, at: number, size: number): string {
  const isV4 = size === 4;
  const place = isV4 ? 4 : 8;
  const address = Buffer.alloc(place + size);
  bytes.copy(address, place, at, at + size);
  return ipText({ family: isV4 ? AF_INET : AF_INET6, bytes: address });
}

function clientAddress(
  ip: string,
  port: number,
  localIp: string,
  localPort: number,
): ClientAddress {
  return {
    peer: `${ip}:${port}`,
    origin: originOf(ip),
    localAddress: `${localIp}:${localPort}`,
  };
}

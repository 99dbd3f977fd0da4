/** The binary form of a socket address (struct sockaddr_in, _in6, _un), as Linux lays it out. */
import { isIPv4, isIPv6 } from "node:net";
import { copyOf } from "../base/copy-of.ts";
import { cString, libc } from "./libc.ts";

export const AF_UNIX = 1;
export const AF_INET = 2;
export const AF_INET6 = 10;

/** Bytes that sun_path has room for, without the closing zero. */
export const UNIX_PATH_BYTES_MAX = 107;

/** Room for an IPv6 address as text. */
const IP_TEXT_BYTES = 64;

export interface SocketAddress {
  readonly family: number;
  readonly bytes: Buffer;
}

/** `ip` is an IPv4 or IPv6 address; the latter may end in a zone (`fe80::1%eth0`). Null: it is neither. */
export function ipAddress(ip: string, port: number): SocketAddress | null {
  if (isIPv4(ip)) {
    const bytes = zeroed(16);
    bytes.writeUInt16LE(AF_INET, 0);
    bytes.writeUInt16BE(port, 2);
    libc.inet_pton(AF_INET, cString(ip), bytes.subarray(4));
    return { family: AF_INET, bytes };
  }
  if (!isIPv6(ip)) return null;
  const [address, zone] = ip.split("%");
  const bytes = zeroed(28);
  bytes.writeUInt16LE(AF_INET6, 0);
  bytes.writeUInt16BE(port, 2);
  libc.inet_pton(AF_INET6, cString(address ?? ""), bytes.subarray(8));
  if (zone !== undefined) bytes.writeUInt32LE(zoneIndex(zone), 24);
  return { family: AF_INET6, bytes };
}

/** Null: the path is empty or too long. */
export function unixAddress(path: string): SocketAddress | null {
  const length = Buffer.byteLength(path);
  if (length === 0 || length > UNIX_PATH_BYTES_MAX) return null;
  const bytes = zeroed(2 + length + 1);
  bytes.writeUInt16LE(AF_UNIX, 0);
  bytes.write(path, 2);
  return { family: AF_UNIX, bytes };
}

/** A name of the abstract namespace, without its leading zero byte. Null: it is empty or too long. */
export function abstractAddress(name: string): SocketAddress | null {
  const length = Buffer.byteLength(name);
  if (length === 0 || length > UNIX_PATH_BYTES_MAX) return null;
  const bytes = zeroed(3 + length);
  bytes.writeUInt16LE(AF_UNIX, 0);
  bytes.write(name, 3);
  return { family: AF_UNIX, bytes };
}

/** "127.0.0.1:80", "[::1]:80", a path, "@abstract"; null: no such address. One address has one text. */
export function addressText({ family, bytes }: SocketAddress): string | null {
  if (family === AF_UNIX) return unixName(bytes);
  if (family !== AF_INET && family !== AF_INET6) return null;
  const ip = ipText({ family, bytes });
  const port = bytes.readUInt16BE(2);
  return family === AF_INET ? `${ip}:${port}` : `[${ip}]:${port}`;
}

/** "127.0.0.1", "::1": the address without its port, of an address of AF_INET or AF_INET6. */
export function ipText({ family, bytes }: SocketAddress): string {
  const isV4 = family === AF_INET;
  const text = zeroed(IP_TEXT_BYTES);
  libc.inet_ntop(family, copyOf(bytes, isV4 ? 4 : 8, isV4 ? 8 : 24), text, IP_TEXT_BYTES);
  return text.toString("latin1", 0, text.indexOf(0));
}

function unixName(bytes: Buffer): string | null {
  if (bytes.length <= 2) return null;
  if (bytes[2] === 0) return `@${bytes.toString("utf8", 3)}`;
  const end = bytes.indexOf(0, 2);
  return bytes.toString("utf8", 2, end < 0 ? bytes.length : end);
}

function zoneIndex(zone: string): number {
  return /^\d+$/.test(zone) ? Number(zone) : libc.if_nametoindex(cString(zone));
}

/** Memory that C may fill: a buffer of its own never moves, whatever its size. */
function zeroed(length: number): Buffer {
  return Buffer.from(new ArrayBuffer(length));
}

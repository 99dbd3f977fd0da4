/** The binary form of a socket address (struct sockaddr_in, _in6, _un), as Linux lays it out. */
import { isIPv4, isIPv6 } from "node:net";
import { cString, libc } from "./libc.ts";

export const AF_UNIX = 1;
export const AF_INET = 2;
export const AF_INET6 = 10;

/** Bytes that sun_path has room for, without the closing zero. */
export const UNIX_PATH_BYTES_MAX = 107;

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

function zoneIndex(zone: string): number {
  return /^\d+$/.test(zone) ? Number(zone) : libc.if_nametoindex(cString(zone));
}

/** Memory that C may fill: a buffer of its own never moves, whatever its size. */
function zeroed(length: number): Buffer {
  return Buffer.from(new ArrayBuffer(length));
}

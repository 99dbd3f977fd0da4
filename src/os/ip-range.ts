/** Ranges of IP addresses, as `10.0.0.0/8` and `2001:db8::/32` write them; an address alone is a range of one. */
import { isIPv4 } from "node:net";
import { AF_INET, ipAddress } from "./socket-address.ts";

/** An address as 16 bytes, IPv4 in the form ::ffff:a.b.c.d, and how many of its leading bits the range has in common. */
export interface IpRange {
  readonly bytes: Buffer;
  readonly bits: number;
}

const IPV4_BITS = 32;
const ALL_BITS = 128;

/** Null: `text` is no range. */
export function parseIpRange(text: string): IpRange | null {
  const [, ip = "", length] = /^([0-9A-Fa-f.:]+)(?:\/(\d{1,3}))?$/.exec(text) ?? [];
  const bytes = ipBytes(ip);
  if (bytes === null) return null;
  const most = isIPv4(ip) ? IPV4_BITS : ALL_BITS;
  const bits = length === undefined ? most : Number(length);
  return bits > most ? null : { bytes, bits: ALL_BITS - most + bits };
}

/** @param ip what is no address is in no range */
export function isInRange({ bytes, bits }: IpRange, ip: string): boolean {
  const other = ipBytes(ip);
  if (other === null) return false;
  const whole = bits >> 3;
  for (let i = 0; i < whole; i++) if (bytes[i] !== other[i]) return false;
  const rest = bits & 7;
  return rest === 0 || (bytes[whole]! ^ other[whole]!) >> (8 - rest) === 0;
}

function ipBytes(ip: string): Buffer | null {
  const address = ipAddress(ip, 0);
  if (address === null) return null;
  const { family, bytes } = address;
  if (family !== AF_INET) return bytes.subarray(8, 24);
  const mapped = Buffer.alloc(16);
  mapped.fill(0xff, 10, 12);
  bytes.copy(mapped, 12, 4, 8);
  return mapped;
}

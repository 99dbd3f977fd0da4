/** Headers of the PROXY protocol, as a load balancer writes them. */
import { isIPv4 } from "node:net";

/** Both ends of the connection that the balancer took. */
export interface HeaderEnds {
  readonly ip: string;
  readonly port: number;
  readonly localIp: string;
  readonly localPort: number;
}

export function headerLine({ ip, port, localIp, localPort }: HeaderEnds): Buffer {
  const family = isIPv4(ip) ? "TCP4" : "TCP6";
  return Buffer.from(`PROXY ${family} ${ip} ${localIp} ${port} ${localPort}\r\n`);
}

const SIGNATURE = Buffer.from("\r\n\r\n\0\r\nQUIT\n", "latin1");

/** @param command of version 2: 0x21 for a proxied connection. @param family for instance 0x11 for TCP over IPv4 */
export function binaryHeader(command: number, family: number, body: Buffer): Buffer {
  const prefix = Buffer.alloc(4);
  prefix[0] = command;
  prefix[1] = family;
  prefix.writeUInt16BE(body.length, 2);
  return Buffer.concat([SIGNATURE, prefix, body]);
}

/** @param facts what stands behind the addresses */
export function binaryHeaderOf(ends: HeaderEnds, facts: Buffer = Buffer.alloc(0)): Buffer {
  const isV4 = isIPv4(ends.ip);
  const ports = Buffer.alloc(4);
  ports.writeUInt16BE(ends.port, 0);
  ports.writeUInt16BE(ends.localPort, 2);
  const addresses = [ends.ip, ends.localIp].map((ip) => (isV4 ? ipv4Bytes(ip) : ipv6Bytes(ip)));
  return binaryHeader(0x21, isV4 ? 0x11 : 0x21, Buffer.concat([...addresses, ports, facts]));
}

function ipv4Bytes(ip: string): Buffer {
  return Buffer.from(ip.split(".").map(Number));
}

/** Of an address that is written without "::". */
function ipv6Bytes(ip: string): Buffer {
  return Buffer.from(
    ip
      .split(":")
      .map((group) => group.padStart(4, "0"))
      .join(""),
    "hex",
  );
}

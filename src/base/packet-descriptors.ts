/** How many descriptors come with a packet, read off its first line: see PacketHead in src/api/control.ts. */
import { PACKET_DESCRIPTORS_USUAL } from "./limits.ts";

const FIELD = Buffer.from('"descriptors":');
const ZERO = 0x30;
/** The client's connection, and a memory file. */
const BESIDES = 2;

/** As many as come with the packet in bytes[0, length), or more. */
export function packetDescriptors(bytes: Buffer, length: number): number {
  const at = bytes.indexOf(FIELD);
  let own = 0;
  for (let i = at + FIELD.length; at >= 0 && i < length; i++) {
    const digit = bytes[i]! - ZERO;
    if (digit < 0 || digit > 9) break;
    own = own * 10 + digit;
  }
  return at < 0 ? PACKET_DESCRIPTORS_USUAL : own + BESIDES;
}

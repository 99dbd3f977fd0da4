/** Whose client a packet is, see PacketHead in src/api/control.ts. */
import type { PacketHead } from "../../api/control.ts";

const LF = 10;

/** The name of the pool; null: the packet does not say it as a packet should, and its receiver will tell. */
export function poolOf(bytes: Buffer): string | null {
  const end = bytes.indexOf(LF);
  try {
    const head = JSON.parse(
      bytes.toString("utf8", 0, end < 0 ? bytes.length : end),
    ) as Partial<PacketHead> | null;
    return typeof head?.pool === "string" ? head.pool : null;
  } catch {
    return null;
  }
}

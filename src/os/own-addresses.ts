/** The addresses of this machine. */
import { networkInterfaces } from "node:os";

/** Those of its interfaces but the loopback. */
export function ownAddresses(): string[] {
  const all = Object.values(networkInterfaces()).flatMap((addresses) => addresses ?? []);
  return all.filter(({ internal }) => !internal).map(({ address }) => address);
}

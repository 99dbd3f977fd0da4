/** Whose an address is. */

const GROUPS = 8;
/** A network of so many groups, /64, is one client's: every host in it may choose among all of its addresses. */
const NETWORK_GROUPS = 4;

/**
 * @param address an IPv4 or IPv6 address as the runtime gives it
 * @returns an IPv4 address as it is, also one that is written as an IPv6 address; of IPv6 the network
 */
export function originOf(address: string): string {
  if (!address.includes(":")) return address;
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address)?.[1];
  if (mapped !== undefined) return mapped;
  const [head = "", tail] = address.split("%")[0]!.split("::");
  const before = head === "" ? [] : head.split(":");
  const after = tail === undefined || tail === "" ? [] : tail.split(":");
  const zeros = Array<string>(Math.max(GROUPS - before.length - after.length, 0)).fill("0");
  const groups = [...before, ...zeros, ...after];
  return `${groups.filter((_, index) => index < NETWORK_GROUPS).join(":")}::/64`;
}

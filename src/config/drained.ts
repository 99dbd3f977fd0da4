/** Whether a server is drained, as levers say it: by its name or by its address. */
import type { Address } from "../api/config.ts";
import type { Lever } from "../api/steering.ts";
import { formatAddress } from "./address.ts";

export interface NamedServer {
  readonly pool: string;
  readonly name: string;
  /** Null: it is called by its address, or that is not known. */
  readonly address: Address | null;
}

export function isDrained(levers: readonly Lever[], { pool, name, address }: NamedServer): boolean {
  const at = address === null ? name : formatAddress(address);
  return levers.some(
    (lever) =>
      lever.kind === "drain" &&
      (lever.pool === null || lever.pool === pool) &&
      (lever.text === name || lever.text === at),
  );
}

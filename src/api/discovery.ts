/** Where a pool finds out who its servers are, as its configuration says it: plain JSON data. */
import type { Address } from "./config.ts";

export type DiscoverySource =
  /** Each address of a name is a server. */
  | { readonly kind: "dns"; readonly host: string; readonly port: number }
  /** Each SRV record with the best priority is a server. */
  | { readonly kind: "srv"; readonly name: string }
  /** Each line of a file is a server, as in a list of `servers`. */
  | { readonly kind: "file"; readonly path: string }
  /** A configuration endpoint is asked `config get cluster`. */
  | { readonly kind: "endpoint"; readonly address: Address }
  /** The configuration lists the servers, and their names are resolved again and again. */
  | { readonly kind: "names" };

export interface Discovery {
  /** Null: the pool finds its servers in another way, and the rest means nothing. */
  readonly source: DiscoverySource | null;
  /** As the file has it. */
  readonly text: string | null;
  /** The source is asked at least so often; and servers leave no more often. */
  readonly intervalMs: number;
  /** `address:port` of name servers; null: those of the system. */
  readonly resolvers: readonly string[] | null;
  /** Which of the servers leave that are no longer found: those that cannot be connected, or all. */
  readonly removes: "dead" | "unlisted";
  /** Path of a file that keeps what was found last, for the next start; null: nothing does. */
  readonly keep: string | null;
}

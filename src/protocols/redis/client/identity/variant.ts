import type { RespVersion } from "../../codec/encode.ts";

/** What the requests of a client need of the connection that they go over. Texts: one character per byte. */
export interface Variant {
  readonly version: RespVersion;
  /** As the client sees it. */
  readonly database: number;
  readonly user: string | null;
  /** null: the pool's own user and password. */
  readonly password: string | null;
}

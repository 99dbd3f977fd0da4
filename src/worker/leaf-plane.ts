import type { ProtocolPool } from "../api/protocol-module.ts";
import type { Route } from "../api/upstream.ts";

/** A pool that a tree leads to. */
export interface LeafPlane {
  readonly config: { readonly name: string };
  readonly route: Route;
  readonly protocol: ProtocolPool;
  /** `callback` is called after each change of `route`, for as long as both pools are there. */
  whenRouteChanges(callback: () => void): void;
}

/** How a server is named when what belongs to it moves to another process. */
import type { Route, Upstream } from "../../../api/upstream.ts";

/** Plain JSON data. Programs before format 4 of packets know no `member`, and find a server by the other two. */
export interface SavedPlace {
  readonly server: string;
  readonly address: string;
  /** See `Upstream.member`. */
  readonly member?: string;
}

export function placeOf({ member, name, address }: Upstream): SavedPlace {
  return { server: name, address, member };
}

/** The server that another process has named; undefined: it is none of the pool's. */
export function serverAt(route: Route, place: SavedPlace): Upstream | undefined {
  const { member, server, address } = place;
  return route.all.find((upstream) =>
    member === undefined
      ? upstream.name === server && upstream.address === address
      : upstream.member === member,
  );
}

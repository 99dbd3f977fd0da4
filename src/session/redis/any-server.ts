/** Commands that name no key and that every server answers alike. */
import type { Upstream } from "../../api/upstream.ts";
import type { Command } from "../../protocol/redis/command.ts";
import type { RequestView } from "../../protocol/redis/request-view.ts";
import type { RedisFrontend } from "./redis-frontend.ts";
import { NO_SERVER } from "./refusals.ts";

export function forwardToAny(client: RedisFrontend, _command: Command, view: RequestView): boolean {
  const upstream = anyServer(client);
  if (upstream === null) {
    client.refuse(NO_SERVER);
    return true;
  }
  return client.forwardTo(client.connectionTo(upstream), view);
}

/** A server that is not ejected: always the same for one client while it lives, so that order is kept. Null: there is none. */
export function anyServer({ pool, session }: RedisFrontend): Upstream | null {
  const { upstreams } = pool.route;
  for (let i = 0; i < upstreams.length; i++) {
    const upstream = upstreams[(session.lane + i) % upstreams.length]!;
    if (!upstream.isEjected) return upstream;
  }
  return null;
}

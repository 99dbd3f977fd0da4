/** All protocols that are built in. */
import type { ProtocolModule } from "../api/protocol-module.ts";
import { assert } from "../base/assert.ts";
import { memcache } from "./memcache/module.ts";
import { redis } from "./redis/module.ts";
import { tcp } from "./tcp/module.ts";

/** All that are built in. */
export const PROTOCOLS: readonly ProtocolModule[] = [redis, memcache, tcp];

/** The protocol that a pool's configuration names. */
export function protocolNamed(name: string): ProtocolModule {
  const module = PROTOCOLS.find((candidate) => candidate.name === name);
  assert(module !== undefined, `protocol ${name} is not built in`);
  return module;
}

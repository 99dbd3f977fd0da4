/** What must hold in a pool whose keys move to other servers. */
import type { ProtocolOptions } from "./options.ts";
import { quote } from "./problem.ts";
import type { ReadRoute } from "./route-tree.ts";
import type { Scope, Values } from "./scope.ts";

export function checkMigrate(
  { problems, label, path }: Scope,
  values: Values,
  protocol: ProtocolOptions | null,
): void {
  if (values.node("migrate") === undefined || values.peek("migrate") !== true) return;
  const fail = (why: string): void => {
    problems.error(values.offsetOf("migrate"), `${path}migrate`, `${label}migrate: ${why}`);
  };
  if (protocol === null) return;
  if (protocol.movesKeys !== true) {
    fail(`keys of the protocol ${protocol.name} cannot be moved to other servers`);
    return;
  }
  if (values.node("servers") === undefined) {
    fail('it needs "servers": where they are found in another way, keys go where they are told');
  }
  if (values.peek("distribution") === "random") {
    fail('with "distribution: random" a key has no server of its own');
  }
  const ejects = values.peek("auto_eject_hosts") === true;
  if (ejects || (values.peek("on_down") ?? "fail") !== "fail") {
    const option = ejects ? "auto_eject_hosts: true" : `on_down: ${values.peek("on_down")}`;
    fail(`with "${option}" keys go to other servers without being moved`);
  }
  const reads = values.node("read_from") === undefined ? "primary" : values.peek("read_from");
  if (values.node("transactions") !== undefined && values.peek("transactions") === "split") {
    fail('with "transactions: split" a key may belong elsewhere when EXEC comes');
  }
  if (reads !== "primary") fail("replicas cannot be read meanwhile: leave out read_from");
}

/** A pool as far as others may lead to it. */
export interface LedPool {
  readonly name: string;
  readonly values: Values;
  readonly route: ReadRoute | null;
}

/** A tree would go to the servers of such a pool without asking whether a key is there. */
export function checkLed({ problems }: Scope, pools: readonly LedPool[]): void {
  for (const { name, route } of pools) {
    for (const { pool, offset, path } of route?.pools ?? []) {
      const leaf = pools.find((one) => one.name === pool);
      if (leaf?.values.peek("migrate") !== true) continue;
      const message = `pool ${quote(name)}: route: pool ${quote(pool)} has "migrate: true", and no route may lead to such a pool`;
      problems.error(offset, path, message);
    }
  }
}

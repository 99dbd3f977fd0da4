/** Options of a pool whose protocol is Memcached's. */
import { type Option, type OptionSettings, option } from "../../api/option.ts";
import { choiceIn } from "../../api/option-settings.ts";
import { MIGRATE_OPTIONS } from "../moved-keys.ts";

/** What becomes of a read of a key whose server is not available. */
export type DeadServer = "error" | "miss";
const DEAD_SERVER: readonly DeadServer[] = ["error", "miss"];

export const MEMCACHE_OPTIONS: readonly Option[] = [
  option({
    name: "dead_server",
    where: "pool",
    isLive: true,
    type: { kind: "choice", values: DEAD_SERVER },
    default: "error",
    help: "What reading a key gives whose server is not available: an `error`, or a `miss`.",
  }),
  ...MIGRATE_OPTIONS,
];

export function readDeadServer(settings: OptionSettings): DeadServer {
  return choiceIn(settings, "dead_server", DEAD_SERVER);
}

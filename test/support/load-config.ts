/** Reads a configuration as the proxy does, with the protocols that are built in. */

import type { Discovery } from "../../src/api/discovery.ts";
import type { Option } from "../../src/api/option.ts";
import { type Loaded, loadConfig as load } from "../../src/config/load.ts";
import { OPTIONS as GENERAL, poolOptions } from "../../src/config/options.ts";
import { PROTOCOLS } from "../../src/protocols/registry.ts";

export function loadConfig(text: string, file: string): Loaded {
  return load(text, file, PROTOCOLS);
}

/** The rows of every option that a file may have. */
export const OPTIONS: readonly Option[] = [
  ...GENERAL.filter(({ where }) => where !== "pool"),
  ...poolOptions(PROTOCOLS),
];

/** What a pool says of discovery that lists its servers. */
export const NOT_DISCOVERED: Discovery = {
  ...{ source: null, text: null, intervalMs: 30_000, resolvers: null, keep: null },
  removes: "dead",
};

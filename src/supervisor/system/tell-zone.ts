/** Tells in the log which of `zones` the proxy is in: an operator who has named some wants to know when it is in none. */
import type { Config } from "../../api/config.ts";
import type { Logger } from "../../base/log.ts";
import { ownAddresses } from "../../os/own-addresses.ts";
import { ownZone } from "../../topology/zone.ts";

export function tellZone(config: Config, log: Logger): void {
  const names = Object.keys(config.zones ?? {});
  if (names.length === 0) return;
  const addresses = ownAddresses();
  const zone = ownZone(config, addresses);
  if (zone !== null) log.info("in a zone", { zone: zone.name });
  else {
    const fields = { zones: names.join(), addresses: addresses.join() };
    log.warn("in none of the zones: say in which with zone or --zone", fields);
  }
}

/** The limits of a pool, from the values of its map. */
import type { PoolLimits } from "../api/config.ts";
import { ACTIONS, MODES } from "./options-limits.ts";
import type { Values } from "./scope.ts";

export function limitsOf(values: Values): PoolLimits {
  return {
    clientRequests: values.number("client_requests_per_second"),
    addressRequests: values.number("address_requests_per_second"),
    userRequests: values.number("user_requests_per_second"),
    poolRequests: values.number("pool_requests_per_second"),
    clientBytes: values.numberOrNull("client_bytes_per_second"),
    addressBytes: values.numberOrNull("address_bytes_per_second"),
    userBytes: values.numberOrNull("user_bytes_per_second"),
    poolBytes: values.numberOrNull("pool_bytes_per_second"),
    addressConnections: values.number("address_connections"),
    addressConnects: values.number("address_connections_per_second"),
    poolConnects: values.number("pool_connections_per_second"),
    action: values.choice("throttle", ACTIONS),
    mode: values.choice("throttle_mode", MODES),
    burstMs: values.number("throttle_burst"),
  };
}

/** What a pool says of servers that are down, and what must hold between that. */
import type { PoolConfig, ServerConfig } from "../api/config.ts";
import { DOWN_CHOICES } from "./options-health.ts";
import { quote } from "./problem.ts";
import type { Scope, Values } from "./scope.ts";
import { readServers } from "./servers.ts";

/** @param servers of the pool */
export function readSpares(
  scope: Scope,
  values: Values,
  servers: readonly ServerConfig[],
): ServerConfig[] {
  const { problems, label, path } = scope;
  const fault = (option: string, text: string): void =>
    problems.error(values.offsetOf(option), `${path}${option}`, `${label}${text}`);
  const node = values.node("spares");
  const onDown = values.peek("on_down");
  if (values.peek("auto_eject_hosts") === true && onDown === "fail") {
    fault("on_down", '"on_down: fail" contradicts "auto_eject_hosts: true"');
  }
  if (onDown === "spare" && node === undefined) {
    fault(
      "on_down",
      '"on_down: spare" needs "spares": servers that stand in for those that are down',
    );
  }
  if (node === undefined) return [];
  if (onDown !== "spare") fault("spares", 'spares stand in for servers with "on_down: spare" only');
  const spares = readServers(scope, node, "spares");
  const names = new Set(servers.map(({ name }) => name));
  for (const { name } of spares) {
    if (names.has(name)) fault("spares", `${quote(name)} is one of the servers, and no spare`);
  }
  return spares;
}

type Health = Pick<PoolConfig, "autoEjectHosts" | "onDown" | "spares"> &
  Pick<PoolConfig, `healthCheck${"Ms" | "TimeoutMs" | "Fall" | "Rise"}`>;

/** @param isMeant the pool's keys may go elsewhere */
export function healthOf(
  values: Values,
  isMeant: boolean,
  spares: readonly ServerConfig[],
): Health {
  const ejects = values.boolean("auto_eject_hosts") ? "rehash" : "fail";
  const said = values.peek("on_down") == null ? ejects : values.choice("on_down", DOWN_CHOICES);
  const onDown = isMeant ? said : "fail";
  return {
    onDown,
    autoEjectHosts: onDown !== "fail",
    spares: onDown === "spare" ? spares : [],
    healthCheckMs: values.numberOrNull("health_check"),
    healthCheckTimeoutMs: values.number("health_check_timeout"),
    healthCheckFall: values.number("health_check_fall"),
    healthCheckRise: values.number("health_check_rise"),
  };
}

type Patience = Pick<
  PoolConfig,
  `${"firstByte" | "queue" | "clientIdle" | "request"}TimeoutMs` | "serverQueue"
>;

/** How long a pool waits for servers and clients, and how many requests wait for one. */
export function patienceOf(values: Values): Patience {
  return {
    firstByteTimeoutMs: values.numberOrNull("first_byte_timeout"),
    queueTimeoutMs: values.numberOrNull("queue_timeout"),
    serverQueue: values.number("server_queue"),
    clientIdleTimeoutMs: values.numberOrNull("client_idle_timeout"),
    requestTimeoutMs: values.numberOrNull("request_timeout"),
  };
}

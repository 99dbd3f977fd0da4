/** A real HAProxy for tests: it passes bytes on, and says with a PROXY header whose they are. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { makeDirectory, type ServerProcess, startServer } from "./server-process.ts";

/** `send`: "send-proxy" for version 1 of the header, "send-proxy-v2" for version 2. */
export interface HaproxyRoute {
  readonly listen: number;
  readonly to: number;
  readonly send: "send-proxy" | "send-proxy-v2";
}

export function startHaproxy(routes: readonly HaproxyRoute[]): Promise<ServerProcess> {
  const directory = makeDirectory("haproxy");
  const file = join(directory, "haproxy.cfg");
  const lines = [
    ...["global", "  maxconn 500", "defaults", "  mode tcp"],
    ...["  timeout connect 5s", "  timeout client 60s", "  timeout server 60s"],
    ...routes.flatMap(({ listen, to, send }, index) => [
      `listen l${index}`,
      `  bind 127.0.0.1:${listen}`,
      `  server s 127.0.0.1:${to} ${send}`,
    ]),
  ];
  writeFileSync(file, `${lines.join("\n")}\n`);
  const endpoints = routes.map(({ listen }) => ({ host: "127.0.0.1", port: listen }));
  return startServer(["haproxy", "-db", "-f", file], directory, endpoints);
}

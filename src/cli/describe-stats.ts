/** nutcracker's `-D`: what the numbers on the statistics port mean. */
import {
  POOL_COUNTERS,
  type PoolCounter,
  SERVER_COUNTERS,
  type ServerCounter,
} from "../api/stats.ts";
import { NUTCRACKER_POOL_KEYS, NUTCRACKER_SERVER_KEYS } from "../metrics/nutcracker-stats.ts";

const POOL_TEXTS: Readonly<Record<PoolCounter, string>> = {
  client_eof: "client connections that the client closed",
  client_err: "client connections that ended in an error",
  client_connections: "client connections that are open now",
  client_connections_total: "client connections ever accepted",
  server_ejects: "times a server was taken out of the ring",
  forward_error: "requests that could not be forwarded",
  fragments: "always 0, as in nutcracker",
  requests: "requests received",
  local_requests: "requests answered by the proxy itself",
  protocol_errors: "requests that broke the protocol",
  client_output_cut: "clients cut off because they did not read their replies",
  shared_subscriptions: "subscriptions of clients now that share another client's at the servers",
};

const SERVER_TEXTS: Readonly<Record<ServerCounter, string>> = {
  server_eof: "server connections that the server closed",
  server_err: "server connections that ended in an error",
  server_timedout: "requests that got no reply in time",
  server_connections: "server connections that are open now",
  server_connections_total: "server connections ever made",
  server_pushes: "messages of the server that answered no request, and went no further",
  in_trouble: "workers in which the server failed, and has not answered since",
  ejected: "workers that have taken the server out of the ring now",
  trouble_since: "when the first of these noticed, in microseconds since 1970; 0: it is well",
  trouble_kind:
    "what began it: 1 no connection, 2 it closed one, 3 no reply in time, 4 handshake, 5 bad reply",
  server_ejected_at: "when the server was last taken out, in microseconds since 1970",
  requests: "requests sent to the server",
  request_bytes: "bytes of these requests",
  responses: "replies received from the server",
  response_bytes: "bytes of these replies",
  in_queue: "requests that wait to be sent now",
  in_queue_bytes: "bytes of these requests",
  out_queue: "requests that wait for their reply now",
  out_queue_bytes: "bytes of these requests",
};

const NOTE = "* not on the statistics port, whose readers would mistake it; in proxy status --json";

export function describeStats(): string {
  const pool = POOL_COUNTERS.map((name) =>
    line(mark(name, NUTCRACKER_POOL_KEYS), POOL_TEXTS[name]),
  );
  const server = SERVER_COUNTERS.map((name) =>
    line(mark(name, NUTCRACKER_SERVER_KEYS), SERVER_TEXTS[name]),
  );
  return ["pool stats:", ...pool, "", "server stats:", ...server, "", NOTE, ""].join("\n");
}

function mark(name: string, shown: readonly string[]): string {
  return shown.includes(name) ? name : `${name} *`;
}

function line(name: string, text: string): string {
  return `  ${name.padEnd(26)}${text}`;
}

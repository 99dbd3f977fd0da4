/**
 * What clients ask who want to find the nodes of a cluster, or the master that sentinels know, by themselves: this proxy is all of them. So
 * they work without options that turn it off.
 */

import { SLOTS } from "../../../../api/topology.ts";
import { encodeError, encodeInteger, encodeValue, type Value } from "../../codec/encode.ts";
import type { RequestView } from "../../codec/request-view.ts";
import type { RedisClient } from "../redis-client.ts";
import { localAddressOf } from "./client-line.ts";
import { argument, bulk, type LocalHandler, OK } from "./local-handler.ts";

const ID_CHARACTERS = 40;
/** Where Redis has the port of the cluster bus. */
const BUS_PORT_OFFSET = 10_000;
const PORT_MAX = 65_535;
const LAST_SLOT = SLOTS - 1;

interface Place {
  readonly host: string;
  readonly port: number;
  /** The same for all workers, and over restarts. */
  readonly id: string;
}

/** Where this client has reached the proxy, or what the configuration says in place of that. */
function placeOf(client: RedisClient): Place {
  const text = client.pool.announced ?? localAddressOf(client);
  const colon = text.lastIndexOf(":");
  const host = text.substring(0, colon).replace(/^\[|\]$/g, "");
  const id = new Bun.CryptoHasher("sha1").update(text).digest("hex").substring(0, ID_CHARACTERS);
  return { host, port: Number(text.substring(colon + 1)), id };
}

function encoded({ state }: RedisClient, value: Value): Buffer {
  return encodeValue(value, state.version);
}

function slots(client: RedisClient): Buffer {
  const { host, port, id } = placeOf(client);
  return encoded(client, [[0, LAST_SLOT, [host, port, id, []]]]);
}

function shards(client: RedisClient): Buffer {
  const { host, port, id } = placeOf(client);
  const node: Value = {
    mapOf: [
      ["id", id],
      ["port", port],
      ["ip", host],
      ["endpoint", host],
      ["role", "master"],
      ["replication-offset", 0],
      ["health", "online"],
    ],
  };
  const shard: Value = {
    mapOf: [
      ["slots", [0, LAST_SLOT]],
      ["nodes", [node]],
    ],
  };
  return encoded(client, [shard]);
}

function nodes(client: RedisClient): Buffer {
  const { host, port, id } = placeOf(client);
  const bus = port + BUS_PORT_OFFSET > PORT_MAX ? 0 : port + BUS_PORT_OFFSET;
  const line = `${id} ${host}:${port}@${bus} myself,master - 0 0 1 connected 0-${LAST_SLOT}\n`;
  return encoded(client, { verbatim: Buffer.from(line) });
}

function info(client: RedisClient): Buffer {
  const lines = [
    "cluster_state:ok",
    `cluster_slots_assigned:${SLOTS}`,
    `cluster_slots_ok:${SLOTS}`,
    "cluster_slots_pfail:0",
    "cluster_slots_fail:0",
    "cluster_known_nodes:1",
    "cluster_size:1",
    "cluster_current_epoch:1",
    "cluster_my_epoch:1",
    "",
  ];
  return encoded(client, { verbatim: Buffer.from(lines.join("\r\n")) });
}

const KNOWN_ALREADY: LocalHandler = () => OK;

export const CLUSTER_COMMANDS: Readonly<Record<string, LocalHandler>> = {
  // Each request goes to the right node, and may be redirected, whatever the client has said.
  ASKING: KNOWN_ALREADY,
  READONLY: KNOWN_ALREADY,
  READWRITE: KNOWN_ALREADY,
  "CLUSTER|SLOTS": slots,
  "CLUSTER|SHARDS": shards,
  "CLUSTER|NODES": nodes,
  "CLUSTER|INFO": info,
  "CLUSTER|MYID": (client) => bulk(Buffer.from(placeOf(client).id)),
  "CLUSTER|KEYSLOT": (client, view) => encodeInteger(client.pool.route.slotOf(view.key(2))),
  SENTINEL: sentinel,
};

/** The master is this proxy, whatever its name is. */
function sentinel(client: RedisClient, view: RequestView): Buffer {
  const { host, port, id } = placeOf(client);
  const name = view.count > 2 ? argument(view, 2).toString("latin1") : "proxy";
  const master = (): Value => ({
    mapOf: [
      ["name", name],
      ["ip", host],
      ["port", `${port}`],
      ["runid", id],
      ["flags", "master"],
      ["last-ok-ping-reply", "0"],
      ["role-reported", "master"],
      ["config-epoch", "0"],
      ["num-slaves", "0"],
      ["num-other-sentinels", "0"],
      ["quorum", "1"],
    ],
  });
  switch (view.text(1).toUpperCase()) {
    case "GET-MASTER-ADDR-BY-NAME":
      return encoded(client, [host, `${port}`]);
    case "MASTER":
      return encoded(client, master());
    case "MASTERS":
      return encoded(client, [master()]);
    case "SENTINELS":
    case "REPLICAS":
    case "SLAVES":
      return encoded(client, []);
    case "MYID":
      return bulk(Buffer.from(id));
    default:
      return encodeError(
        "ERR this is a proxy, not a sentinel: it answers SENTINEL GET-MASTER-ADDR-BY-NAME, MASTER, MASTERS, SENTINELS, REPLICAS and MYID",
      );
  }
}

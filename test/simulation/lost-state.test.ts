/** A worker is handed a client whose state makes no sense: that client is lost, and no other. */
import { beforeAll, expect, test } from "bun:test";
import { loadConfig } from "../support/load-config.ts";
import { install, Kernel, type PacketSocket } from "./kernel.ts";
import { Network } from "./network.ts";
import { Peer } from "./peer.ts";
import { configText, planEngine, planPool, planWay } from "./plan.ts";
import { RedisSpeaker, RedisStore } from "./redis-server.ts";
import { request } from "./resp.ts";
import { Server } from "./server.ts";
import { prepare } from "./simulation.ts";
import { SimulatedProxy } from "./worker.ts";
import { World } from "./world.ts";

const FORMAT = 4;

beforeAll(prepare);

test("a client whose state makes no sense is closed, and the worker goes on with all others", () => {
  const world = new World(7, false);
  const [kernel, network, way] = [
    new Kernel(world),
    new Network(world),
    planWay(world.random, false),
  ];
  const end = install(kernel);
  const store = new RedisStore(world, () => {});
  new Server({ world, network, name: "s1", port: 1, way }, (host) => new RedisSpeaker(store, host));
  const plan = {
    ...planPool(world.random),
    protocol: "redis",
    timeoutMs: null,
    preconnect: false,
  } as const;
  const proxy = new SimulatedProxy(
    ...([world, network, kernel] as const),
    loadConfig(configText(plan, ["s1"]), "simulation.yaml").config!,
  );
  const start = () => {
    const worker = proxy.start(planEngine(world.random, false));
    worker.listen();
    return worker;
  };
  const clients = ["a", "b", "c"].map((name) => {
    const client = { name, text: "", isGone: false, peer: null as unknown as Peer };
    client.peer = new Peer(world, network.connectClient(way), {
      onText: (text) => {
        client.text += text;
      },
      onGone: () => {
        client.isGone = true;
      },
    });
    return client;
  });
  const ask = (...words: string[]): void => {
    for (const client of clients) {
      client.text = "";
      client.peer.send(request(words));
    }
    world.runUntil(world.nowMs + 500);
  };
  const from = start();
  ask("SET", "key", "1");
  clients[1]!.peer.send(request(["MULTI"]));
  world.runUntil(world.nowMs + 500);
  const to = start();
  const counts = { adopted: 0, failed: 0, others: 0 };
  from.plane.handOver(
    { type: "hand_over", sessions: null, pools: ["pool"], format: FORMAT, timeoutMs: 5_000 },
    {
      onPackets: (count) => {
        const { packets } = kernel.fileOf(from.handOverSocket)!.of as PacketSocket;
        for (const { bytes } of packets) {
          const at = bytes.indexOf('"queue":');
          if (at >= 0) bytes.write('"quexe":', at);
        }
        kernel.relay(from.handOverSocket, to.handOverSocket, count);
        to.plane.adopt(count, (some) => {
          for (const key of ["adopted", "failed", "others"] as const) counts[key] += some[key];
        });
      },
      onDone() {},
    },
  );
  world.runUntil(world.nowMs + 1_000);
  from.end();
  ask("GET", "key");
  expect(counts).toEqual({ adopted: 2, failed: 1, others: 0 });
  expect(clients.map(({ text }) => text)).toEqual(["$1\r\n1\r\n", "", "$1\r\n1\r\n"]);
  expect(clients.map(({ isGone }) => isGone)).toEqual([false, true, false]);
  expect(proxy.warnings.join("\n")).toContain("a client that another worker handed over is lost");
  expect(to.plane.clients).toBe(2);
  to.end();
  end();
});

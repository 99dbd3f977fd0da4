/** What goes wrong with servers and ways in a run, for a while each. */
import type { Random } from "./random.ts";
import { type Misdeeds, type Server, WELL_BEHAVED } from "./server.ts";
import type { World } from "./world.ts";

export interface FaultHost {
  readonly world: World;
  readonly random: Random;
  readonly servers: readonly Server[];
  /** Servers may say what is not so. */
  readonly lies: boolean;
}

const HONEST = [
  "hang",
  "refuse",
  "silent",
  "slow",
  "cut",
  "reset",
  "stall",
  "fail write",
  "break off",
] as const;
const LYING = [...HONEST, "lose", "double", "interrupt", "babble", "confuse"] as const;

/** One fault begins now, and ends by itself. */
export function strike(host: FaultHost, endMs: number): void {
  const { world, random, servers, lies } = host;
  const fault: (typeof LYING)[number] = random.pick(lies ? LYING : HONEST);
  const struck = random.chance(0.15) ? servers : [random.pick(servers)];
  const forMs = Math.min(random.next() ** 2 * 3000, endMs - world.nowMs);
  for (const server of struck) {
    world.note(fault, server.port);
    server.trouble();
    const lasting = (end: () => void): void => {
      server.troubleMs = Math.max(server.troubleMs, world.nowMs + forMs);
      world.after(forMs, () => {
        world.note(`end of ${fault}`, server.port);
        server.trouble();
        end();
      });
    };
    const misbehaving = (misdeeds: Partial<Misdeeds>): void => {
      server.misdeeds = { ...WELL_BEHAVED, ...misdeeds };
      lasting(() => {
        server.misdeeds = WELL_BEHAVED;
      });
    };
    const some = random.pick([0.02, 0.2, 1]);
    switch (fault) {
      case "hang":
        server.hang(forMs);
        break;
      case "refuse":
        server.reach = "refuses";
        server.cut(random.chance(0.5));
        lasting(() => {
          server.reach = "open";
        });
        break;
      case "silent":
        server.reach = "silent";
        if (random.chance(0.5)) server.cut(true);
        lasting(() => {
          server.reach = "open";
        });
        break;
      case "slow":
        server.slowMs = random.pick([5, 100, 600]);
        lasting(() => {
          server.slowMs = 0;
        });
        break;
      case "cut":
      case "reset":
        server.cut(fault === "reset");
        break;
      case "stall":
        for (const { socket } of server.connections) {
          (random.chance(0.5) ? socket : socket.peer).stall(forMs);
        }
        lasting(() => {});
        break;
      case "fail write":
        for (const { socket } of server.connections) {
          socket.peer.failsAtWrite = random.between(1, 10);
        }
        lasting(() => {
          for (const { socket } of server.connections) socket.peer.failsAtWrite = 0;
        });
        break;
      case "break off":
        misbehaving({ breaksOff: some });
        break;
      case "lose":
        misbehaving({ loses: some / 4 });
        break;
      case "double":
        misbehaving({ doubles: some / 4 });
        break;
      case "interrupt":
        misbehaving({ interrupts: some });
        break;
      case "babble":
        misbehaving({ babbles: some });
        break;
      case "confuse":
        misbehaving({ confuses: some });
        break;
    }
  }
}

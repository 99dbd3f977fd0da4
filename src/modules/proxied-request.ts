/** A request as the author of a protocol sees it, and what may become of it. One object for all requests of a pool. */
import type {
  Block,
  Bytes,
  OwnConnection,
  ProxiedRequest,
  Reply,
  Server,
  Verb,
} from "proxy/module";
import { bytesOf, MessageView } from "./message.ts";
import { ProxiedServer } from "./proxied-servers.ts";

export type Convert = (reply: Reply) => Bytes;
export type Merge = (replies: readonly Reply[], failures: readonly string[]) => Bytes;
export type Steps = () => Promise<Bytes | Block>;

/** What becomes of a request. `requests` are so many, in one buffer of their own. */
export type Plan =
  | { readonly verb: "forward"; readonly server: ProxiedServer | null }
  | { readonly verb: "forwardBlocking"; readonly server: ProxiedServer | null }
  | {
      readonly verb: "ask";
      readonly server: ProxiedServer | null;
      readonly asked: Asked;
      readonly convert: Convert;
    }
  | { readonly verb: "askAll"; readonly asked: Asked; readonly merge: Merge }
  | { readonly verb: "answer"; readonly reply: Buffer }
  | { readonly verb: "fail"; readonly text: string }
  | { readonly verb: "end"; readonly reply: Buffer | null }
  | { readonly verb: "alone"; readonly steps: Steps };

/** Requests that go to a server in one piece, each with one reply. */
export interface Asked {
  readonly bytes: Buffer;
  readonly count: number;
}

const PLANS: WeakSet<object> = new WeakSet();

/** @throws TypeError: a method of a request did not give it */
export function planOf(returned: unknown): Plan {
  if (typeof returned === "object" && returned !== null && PLANS.has(returned)) {
    return returned as Plan;
  }
  throw new TypeError("request returns no verb; it must return what forward, ask, answer … gave");
}

function made(plan: Plan): Verb {
  PLANS.add(plan);
  return plan;
}

/** @throws TypeError */
export function askedOf(requests: readonly Bytes[]): Asked {
  if (!Array.isArray(requests) || requests.length === 0) {
    throw new TypeError("requests must be a list of at least one request");
  }
  const all = requests.map((bytes) => bytesOf(bytes, "a request"));
  return { bytes: all.length === 1 ? all[0]! : Buffer.concat(all), count: all.length };
}

/** @throws TypeError */
function serverOf(server: Server | null): ProxiedServer | null {
  if (server === null || server instanceof ProxiedServer) return server;
  throw new TypeError("a server is one of client.servers, or null");
}

function functionOf<Given>(given: Given, what: string): Given {
  if (typeof given === "function") return given;
  throw new TypeError(`${what} is not a function`);
}

export class RequestVerbs extends MessageView implements ProxiedRequest {
  forward(server: Server | null): Verb {
    return made({ verb: "forward", server: serverOf(server) });
  }

  forwardBlocking(server: Server | null): Verb {
    return made({ verb: "forwardBlocking", server: serverOf(server) });
  }

  ask(server: Server | null, requests: readonly Bytes[], convert: Convert): Verb {
    const asked = askedOf(requests);
    functionOf(convert, "convert");
    return made({ verb: "ask", server: serverOf(server), asked, convert });
  }

  askAll(requests: readonly Bytes[], merge: Merge): Verb {
    return made({ verb: "askAll", asked: askedOf(requests), merge: functionOf(merge, "merge") });
  }

  answer(reply: Bytes): Verb {
    return made({ verb: "answer", reply: bytesOf(reply, "the answer") });
  }

  fail(text: string): Verb {
    return made({ verb: "fail", text: String(text) });
  }

  end(reply?: Bytes): Verb {
    return made({ verb: "end", reply: reply === undefined ? null : bytesOf(reply, "the answer") });
  }

  alone(steps: Steps): Verb {
    return made({ verb: "alone", steps: functionOf(steps, "steps") });
  }
}

/** What `client.block` gives. */
export class BlockPlan implements Block {
  readonly block: readonly OwnConnection[];
  readonly request: Buffer;

  constructor(block: readonly OwnConnection[], request: Buffer) {
    this.block = block;
    this.request = request;
  }
}

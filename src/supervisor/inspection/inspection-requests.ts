/** What is asked, over the control socket or by the admin process, about what goes on in the workers. */
import type { Config } from "../../api/config.ts";
import {
  type ControlRequest,
  type ControlResult,
  type InspectionOrder,
  LOOK_VERBS,
  type Look,
} from "../../api/control-socket.ts";
import { unknownPool } from "../../config/known-pool.ts";
import { StartError } from "../start-error.ts";
import { fieldsOf, type Operator } from "../steering/operator.ts";
import type { ChangeTarget } from "../supervisor-options.ts";

/** The result of a request of this kind; null: it is of another. */
export async function answerInspection(
  proxy: ChangeTarget,
  request: ControlRequest,
  operator: Operator,
): Promise<ControlResult | null> {
  if (request.verb === "kick") return await kick(proxy, request, operator);
  if (request.verb === "slowlog_reset" || request.verb === "bigkeys_reset") {
    return poolProblem(proxy, request) ?? forget(proxy, request);
  }
  return isLook(request) ? await answerLook(proxy, request) : null;
}

type Reset = Extract<InspectionOrder, { readonly verb: "slowlog_reset" | "bigkeys_reset" }>;

function forget({ resources }: ChangeTarget, { verb, pool }: Reset): ControlResult {
  if (verb === "slowlog_reset") resources.slowLog.reset(pool);
  else resources.keys.reset(pool);
  return { ok: true, verb };
}

function isLook(request: { readonly verb: string }): request is Look {
  return LOOK_VERBS.some((verb) => verb === request.verb);
}

export async function answerLook(proxy: ChangeTarget, look: Look): Promise<ControlResult> {
  // The admin process may be of a newer program.
  if (!isLook(look))
    return { ok: false, problems: ["this version of the proxy does not know that"] };
  const { generations, resources, running } = proxy;
  const unknown = poolProblem(proxy, look);
  if (unknown !== null) return unknown;
  try {
    if (look.verb === "hotkeys") {
      const report = resources.keys.hot(shownPools(running, look.pool), look.limit);
      return { ok: true, verb: "hotkeys", report };
    }
    if (look.verb === "bigkeys") {
      const report = resources.keys.big(shownPools(running, look.pool), look);
      return { ok: true, verb: "bigkeys", report };
    }
    if (look.verb === "slowlog") {
      return { ok: true, verb: "slowlog", report: resources.slowLog.read(look) };
    }
    return { ok: true, verb: "clients", report: await generations.inspector.clients(look.query) };
  } catch (error) {
    return refusalOf(error);
  }
}

/** What to answer when the request names a pool that is not there; null: it names none, or there is. */
function poolProblem({ running }: ChangeTarget, request: Look | Reset): ControlResult | null {
  const named = request.verb === "clients" ? request.query : request;
  const problem = unknownPool(
    named.pool,
    running.pools.map(({ name }) => name),
  );
  return problem === null ? null : { ok: false, problems: [problem], isUnknown: true };
}

/** Disconnects clients. */
async function kick(
  { generations, log }: ChangeTarget,
  { target }: Extract<InspectionOrder, { readonly verb: "kick" }>,
  operator: Operator,
): Promise<ControlResult> {
  try {
    const clients = await generations.inspector.kick(target);
    const named = "id" in target ? `${target.id}` : target.address;
    if (clients.length === 0) return { ok: false, problems: [`there is no client ${named}`] };
    for (const { id, pool, address, name } of clients) {
      const client = { id, pool, address, name };
      log.warn("a client was disconnected by an operator", { ...client, ...fieldsOf(operator) });
    }
    return { ok: true, verb: "kick", clients };
  } catch (error) {
    return refusalOf(error);
  }
}

/** Of those asked for (null: all) the ones whose keys operators may see. */
export function shownPools({ pools }: Config, pool: string | null): readonly string[] {
  return pools
    .filter(({ name, slowlogKeys }) => slowlogKeys !== false && (pool === null || name === pool))
    .map(({ name }) => name);
}

function refusalOf(error: unknown): ControlResult {
  if (error instanceof StartError) return { ok: false, problems: error.problems };
  throw error;
}

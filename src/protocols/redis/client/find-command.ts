/** From a request's first words to its command, with all that Redis checks before it looks at the rest. */

import type { Link, Upstream } from "../../../api/upstream.ts";
import type { RequestView } from "../codec/request-view.ts";
import type { Command } from "../commands/command.ts";
import { anyServer, serversFrom } from "./any-server.ts";
import { isAccessKnown } from "./identity/admission.ts";
import { answerForProxy, isForProxy, notAllowed } from "./local/proxy-show.ts";
import type { RedisClient } from "./redis-client.ts";
import { NOAUTH, unknownCommand, unknownSubcommand, wrongArity } from "./refusals.ts";
import { refuseExec } from "./transaction/transaction.ts";
import { endHttp, isHttp } from "./turn-away.ts";

/**
 * The command of the request at hand if it is known, complete and permitted. "refused": it is not, and the client was told;
 * "later": the request is to be tried again when the session is woken.
 */
export function findCommand(client: RedisClient, view: RequestView): Command | "refused" | "later" {
  if (!client.state.isAuthenticated && !isAccessKnown(client)) return "later";
  const { commands } = client.pool;
  let command = commands.find(view.bytes, view.from(0), view.to(0));
  if (command === null || command.isSubcommand) return askForCommand(client, view);
  if (command.isContainer && view.count > 1) {
    const container = command;
    command = commands.findSubcommand(container, view.bytes, view.from(1), view.to(1));
    if (command === null) return askForSubcommand(client, container, view);
  }
  const { arity } = command;
  if (arity > 0 ? view.count !== arity : view.count < -arity) {
    return refuse(client, command, wrongArity(command));
  }
  if (!client.state.isAuthenticated && !command.needsNoAuth) {
    return refuse(client, command, NOAUTH);
  }
  view.access = command.access;
  view.commandName = command.name;
  return command;
}

function refuse(client: RedisClient, command: Command, fault: Buffer): "refused" {
  if (command.name === "EXEC") refuseExec(client, fault);
  else client.refuse(fault);
  return "refused";
}

function askForCommand(client: RedisClient, view: RequestView): "refused" | "later" {
  if (client.state.isAuthenticated && isForProxy(client, view)) return answerForProxy(client, view);
  const name = view.text(0);
  // A subcommand is only one behind its container's name.
  const maySucceed = !name.includes("|");
  if (isHttp(view)) {
    endHttp(client);
    return "refused";
  }
  const asked = maySucceed ? ask(client, name) : null;
  return asked ?? tell(client, notAllowed(client, view) ?? unknownCommand(view));
}

function askForSubcommand(
  client: RedisClient,
  container: Command,
  view: RequestView,
): "refused" | "later" {
  const name = `${container.name}|${view.text(1)}`;
  const isOurs = container.disposition === "local" || container.name === "CLIENT";
  return (isOurs ? null : ask(client, name)) ?? tell(client, unknownSubcommand(container, view));
}

function tell(client: RedisClient, fault: Buffer): "refused" {
  client.refuse(fault);
  return "refused";
}

/** Asks a server for a command of this name, or tells the client what is in the way. Null: no server knows such a command. */
function ask(client: RedisClient, name: string): "refused" | "later" | null {
  const { learner } = client.pool;
  if (!client.state.isAuthenticated || !learner.mayExist(name)) return null;
  const upstream = anyServer(client);
  if (upstream === null) return null;
  const { session } = client;
  // Not over what the client has of its own: that may be within a transaction.
  const connectionTo = (server: Upstream): Link => server.connection(session.lane, client.variant);
  const connection = connectionTo(upstream);
  const failure = learner.takeFailure(name) ?? connection.refusal;
  if (failure !== null) {
    session.onFailure(session.open(), 1, failure);
    return "refused";
  }
  if (connection.isFull) session.waitFor(connection);
  else if (learner.ask(name, serversFrom(client, upstream), connectionTo, session))
    session.waitForWake();
  else return null;
  return "later";
}

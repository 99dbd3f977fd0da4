/** From a request's first words to its command, with all that Redis checks before it looks at the rest. */

import type { RequestView } from "../codec/request-view.ts";
import type { Command } from "../commands/command.ts";
import { anyServer } from "./any-server.ts";
import { isAccessKnown } from "./identity/server-access.ts";
import type { RedisFrontend } from "./redis-frontend.ts";
import {
  endHttp,
  isHttp,
  NOAUTH,
  unknownCommand,
  unknownSubcommand,
  wrongArity,
} from "./refusals.ts";
import { refuseExec } from "./transaction/transaction.ts";

/**
 * The command of the request at hand if it is known, complete and permitted. Null: the client was told, or, when
 * `client.isDeferred` is set, the request is to be tried again when the session is woken.
 */
export function findCommand(client: RedisFrontend, view: RequestView): Command | null {
  if (!client.state.isAuthenticated && !isAccessKnown(client)) {
    client.isDeferred = true;
    return null;
  }
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
    refuse(client, command, wrongArity(command));
    return null;
  }
  if (!client.state.isAuthenticated && !command.needsNoAuth) {
    refuse(client, command, NOAUTH);
    return null;
  }
  return command;
}

function refuse(client: RedisFrontend, command: Command, fault: Buffer): void {
  if (command.name === "EXEC") refuseExec(client, fault);
  else client.refuse(fault);
}

function askForCommand(client: RedisFrontend, view: RequestView): null {
  const name = view.text(0);
  // A subcommand is only one behind its container's name.
  const maySucceed = !name.includes("|");
  if (isHttp(view)) endHttp(client);
  else if (!maySucceed || !asks(client, name)) client.refuse(unknownCommand(view));
  return null;
}

function askForSubcommand(client: RedisFrontend, container: Command, view: RequestView): null {
  const name = `${container.name}|${view.text(1)}`;
  const isOurs = container.disposition === "local" || container.name === "CLIENT";
  if (isOurs || !asks(client, name)) client.refuse(unknownSubcommand(container, view));
  return null;
}

/** False: nobody knows a command of this name. Else the request is deferred, or was answered with what is in the way. */
function asks(client: RedisFrontend, name: string): boolean {
  const { learner } = client.pool;
  if (!client.state.isAuthenticated || !learner.mayExist(name)) return false;
  const upstream = anyServer(client);
  if (upstream === null) return false;
  const { session } = client;
  // Not over what the client has of its own: that may be within a transaction.
  const connection = upstream.connection(session.lane, client.variant);
  const failure = learner.takeFailure(name) ?? connection.refusal;
  if (failure !== null) {
    session.onFailure(session.open(), 1, failure);
    return true;
  }
  if (connection.isFull) session.waitFor(connection);
  else if (learner.ask(name, connection, session)) session.waitForWake();
  else return false;
  client.isDeferred = true;
  return true;
}

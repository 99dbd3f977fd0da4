/** HELLO [version [AUTH user password] [SETNAME name]]: step by step, as Redis does it. */

import { encodeError, encodeValue, type RespVersion } from "../../codec/encode.ts";
import { parseInt64 } from "../../codec/integer.ts";
import type { RequestView } from "../../codec/request-view.ts";
import { REDIS_VERSION } from "../../commands/commands.generated.ts";
import type { RedisClientState } from "../client-state.ts";
import { authenticate, become } from "../identity/identity.ts";
import type { RedisClient } from "../redis-client.ts";
import { nameFault } from "./client-names.ts";
import { answerLater, type LocalHandler } from "./local-handler.ts";

const NOT_AUTHENTICATED: Buffer = encodeError(
  "NOAUTH HELLO must be called with the client already authenticated, otherwise the HELLO AUTH <user> <pass> " +
    "option can be used to authenticate the client and select the RESP protocol version at the same time",
);
const NO_INTEGER: Buffer = encodeError("ERR Protocol version is not an integer or out of range");
const NO_SUCH_VERSION: Buffer = encodeError("NOPROTO unsupported protocol version");

type Step =
  | { readonly does: "name"; readonly name: string }
  | { readonly does: "auth"; readonly user: Buffer; readonly password: Buffer }
  | { readonly does: "refuse"; readonly fault: Buffer };

export const hello: LocalHandler = (client, view) => {
  let version: RespVersion | null = null;
  if (view.count > 1) {
    const wanted = parseInt64(view.text(1));
    if (wanted === null) return NO_INTEGER;
    if (wanted !== 2n && wanted !== 3n) return NO_SUCH_VERSION;
    version = wanted === 3n ? 3 : 2;
  }
  if (!client.settleFirst()) return false;
  const steps = stepsOf(view);
  return answerLater(client, (answer) => take(client, steps, version, answer));
};

function stepsOf(view: RequestView): Step[] {
  const steps: Step[] = [];
  for (let i = 2; i < view.count; i++) {
    const option = view.text(i).toUpperCase();
    const more = view.count - 1 - i;
    if (option === "AUTH" && more >= 2) {
      const user = Buffer.from(view.text(i + 1), "latin1");
      const password = Buffer.from(view.text(i + 2), "latin1");
      steps.push({ does: "auth", user, password });
      i += 2;
    } else if (option === "SETNAME" && more >= 1) {
      const name = view.text(++i);
      const fault = nameFault(name);
      steps.push(fault === null ? { does: "name", name } : { does: "refuse", fault });
    } else {
      const fault = encodeError(`ERR Syntax error in HELLO option '${view.text(i)}'`);
      steps.push({ does: "refuse", fault });
    }
  }
  return steps;
}

function take(
  client: RedisClient,
  [step, ...later]: readonly Step[],
  version: RespVersion | null,
  answer: (reply: Buffer) => void,
): void {
  if (step === undefined) agree(client, version, answer);
  else if (step.does === "refuse") answer(step.fault);
  else if (step.does === "name") {
    client.state.name = step.name;
    take(client, later, version, answer);
  } else {
    authenticate(client, step.user, step.password, (fault) => {
      if (fault !== null) answer(fault);
      else take(client, later, version, answer);
    });
  }
}

function agree(
  client: RedisClient,
  version: RespVersion | null,
  answer: (reply: Buffer) => void,
): void {
  const { state } = client;
  if (!state.isAuthenticated) answer(NOT_AUTHENTICATED);
  else if (version === null || version === state.version) answer(describe(state));
  else become(client, { version }, (fault) => answer(fault ?? describe(state)));
}

function describe({ id, version }: RedisClientState): Buffer {
  return encodeValue(
    {
      mapOf: [
        ["server", "redis"],
        ["version", REDIS_VERSION],
        ["proto", version],
        ["id", id],
        ["mode", "standalone"],
        ["role", "master"],
        ["modules", []],
      ],
    },
    version,
  );
}

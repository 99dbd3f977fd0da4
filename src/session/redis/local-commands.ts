/** Commands about the client's own connection, which the proxy answers itself in Redis's words. */
import type { Command } from "../../protocol/redis/command.ts";
import { REDIS_VERSION } from "../../protocol/redis/commands.generated.ts";
import {
  encodeError,
  encodeInteger,
  encodeValue,
  type Value,
} from "../../protocol/redis/encode.ts";
import type { RequestView } from "../../protocol/redis/request-view.ts";
import { checkPassword } from "./auth.ts";
import type { RedisClientState } from "./client-state.ts";
import type { RedisFrontend } from "./redis-frontend.ts";
import { wrongArity } from "./refusals.ts";

const OK: Buffer = Buffer.from("+OK\r\n");
const PONG: Buffer = Buffer.from("+PONG\r\n");
const NOT_AN_INTEGER: Buffer = encodeError("ERR value is not an integer or out of range");

type Handler = (frontend: RedisFrontend, view: RequestView, command: Command) => Buffer;

const HANDLERS: Readonly<Record<string, Handler>> = {
  PING: ping,
  ECHO: (_frontend, view) => bulk(argument(view, 1)),
  QUIT: quit,
  AUTH: auth,
  SELECT: select,
  HELLO: hello,
  "CLIENT|ID": (frontend) => encodeInteger(frontend.state.id),
  "CLIENT|GETNAME": getName,
  "CLIENT|SETNAME": setName,
  "CLIENT|SETINFO": setInfo,
  "CLIENT|HELP": (frontend) => help(frontend, CLIENT_HELP),
};

/** Answers a command whose disposition is "local". */
export function answerLocally(
  frontend: RedisFrontend,
  command: Command,
  view: RequestView,
): boolean {
  const handler = HANDLERS[command.name];
  // The next requests may use another connection: they must not overtake those before.
  if (command.name === "HELLO" && !frontend.settleFirst()) return false;
  if (handler === undefined) {
    const shown = command.name.replace("|", " ");
    frontend.refuse(encodeError(`ERR '${shown}' is not supported through this proxy`));
    return true;
  }
  frontend.answer(handler(frontend, view, command));
  if (command.name === "QUIT") frontend.session.finish();
  return true;
}

/** A copy of argument i. */
function argument(view: RequestView, i: number): Buffer {
  return Buffer.from(view.bytes.subarray(view.from(i), view.to(i)));
}

function ping(_frontend: RedisFrontend, view: RequestView, command: Command): Buffer {
  if (view.count > 2) return wrongArity(command);
  return view.count === 1 ? PONG : bulk(argument(view, 1));
}

function quit(): Buffer {
  return OK;
}

function auth(frontend: RedisFrontend, view: RequestView): Buffer {
  if (view.count > 3) return encodeError("ERR syntax error");
  const user = view.count === 3 ? view.text(1) : null;
  const refusal = checkPassword(frontend.pool.password, user, argument(view, view.count - 1));
  if (refusal !== null) return refusal;
  frontend.authenticated();
  return OK;
}

/** One database behind each pool (`redis_db`), which clients see as 0. */
function select(_frontend: RedisFrontend, view: RequestView): Buffer {
  const text = view.text(1);
  if (!/^(0|-?[1-9][0-9]{0,9})$/.test(text) || Math.abs(Number(text)) > 2 ** 31)
    return NOT_AN_INTEGER;
  return text === "0" ? OK : encodeError("ERR DB index is out of range");
}

function hello(frontend: RedisFrontend, view: RequestView): Buffer {
  let next = 1;
  if (view.count > 1) {
    const version = view.text(1);
    if (!/^-?[0-9]{1,10}$/.test(version)) {
      return encodeError("ERR Protocol version is not an integer or out of range");
    }
    if (version !== "2" && version !== "3") {
      return encodeError("NOPROTO unsupported protocol version");
    }
    next = 2;
  }
  const refusal = helloOptions(frontend, view, next);
  if (refusal !== null) return refusal;
  if (view.count > 1) frontend.switchTo({ version: view.text(1) === "3" ? 3 : 2 });
  return encodeValue(helloReply(frontend.state), frontend.state.version);
}

/** [AUTH user password] [SETNAME name], from argument `first` on. Null: all is well. */
function helloOptions(frontend: RedisFrontend, view: RequestView, first: number): Buffer | null {
  let next = first;
  let name: string | null = null;
  while (next < view.count) {
    const option = view.text(next).toUpperCase();
    if (option === "AUTH" && next + 2 < view.count) {
      const user = view.text(next + 1);
      const refusal = checkPassword(frontend.pool.password, user, argument(view, next + 2));
      if (refusal !== null) return refusal;
      frontend.authenticated();
      next += 3;
    } else if (option === "SETNAME" && next + 1 < view.count) {
      name = view.text(next + 1);
      if (!isPrintable(name)) return BAD_NAME;
      next += 2;
    } else {
      return encodeError(`ERR Syntax error in HELLO option '${view.text(next)}'`);
    }
  }
  if (!frontend.state.isAuthenticated) return HELLO_NOAUTH;
  if (name !== null) frontend.state.name = name;
  return null;
}

function helloReply({ id, version }: RedisClientState): Value {
  return {
    mapOf: [
      ["server", "redis"],
      ["version", REDIS_VERSION],
      ["proto", version],
      ["id", id],
      ["mode", "standalone"],
      ["role", "master"],
      ["modules", []],
    ],
  };
}

const HELLO_NOAUTH: Buffer = encodeError(
  "NOAUTH HELLO must be called with the client already authenticated, otherwise the HELLO <proto> AUTH <user> <pass> " +
    "option can be used to authenticate the client and select the RESP protocol version at the same time",
);
const BAD_NAME: Buffer = encodeError(
  "ERR Client names cannot contain spaces, newlines or special characters.",
);

function setName(frontend: RedisFrontend, view: RequestView): Buffer {
  const name = view.text(2);
  if (!isPrintable(name)) return BAD_NAME;
  frontend.state.name = name;
  return OK;
}

function setInfo(frontend: RedisFrontend, view: RequestView): Buffer {
  const option = view.text(2).toLowerCase();
  if (option !== "lib-name" && option !== "lib-ver") {
    return encodeError(`ERR Unrecognized option '${view.text(2)}'`);
  }
  const value = view.text(3);
  if (!isPrintable(value)) {
    return encodeError(`ERR ${option} cannot contain spaces, newlines or special characters.`);
  }
  if (option === "lib-name") frontend.state.libraryName = value;
  else frontend.state.libraryVersion = value;
  return OK;
}

function getName({ state }: RedisFrontend): Buffer {
  return encodeValue(state.name === "" ? null : Buffer.from(state.name, "latin1"), state.version);
}

function help({ state }: RedisFrontend, lines: readonly string[]): Buffer {
  return encodeValue(
    lines.map((status) => ({ status })),
    state.version,
  );
}

/** The same in both versions of the protocol. */
function bulk(value: Buffer): Buffer {
  return encodeValue(value, 2);
}

/** Visible ASCII only, as Redis demands of names. */
function isPrintable(text: string): boolean {
  return /^[!-~]*$/.test(text);
}

const CLIENT_HELP: readonly string[] = [
  "CLIENT <subcommand> [<arg> [value] [opt] ...]. Subcommands that this proxy answers are:",
  "GETNAME",
  "    Return the name of the current connection.",
  "ID",
  "    Return the ID of the current connection.",
  "SETINFO (LIB-NAME|LIB-VER) <value>",
  "    Set information about the client library.",
  "SETNAME <name>",
  "    Assign the name <name> to the current connection.",
  "HELP",
  "    Print this help.",
];

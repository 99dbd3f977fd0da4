/** Commands about the connection itself. */

import { parseInt64 } from "../../../protocols/redis/codec/integer.ts";
import type { ClientState } from "../client-state.ts";
import { at, type Call, type CommandTable, from } from "../command.ts";
import { cText, fail, SYNTAX, wrongArity } from "../command-error.ts";
import { type Encoding, RESP2, RESP3 } from "../encoding.ts";
import { numberArg } from "../number.ts";
import { bulk, EMPTY_ARRAY, integer, OK, simple } from "../reply.ts";
import { SHOWN_VERSION } from "./server-commands.ts";

const NO_PASSWORD =
  "ERR AUTH <password> called without any password configured for the default user. Are you sure your configuration is correct?";
const WRONG_PASSWORD = "WRONGPASS invalid username-password pair or user is disabled.";
const BAD_NAME = "ERR Client names cannot contain spaces, newlines or special characters.";

export const CONNECTION_COMMANDS: CommandTable = {
  ping: [-1, ping],
  echo: [2, (call) => bulk(at(call, 1))],
  quit: [-1, quit],
  select: [2, select],
  auth: [-2, auth],
  hello: [-1, hello],
  client: [-2, () => OK],
  "client|id": [2, ({ client }) => integer(client.id)],
  "client|getname": [
    2,
    ({ client, encoding }) => (client.name === "" ? encoding.nil : bulk(client.name)),
  ],
  "client|setname": [3, (call) => setName(call.client, at(call, 2))],
  "client|info": [2, ({ client, encoding }) => encoding.verbatim(describe(client))],
  "client|list": [
    -2,
    ({ shard, encoding }) => encoding.verbatim([...shard.clients].map(describe).join("")),
  ],
};

function ping(call: Call): string {
  if (call.args.length > 2) fail(wrongArity("ping"));
  return call.args.length === 2 ? bulk(at(call, 1)) : simple("PONG");
}

function quit({ client }: Call): string {
  client.isClosing = true;
  return OK;
}

function select(call: Call): string {
  const index = numberArg(at(call, 1));
  if (Math.abs(index) > 2 ** 31)
    fail("ERR value is out of range, value must between -2147483648 and 2147483647");
  if (index < 0 || index >= call.shard.databases.length) fail("ERR DB index is out of range");
  call.client.database = index;
  return OK;
}

function auth(call: Call): string {
  if (call.args.length > 3) fail(SYNTAX);
  if (call.args.length === 2) fail(NO_PASSWORD);
  authenticate(at(call, 1));
  return OK;
}

/** The default user needs no password; there is no other. */
function authenticate(user: string): void {
  if (user !== "default") fail(WRONG_PASSWORD);
}

/** Answered in the version that it chooses; a refused one changes nothing but the name. */
function hello(call: Call): string {
  if (call.args.length > 1) {
    const encoding = readEncoding(at(call, 1));
    helloOptions(call);
    call.client.encoding = encoding;
  }
  const { encoding, id } = call.client;
  return encoding.map([
    ["server", bulk("redis")],
    ["version", bulk(SHOWN_VERSION)],
    ["proto", integer(encoding.version)],
    ["id", integer(id)],
    ["mode", bulk("standalone")],
    ["role", bulk("master")],
    ["modules", EMPTY_ARRAY],
  ]);
}

function readEncoding(text: string): Encoding {
  const version = parseInt64(text);
  if (version === null) fail("ERR Protocol version is not an integer or out of range");
  if (version === 2n) return RESP2;
  return version === 3n ? RESP3 : fail("NOPROTO unsupported protocol version");
}

function helloOptions(call: Call): void {
  const options = from(call, 2);
  for (let i = 0; i < options.length; i += 1) {
    const option = options[i] ?? "";
    const more = options.length - i - 1;
    if (option.toUpperCase() === "AUTH" && more >= 2) {
      authenticate(options[i + 1] ?? "");
      i += 2;
    } else if (option.toUpperCase() === "SETNAME" && more >= 1) {
      setName(call.client, options[i + 1] ?? "");
      i += 1;
    } else {
      fail(`ERR Syntax error in HELLO option '${cText(option)}'`);
    }
  }
}

function setName(client: ClientState, name: string): string {
  if (!/^[!-~]*$/.test(name)) fail(BAD_NAME);
  client.name = name;
  return OK;
}

function describe(client: ClientState): string {
  return `id=${client.id} name=${client.name} db=${client.database}\n`;
}

/** AUTH, SELECT and RESET. */
import { encodeError } from "../../codec/encode.ts";
import { parseInt64 } from "../../codec/integer.ts";
import { authenticate, become } from "../identity/identity.ts";
import { leaveAll } from "../pubsub/subscribe.ts";
import { answerLater, argument, type LocalHandler, OK } from "./local-handler.ts";

const SYNTAX: Buffer = encodeError("ERR syntax error");
const RESET: Buffer = Buffer.from("+RESET\r\n");
const NOT_AN_INTEGER: Buffer = encodeError("ERR value is not an integer or out of range");
const INT_MAX = 2 ** 31 - 1;
const NOT_AN_INT: Buffer = encodeError(
  `ERR value is out of range, value must between ${-INT_MAX - 1} and ${INT_MAX}`,
);
const OUT_OF_RANGE: Buffer = encodeError("ERR DB index is out of range");

/** AUTH [user] password */
export const auth: LocalHandler = (client, view) => {
  if (view.count > 3) return SYNTAX;
  if (!client.settleFirst()) return false;
  const user = view.count === 3 ? argument(view, 1) : null;
  const password = argument(view, view.count - 1);
  return answerLater(client, (answer) =>
    authenticate(client, user, password, (fault) => answer(fault ?? OK)),
  );
};

/** SELECT index. With a database that is the pool's (`redis_db`), clients see that one only, as 0. */
export const select: LocalHandler = (client, view) => {
  const index = parseInt64(view.text(1));
  if (index === null) return NOT_AN_INTEGER;
  if (index > INT_MAX || index < -INT_MAX - 1) return NOT_AN_INT;
  const database = Number(index);
  if (database === client.state.database) return OK;
  if (database < 0 || client.pool.variants.fixedDatabase !== 0) return OUT_OF_RANGE;
  if (!client.settleFirst()) return false;
  return answerLater(client, (answer) =>
    become(client, { database }, (fault) => answer(fault ?? OK)),
  );
};

/** As if the client had just connected, but for its id. */
export const reset: LocalHandler = (client) => {
  if (!client.settleFirst() || !leaveAll(client)) return false;
  client.features.transaction?.abandon();
  client.setMode(null);
  client.replies.reset();
  client.state.name = "";
  if (client.state.maintenance !== "off") {
    client.state.maintenance = "off";
    client.pool.maintenance.remove(client);
  }
  client.switchTo({ version: 2, database: 0, user: null, password: null });
  client.setAuthenticated(false);
  return RESET;
};

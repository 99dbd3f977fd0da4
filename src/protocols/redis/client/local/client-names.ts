/** CLIENT SETNAME, GETNAME and SETINFO: what a client says about itself. */
import { CLIENT_NAME_BYTES_MAX } from "../../../../base/limits.ts";
import { encodeError, encodeValue } from "../../codec/encode.ts";
import { isPrintable, type LocalHandler, OK } from "./local-handler.ts";

const BAD_NAME: Buffer = encodeError(
  "ERR Client names cannot contain spaces, newlines or special characters.",
);

const LONG_NAME: Buffer = encodeError(
  `ERR Client names cannot be longer than ${CLIENT_NAME_BYTES_MAX} bytes through the proxy`,
);

/** Why a client cannot be called so; null: it can. */
export function nameFault(name: string): Buffer | null {
  if (name.length > CLIENT_NAME_BYTES_MAX) return LONG_NAME;
  return isPrintable(name) ? null : BAD_NAME;
}

export const setName: LocalHandler = ({ state }, view) => {
  const name = view.text(2);
  const fault = nameFault(name);
  if (fault !== null) return fault;
  state.name = name;
  return OK;
};

export const getName: LocalHandler = ({ state }) =>
  encodeValue(state.name === "" ? null : Buffer.from(state.name, "latin1"), state.version);

/** Of Redis 7.2. */
export const setInfo: LocalHandler = ({ state }, view) => {
  const option = view.text(2).toLowerCase();
  if (option !== "lib-name" && option !== "lib-ver") {
    return encodeError(`ERR Unrecognized option '${view.text(2)}'`);
  }
  const value = view.text(3);
  if (value.length > CLIENT_NAME_BYTES_MAX) return LONG_NAME;
  if (!isPrintable(value)) {
    return encodeError(`ERR ${option} cannot contain spaces, newlines or special characters.`);
  }
  if (option === "lib-name") state.libraryName = value;
  else state.libraryVersion = value;
  return OK;
};

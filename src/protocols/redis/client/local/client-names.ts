/** CLIENT SETNAME, GETNAME and SETINFO: what a client says about itself. */
import { encodeError, encodeValue } from "../../codec/encode.ts";
import { isPrintable, type LocalHandler, OK } from "./local-handler.ts";

export const BAD_NAME: Buffer = encodeError(
  "ERR Client names cannot contain spaces, newlines or special characters.",
);

export const setName: LocalHandler = ({ state }, view) => {
  const name = view.text(2);
  if (!isPrintable(name)) return BAD_NAME;
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
  if (!isPrintable(value)) {
    return encodeError(`ERR ${option} cannot contain spaces, newlines or special characters.`);
  }
  if (option === "lib-name") state.libraryName = value;
  else state.libraryVersion = value;
  return OK;
};

/** What remains of CLIENT: about the client's own connection, in Redis's words. */
import { encodeError, encodeInteger, encodeValue } from "../../codec/encode.ts";
import { CLIENT_HELP } from "./client-help.ts";
import { clientInfo, clientKill, clientList } from "./client-list.ts";
import { getName, setInfo, setName } from "./client-names.ts";
import { clientUnblock } from "./client-unblock.ts";
import { help, type LocalHandler, OK } from "./local-handler.ts";

const SYNTAX: Buffer = encodeError("ERR syntax error");
const NOT_TRACKING: Buffer = encodeError(
  "ERR CLIENT CACHING can be called only when the client is in tracking mode with OPTIN or OPTOUT mode enabled",
);
const NO_TRACKING: Buffer = encodeError(
  "ERR 'CLIENT TRACKING ON' is not supported through this proxy yet: servers would have to tell each client of keys that others change",
);
const NEEDS_RESP3: Buffer = encodeError(
  "ERR 'CLIENT MAINT_NOTIFICATIONS' needs RESP3, in which servers may say what was not asked: say HELLO 3 first",
);
const NO_PAUSE: Buffer = encodeError(
  "ERR 'CLIENT PAUSE' is not supported through this proxy: it would stop all clients of a server, not those of this proxy only; connect to the server directly",
);

export const CLIENT_COMMANDS: Readonly<Record<string, LocalHandler>> = {
  "CLIENT|ID": ({ state }) => encodeInteger(state.id),
  "CLIENT|GETNAME": getName,
  "CLIENT|SETNAME": setName,
  "CLIENT|SETINFO": setInfo,
  "CLIENT|INFO": clientInfo,
  "CLIENT|LIST": clientList,
  "CLIENT|KILL": clientKill,
  "CLIENT|REPLY": reply,
  "CLIENT|NO-EVICT": noEvict,
  "CLIENT|NO-TOUCH": noTouch,
  "CLIENT|UNBLOCK": clientUnblock,
  "CLIENT|MAINT_NOTIFICATIONS": maintNotifications,
  "CLIENT|PAUSE": () => NO_PAUSE,
  "CLIENT|UNPAUSE": () => NO_PAUSE,
  "CLIENT|TRACKING": tracking,
  "CLIENT|CACHING": () => NOT_TRACKING,
  "CLIENT|GETREDIR": () => encodeInteger(-1),
  "CLIENT|TRACKINGINFO": trackingInfo,
  "CLIENT|HELP": (client) => help(client, CLIENT_HELP),
};

function reply(...[{ replies }, view]: Parameters<LocalHandler>): Buffer | boolean {
  const wanted = view.text(2).toUpperCase();
  if (wanted === "ON") {
    replies.turnOn();
    return OK;
  }
  if (wanted === "OFF") replies.turnOff();
  else if (wanted === "SKIP") replies.skipNext();
  else return SYNTAX;
  return true;
}

/** Servers do not hear of it: there it would be about a connection that many share. */
function noEvict(...[{ state }, view]: Parameters<LocalHandler>): Buffer {
  const isOn = onOrOff(view.text(2));
  if (isOn === null) return SYNTAX;
  state.noEvict = isOn;
  return OK;
}

/** Of Redis 7.2; the same. */
function noTouch(...[{ state }, view]: Parameters<LocalHandler>): Buffer {
  const isOn = onOrOff(view.text(2));
  if (isOn === null) return SYNTAX;
  state.noTouch = isOn;
  return OK;
}

/** What follows ON says how places are to be named, or (`none`) that they are not: else a client is told what the operator has said. */
function maintNotifications(...[client, view]: Parameters<LocalHandler>): Buffer {
  const { state, pool } = client;
  const isOn = onOrOff(view.text(2));
  if (isOn === null || view.count % 2 === 0) return SYNTAX;
  if (isOn && state.version !== 3) return NEEDS_RESP3;
  if (isOn) state.movesToSelf = movesToSelf(view);
  if (isOn === (state.maintenance !== "off")) return OK;
  state.maintenance = isOn ? "on" : "off";
  if (isOn) pool.maintenance.add(client);
  else pool.maintenance.remove(client);
  return OK;
}

/** Whether the last of the options says so. */
function movesToSelf(view: Parameters<LocalHandler>[1]): boolean {
  let isNone = false;
  for (let at = 3; at + 1 < view.count; at += 2) {
    if (view.text(at).toUpperCase() !== "MOVING-ENDPOINT-TYPE") continue;
    isNone = view.text(at + 1).toUpperCase() === "NONE";
  }
  return isNone;
}

function onOrOff(text: string): boolean | null {
  const upper = text.toUpperCase();
  return upper === "ON" ? true : upper === "OFF" ? false : null;
}

function tracking(...[, view]: Parameters<LocalHandler>): Buffer {
  const isOn = onOrOff(view.text(2));
  if (isOn === null) return SYNTAX;
  return isOn ? NO_TRACKING : OK;
}

function trackingInfo(...[{ state }]: Parameters<LocalHandler>): Buffer {
  return encodeValue(
    {
      mapOf: [
        ["flags", { setOf: ["off"] }],
        ["redirect", -1],
        ["prefixes", []],
      ],
    },
    state.version,
  );
}

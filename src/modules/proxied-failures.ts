/** What clients of a module's protocol are told, besides what a server's connection says. */
import type { Failure } from "../api/upstream.ts";

export const NO_SERVER: Failure = {
  kind: "ejected",
  wasSent: false,
  text: "Connection refused (no server of the pool is left)",
};
export const MAYBE = "the command may or may not have been executed";
export const SERVER_GONE: Failure = {
  kind: "closed",
  wasSent: true,
  text: `Connection reset by peer (a server was taken out of the pool; ${MAYBE})`,
};

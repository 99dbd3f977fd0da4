/** CLIENT UNBLOCK id [TIMEOUT|ERROR]: the server on which the client waits does it, and answers. */
import { encodeError, encodeInteger, encodeRequest } from "../../codec/encode.ts";
import { parseInt64 } from "../../codec/integer.ts";
import type { RequestView } from "../../codec/request-view.ts";
import { SingleReply } from "../ask-in-turn.ts";
import { askWhetherPermitted } from "../identity/ask-servers.ts";
import { answerLater, type LocalHandler } from "./local-handler.ts";

const NOT_AN_INTEGER: Buffer = encodeError("ERR value is not an integer or out of range");
const BAD_REASON: Buffer = encodeError("ERR CLIENT UNBLOCK reason should be TIMEOUT or ERROR");
const WRONG_COUNT: Buffer = encodeError(
  "ERR unknown subcommand or wrong number of arguments for 'UNBLOCK'. Try CLIENT HELP.",
);

export const clientUnblock: LocalHandler = (client, view) => {
  if (view.count > 4) return WRONG_COUNT;
  const kind = kindOf(view);
  if (kind === null) return BAD_REASON;
  const id = parseInt64(view.text(2));
  if (id === null) return NOT_AN_INTEGER;
  if (!client.settleFirst()) return false;
  return answerLater(client, (answer) => {
    client.pool.directory.whereBlocked(Number(id), (place) => {
      const isRight = ({ name, address }: { readonly name: string; readonly address: string }) =>
        name === place?.server && address === place.address;
      const upstream = client.pool.route.upstreams.find(isRight);
      if (place === null || upstream === undefined) {
        askWhetherPermitted(client, ["CLIENT", "UNBLOCK", "0"], (fault) => {
          answer(fault ?? encodeInteger(0));
        });
        return;
      }
      const connection = client.connectionTo(upstream);
      if (connection.refusal !== null) {
        answer(client.failureReply(connection.refusal));
        return;
      }
      const request = encodeRequest("CLIENT", "UNBLOCK", String(place.id), kind);
      const sink = new SingleReply((reply) => {
        answer(Buffer.isBuffer(reply) ? reply : client.failureReply(reply));
      });
      connection.send(request, 0, request.length, sink, 0, 1);
    });
  });
};

function kindOf(view: RequestView): "TIMEOUT" | "ERROR" | null {
  if (view.count < 4) return "TIMEOUT";
  const kind = view.text(3).toUpperCase();
  return kind === "TIMEOUT" || kind === "ERROR" ? kind : null;
}

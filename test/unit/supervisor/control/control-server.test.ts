import { expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { ControlReply, ControlRequest } from "../../../../src/api/control-socket.ts";
import type { LogFields, Logger } from "../../../../src/base/log.ts";
import { connectControlChannel } from "../../../../src/engine/bun/control-channel.ts";
import { listenUnix } from "../../../../src/os/listen-socket.ts";
import {
  ControlServer,
  type HandleRequest,
} from "../../../../src/supervisor/control/control-server.ts";

const broken: Readonly<Record<string, HandleRequest>> = {
  "at once": () => {
    throw new Error("broken");
  },
  later: async () => {
    await Bun.sleep(1);
    throw new Error("broken");
  },
};

test.each(Object.keys(broken))(
  "a command that fails by an exception %s is answered, and the log says so",
  async (when) => {
    const directory = mkdtempSync(join(tmpdir(), "control-"));
    const path = join(directory, "socket");
    const lines: string[] = [];
    const error = (message: string, fields?: LogFields): void =>
      void lines.push(`${message} ${JSON.stringify(fields)}`);
    const log = { error } as unknown as Logger;
    const server = new ControlServer(
      listenUnix({ path, mode: 0o600, backlog: 4 }),
      broken[when]!,
      log,
    );
    const answered = Promise.withResolvers<ControlReply>();
    const channel = await connectControlChannel<ControlReply, ControlRequest>(path, {
      onMessage: answered.resolve,
      onClose() {},
    });
    channel.send({ verb: "status" });
    const reply = await answered.promise;
    expect(JSON.stringify(reply)).toContain('"ok":false');
    expect(JSON.stringify(reply)).toContain("which its log shows: broken");
    expect(lines.join("")).toMatch(/^a command failed .*"command":"status".*broken/);
    server.shutDown();
    channel.close();
    rmSync(directory, { recursive: true });
  },
);

/** What commands say of a proxy that they cannot ask. Only root can try it as another user. */
import { afterEach, expect, setDefaultTimeout, test } from "bun:test";
import { chmodSync } from "node:fs";
import { join } from "node:path";
import { findUser } from "../../src/os/identity.ts";
import { startPlain } from "../support/plain-proxy.ts";
import { makeDirectory } from "../support/server-process.ts";
import { stopAll } from "../support/upgrade-rig.ts";

setDefaultTimeout(60_000);
afterEach(stopAll);

const IS_ROOT = process.geteuid?.() === 0;
const NOBODY = findUser("nobody")!;
const IDENTITY = JSON.stringify(join(import.meta.dir, "../../src/os/identity.ts"));
const CONTROL_CLIENT = JSON.stringify(join(import.meta.dir, "../../src/cli/control-client.ts"));

/** `proxy status` with the arguments, as that user. */
async function statusAs(
  user: { uid: number; gid: number },
  flags: { config?: string; control?: string },
): Promise<{ code: number; errors: string }> {
  const script = `
    import { assumeIdentity } from ${IDENTITY};
    import { callProxy, report } from ${CONTROL_CLIENT};
    assumeIdentity({ ...${JSON.stringify(user)}, groups: [] });
    const flags = { ...${JSON.stringify(flags)}, json: false };
    const call = { timeoutMs: 30_000, untilGone: false };
    process.exit(report(await callProxy(flags, { verb: "status" }, call), false, () => "answered"));`;
  const child = Bun.spawn([process.execPath, "-e", script], { stdio: ["ignore", "pipe", "pipe"] });
  const errors = await child.stderr.text();
  return { code: await child.exited, errors };
}

test.if(IS_ROOT)(
  "another user is told whose the control socket is, not that no proxy runs",
  async () => {
    const directory = makeDirectory("control-client");
    chmodSync(directory, 0o755);
    const control = join(directory, "control");
    const proxy = startPlain(directory, [`control: ${control}`]);
    expect(await proxy.serves()).toBe(true);
    const { configFile } = proxy;
    const answer = await statusAs(NOBODY, { control });
    expect(answer.errors).toContain(`at ${control}, but that control socket is open to root only`);
    expect(answer.errors).toContain("run this as root");
    expect(answer.code).toBe(4);
    expect(await statusAs(NOBODY, { config: configFile })).toEqual(answer);
    chmodSync(configFile, 0o600);
    const unread = await statusAs(NOBODY, { config: configFile });
    expect(unread.errors).toContain(`${configFile}, which cannot be read: permission denied`);
    expect(unread.code).toBe(3);
    const missing = await statusAs(NOBODY, { config: join(directory, "typo.yaml") });
    expect(missing.errors).toContain("there is no such file");
    expect(missing.code).toBe(3);
  },
);

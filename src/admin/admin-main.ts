/**
 * The admin process: a child of the supervisor that reads the shared statistics memory and serves it.
 *
 * It is apart from the workers so that nothing that happens here, its death included, touches traffic.
 */

import { CONTROL_FD, type FromAdmin, type ToAdmin } from "../api/control.ts";
import { SUPERVISOR_SIGNALS } from "../base/supervisor-signals.ts";
import { openControlChannel } from "../engine/bun/control-channel.ts";
import { Admin } from "./admin.ts";

/**
 * Runs until the supervisor says `stop` or is gone; then ends the process with code 0, or with 1 when it cannot serve.
 * The admin process may be killed at any time: it holds no state.
 */
export function runAdmin(): void {
  for (const signal of SUPERVISOR_SIGNALS) process.on(signal, () => {});
  const admin = new Admin(
    (question) => channel.send(question),
    (code) => process.exit(code),
  );
  const channel = openControlChannel<ToAdmin, FromAdmin>(CONTROL_FD, {
    onMessage: (message) => handle(admin, message),
    onClose: () => process.exit(0),
  });
}

/** An exception must not get lost in the channel, which would only close. */
function handle(admin: Admin, message: ToAdmin): void {
  try {
    admin.handle(message);
  } catch (error) {
    process.stderr.write(`admin: ${(error as Error).message}\n`);
    process.exit(1);
  }
}

/**
 * The one program, which is every process of the proxy.
 *
 * No top-level await: while one is pending, Bun lets the process survive its exceptions.
 */
import { runAdmin } from "./admin/admin-main.ts";
import { runRole } from "./cli/roles.ts";
import { DEV_BACKEND_ROLE, runDevBackend } from "./dev/dev-backend.ts";
import { runWorker } from "./worker/worker-main.ts";

runRole(process.argv.toSpliced(0, 2), {
  __worker: runWorker,
  __admin: runAdmin,
  [DEV_BACKEND_ROLE]: runDevBackend,
});

/**
 * The one program, which is every process of the proxy. Each loads only what it needs.
 *
 * No top-level await: while one is pending, Bun lets the process survive its exceptions.
 */
import { runRole } from "./cli/roles.ts";

runRole(process.argv.toSpliced(0, 2), {
  __worker: async () => (await import("./worker/worker-main.ts")).runWorker(),
  __acceptor: async () => (await import("./acceptor/acceptor-main.ts")).runAcceptor(),
  __sweeper: async () => (await import("./worker/sweeper-main.ts")).runSweeper(),
  __admin: async () => (await import("./admin/admin-main.ts")).runAdmin(),
  __modules: async () => (await import("./modules/describe.ts")).runDescribe(),
  "__dev-backend": async () => (await import("./dev/dev-backend.ts")).runDevBackend(),
});

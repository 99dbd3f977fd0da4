// `npm start`: installs and builds what is missing, then runs `dist/proxy dev` in the foreground.
// Arguments are passed on: `npm start -- --port 22121`.
import { spawn } from "node:child_process";
import { BINARY, buildWhenStale, checkNode, installPackages, printProblem } from "./setup.mjs";

try {
  checkNode();
  installPackages();
  buildWhenStale();
} catch (error) {
  printProblem(error);
  process.exit(1);
}

const child = spawn(BINARY, ["dev", ...process.argv.slice(2)], { stdio: "inherit" });

for (const signal of ["SIGINT", "SIGTERM", "SIGQUIT", "SIGHUP", "SIGUSR1", "SIGUSR2", "SIGWINCH"]) {
  // A terminal sends its signals to the whole foreground group: the child already has this one.
  const fromTerminal = process.stdin.isTTY && ["SIGINT", "SIGQUIT", "SIGWINCH"].includes(signal);
  process.on(signal, () => {
    if (!fromTerminal) child.kill(signal);
  });
}

child.on("error", (error) => {
  console.error(`setup: ${BINARY} could not be run: ${error.message}`);
  process.exit(1);
});
child.on("exit", (code, signal) => {
  if (signal === null) process.exit(code);
  process.removeAllListeners(signal);
  process.kill(process.pid, signal);
});

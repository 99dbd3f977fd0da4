/** What one version of the program asks another before it lets it take over. See src/supervisor/program/program.ts. */
import { REHEARSAL_FD } from "../api/control.ts";
import { aboutSelf } from "../supervisor/program/program.ts";
import { readState } from "../supervisor/program/supervisor-state.ts";

/** The role `__about`. */
export function printAbout(): void {
  process.stdout.write(`${JSON.stringify(aboutSelf())}\n`);
}

/** The role `__rehearse`. @returns the exit code */
export function rehearseState(): number {
  try {
    if (readState(REHEARSAL_FD) === null) throw new Error("there is no state to read");
    process.stdout.write("ok\n");
    return 0;
  } catch (error) {
    process.stderr.write(`${(error as Error).message}\n`);
    return 1;
  }
}

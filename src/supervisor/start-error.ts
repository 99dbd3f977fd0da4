/** For a proxy that is started although it runs. */
export const RUNNING_ADVICE =
  '"proxy reload" has it read its configuration again, "proxy upgrade" replaces its executable, "proxy stop" ends it';

/** Why the proxy cannot start: everything that is wrong, one line each, for the user who starts it. */
export class StartError extends Error {
  readonly problems: readonly string[];

  constructor(problems: readonly string[]) {
    super(problems.join("\n"));
    this.name = "StartError";
    this.problems = problems;
  }
}

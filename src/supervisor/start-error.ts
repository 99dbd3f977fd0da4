/** Why the proxy cannot start: everything that is wrong, one line each, for whoever started it. */
export class StartError extends Error {
  readonly problems: readonly string[];

  constructor(problems: readonly string[]) {
    super(problems.join("\n"));
    this.name = "StartError";
    this.problems = problems;
  }
}

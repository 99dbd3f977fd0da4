/** What the exit code of every command means; `proxy --help` prints this table. */

export const EXIT_OK = 0;
export const EXIT_FAILED = 1;
export const EXIT_USAGE = 2;
export const EXIT_UNREACHABLE = 3;
export const EXIT_DENIED = 4;

export const EXIT_CODE_TEXTS: readonly (readonly [code: number, meaning: string])[] = [
  [EXIT_OK, "all is well; for run: it was stopped by a signal and left in order"],
  [EXIT_FAILED, "it could not start, the configuration is not right, or what was asked for failed"],
  [EXIT_USAGE, "unknown command or flag, or a flag's value makes no sense"],
  [
    EXIT_UNREACHABLE,
    "reload, upgrade, stop, status: no proxy is running there, or it does not answer",
  ],
  [EXIT_DENIED, "the same commands: the control socket there is another user's; ask as that user"],
];

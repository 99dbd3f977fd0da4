/**
 * Signals that reach children when they are sent to the whole process group, or by habit to all processes of a name. The
 * supervisor alone decides what they mean and tells its children, which ignore them.
 */
export const SUPERVISOR_SIGNALS = [
  "SIGINT",
  "SIGQUIT",
  "SIGHUP",
  "SIGUSR1",
  "SIGUSR2",
  "SIGWINCH",
  "SIGTTIN",
  "SIGTTOU",
] as const;

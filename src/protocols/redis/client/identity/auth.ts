/** Whether a client's password is the pool's. */
import { timingSafeEqual } from "node:crypto";
import { encodeError } from "../../codec/encode.ts";

const WRONG_PASSWORD: Buffer = encodeError(
  "WRONGPASS invalid username-password pair or user is disabled.",
);
const NO_PASSWORD_SET: Buffer = encodeError(
  "ERR AUTH <password> called without any password configured for the default user. " +
    "Are you sure your configuration is correct?",
);

/** Null when the client may go on; else the reply. Only Redis's user "default" exists behind a fixed password. */
export function checkPassword(
  password: string | null,
  user: string | null,
  given: Buffer,
): Buffer | null {
  if (user !== null && user !== "default") return WRONG_PASSWORD;
  // Redis lets every client in as "default" when no password is set, but tells those who use the old form.
  if (password === null) return user === null ? NO_PASSWORD_SET : null;
  return isSame(Buffer.from(password), given) ? null : WRONG_PASSWORD;
}

/** Takes the same time however much of it is right. */
function isSame(expected: Buffer, given: Buffer): boolean {
  return expected.length === given.length && timingSafeEqual(expected, given);
}

/** Words for values that were set in a running proxy. */
import type { ControlResult, SettingStatus } from "../api/control-socket.ts";
import { formatDuration } from "../config/duration.ts";
import { userText } from "../os/accounts.ts";

const SECOND_MS = 1000;

/** "set by root, for 54s more" */
export function settingLine({
  uid,
  by,
  untilMs,
}: Omit<SettingStatus, "path" | "text" | "atMs">): string {
  const setter = by ?? (uid < 0 ? "a signal" : userText(uid));
  return `set by ${setter}, ${untilMs === null ? "until the next reload" : `for ${leftText(untilMs)}`}`;
}

/** How long until then: "54s more", "9m more". */
export function leftText(untilMs: number): string {
  const seconds = Math.max(0, Math.ceil((untilMs - Date.now()) / SECOND_MS));
  if (seconds < 120) return `${seconds}s more`;
  const minutes = Math.round(seconds / 60);
  return minutes < 120 ? `${minutes}m more` : `${Math.round(minutes / 60)}h more`;
}

/** "main.timeout: 30s → 2s in all workers, for 10m" */
export function setText(set: Extract<ControlResult, { readonly verb: "config_set" }>): string {
  const { path, from, text, isLive, isSaved, isReloaded, forMs } = set;
  const change = `${path}: ${from} → ${text}`;
  if (isReloaded) return `${change}, written into the file, and reloaded`;
  if (!isLive) return `${change}, written into the file; it takes effect with a reload`;
  if (isSaved) return `${change} in all workers, and written into the file`;
  const end = forMs === null ? "until the next reload" : `for ${formatDuration(forMs)}`;
  return `${change} in all workers, ${end}`;
}

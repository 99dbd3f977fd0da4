/**
 * What the supervisor asks a process of its own program about values that shall be set while it runs: are they right, as in a file,
 * and what do they come to?
 */
import type { Config } from "./config.ts";
import type { LiveValue } from "./steering.ts";

/** Answers a question that stands in a memory file behind SETTINGS_FD; arguments as those of CONFIG_ROLE. */
export const SETTINGS_ROLE = "__settings";
export const SETTINGS_FD = 3;
export const SETTINGS_MEMORY = "proxy-settings";

export interface SettingsQuestion {
  /** All that is to hold beside the file. */
  readonly settings: readonly WrittenSetting[];
  /** Write the one with this path into the file, if all is right; null: write nothing. */
  readonly saved: string | null;
}

export interface WrittenSetting {
  readonly path: string;
  /** As written in a file. */
  readonly text: string;
}

export type SettingsAnswer =
  /** One line each. Nothing was written. */
  | { readonly problems: readonly string[] }
  | {
      /** The file's, with the flags of the command line over it. */
      readonly config: Config;
      /** In the order of the question. */
      readonly settings: readonly CheckedSetting[];
    };

export interface CheckedSetting extends LiveValue {
  /** As a file of its form has it. */
  readonly path: string;
  /** The value as a file would have it. */
  readonly text: string;
  readonly isLive: boolean;
}

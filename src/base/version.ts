/** Which build this is. The build script defines the two names; run from source there is only the manifest. */
import manifest from "../../package.json" with { type: "json" };

declare const BUILD_VERSION: string | undefined;
declare const BUILD_COMMIT: string | undefined;

/** "0.1.0" */
export const VERSION: string = typeof BUILD_VERSION === "string" ? BUILD_VERSION : manifest.version;

/** Short commit id, or "dev" when run from source. */
export const COMMIT: string = typeof BUILD_COMMIT === "string" ? BUILD_COMMIT : "dev";

declare const BRIDGE_VERSION: string | undefined;

/** Our own version; the build puts package.json's in. */
export const version: string = typeof BRIDGE_VERSION === "string" ? BRIDGE_VERSION : "0.0.0-source";

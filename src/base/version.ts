declare const BRIDGE_VERSION: string | undefined;

/** The bridge's version, which the build takes from package.json. */
export const version: string = typeof BRIDGE_VERSION === "string" ? BRIDGE_VERSION : "0.0.0-source";

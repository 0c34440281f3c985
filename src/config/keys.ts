import { generatedKeys } from "../gen/config-keys.js";

/** A key of the configuration as people read it: for the flags and for the README's table. */
export interface ConfigKey {
  /** Dotted, as in the file. */
  readonly path: string;
  readonly kind: "text" | "number" | "switch" | "list" | "mapping";
  /** The values it takes, where they are few. */
  readonly choices: readonly string[];
  readonly nullable: boolean;
  readonly description: string;
  readonly defaultValue: unknown;
}

/** Every key, nested ones by their dotted path; `plugins`, which holds keys again, is one. */
export function configKeys(): readonly ConfigKey[] {
  return generatedKeys;
}

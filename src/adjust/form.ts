import { type IntegerRange, parseInteger } from "./grammar.js";
import type { JsonTree } from "./json-tree.js";
import { bad, type Fault, idle, type Parsed } from "./parsed.js";
import { type OnFault, type Readers, readObject, scalarText, textOf, textsOf } from "./tree-reader.js";

/** The fields of one small object, such as a mount: read one by one, and the first that is wrong remembered. */
export class Form {
  fault: Fault | undefined;
  readonly #fields: ReadonlyMap<string, JsonTree>;

  private constructor(fields: ReadonlyMap<string, JsonTree>) {
    this.#fields = fields;
  }

  /** Undefined when the object itself, or one of its keys, is a fault, which `onFault` is told of. */
  static read(tree: JsonTree, path: string, keys: readonly string[], onFault: OnFault): Form | undefined {
    const fields = new Map<string, JsonTree>();
    let sound = true;
    const readers: Readers = Object.fromEntries(
      keys.map((key) => [key, (value: JsonTree) => void fields.set(key, value)] as const),
    );
    readObject(tree, path, readers, (...fault) => {
      sound = false;
      onFault(...fault);
    });
    return sound ? new Form(fields) : undefined;
  }

  has(key: string): boolean {
    return this.#fields.has(key);
  }

  text(key: string): string {
    return this.#take(key, "", textOf);
  }

  /** A list that may be absent. */
  texts(key: string): string[] {
    return this.has(key) ? this.#take(key, [], textsOf) : [];
  }

  integer(key: string, range: IntegerRange): bigint {
    return this.#take(key, 0n, (tree) => {
      const text = scalarText(tree, "number");
      return text.ok ? parseInteger(text.value, range) : text;
    });
  }

  #take<T>(key: string, otherwise: T, read: (tree: JsonTree) => Parsed<T>): T {
    const tree = this.#fields.get(key);
    const parsed = tree === undefined ? bad("a value") : read(tree);
    if (parsed.ok) return parsed.value;
    this.fault ??= idle(`${key}: ${parsed.reason}`, parsed.remedy);
    return otherwise;
  }
}

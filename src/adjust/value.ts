import { fieldsOf } from "../nri/json.js";
import type { Asks, Place } from "./asks.js";
import { type Field, findField } from "./fields.js";
import { describeTree, type JsonTree, showTree } from "./json-tree.js";
import { bad, type Fault, suggest } from "./parsed.js";

/** A JSON value of one of a result's sources, and where it stands. */
export class Value {
  /** @param at the path to it, below its place: `.linux.devices[0]` */
  constructor(
    readonly tree: JsonTree,
    readonly place: Place,
    readonly asks: Asks,
    readonly at = "",
  ) {}

  get label(): string {
    return `${this.place.label}${this.place.text === undefined ? this.at : ""}`;
  }

  get shown(): string {
    return showTree(this.tree);
  }

  fault(fault: Fault | undefined): void {
    if (fault !== undefined) this.asks.fault(this, fault);
  }

  within(tree: JsonTree, step: string): Value {
    return new Value(tree, this.place, this.asks, `${this.at}${step}`);
  }

  items(): Value[] {
    if (this.tree.kind === "array") return this.tree.items.map((item, index) => this.within(item, `[${index}]`));
    this.fault(bad(`a list, not ${describeTree(this.tree)}`));
    return [];
  }

  entries(): [name: string, value: Value][] {
    const names = new Set<string>();
    if (this.tree.kind !== "object") this.fault(bad(`an object, not ${describeTree(this.tree)}`));
    else {
      return this.tree.entries.map(([name, tree]) => {
        const value = this.within(tree, `.${name}`);
        if (names.has(name)) value.fault(bad("each key once"));
        names.add(name);
        return [name, value];
      });
    }
    return [];
  }

  /** The fields of a message, by protobuf's JSON names or the schema's own; null is as good as absent. */
  fields(message: string): Map<string, [field: Field, value: Value]> {
    const found = new Map<string, [Field, Value]>();
    for (const [name, value] of this.entries()) {
      const field = findField(message, name);
      if (field === undefined) {
        const known = Object.keys(fieldsOf(message));
        value.fault(bad(`one of ${known.join(", ")}`, suggest(name, known, "leave it out")));
      } else if (value.tree.kind !== "null") {
        if (found.has(field.name)) value.fault(bad("each key once"));
        found.set(field.name, [field, value]);
      }
    }
    return found;
  }
}

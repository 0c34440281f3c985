import { excerpt } from "../base/errors.js";
import { fieldsOf, type Message, type Plain } from "../nri/json.js";
import { quoteText } from "../v01/gojson/quote.js";
import { type Field, findField, pathTo, type Rule, updatable } from "./fields.js";
import { checkGate, isRead, isSince, tooOld } from "./gates.js";
import { describeTree, type JsonTree, showTree } from "./json-tree.js";
import { bad, type Fault, good, idle, type Parsed, suggest } from "./parsed.js";
import type { AdjustmentContext, Note, Setting } from "./types.js";

export interface Place {
  /** Where the value stands in the plugin's result, for error messages: `adjust.cpu.shares`. */
  readonly label: string;
  /** The value's text, where the plugin gave a text; absent where the value is JSON. */
  readonly text?: string;
  /** The id of another container, which the value updates; absent for the event's own container. */
  readonly container?: string;
  /** What the bridge does with a value that cannot take effect. Absent: the value is a fault, or in phase delete a warning. */
  readonly whenIdle?: "skip" | "warn" | undefined;
}

/** After this many faults the bridge stops reading a result, since one fault already voids the result. */
export const mostFaults = 5;

/**
 * A plugin may print any number of keys without effect. The log gets this many notes on a result, and one more that says that the
 * bridge left out the rest.
 */
const mostNotes = 20;

/**
 * Why a plugin cannot update the event's own container with `update.<containerID>.` (NRI pkg/adaptation/result.go
 * getContainerUpdate, at every tag).
 */
const ownUpdates = {
  create: "NRI refuses the update of the container that is being created",
  update: "this update is of that container itself",
  delete: "this container is stopping",
};

export class Asks {
  readonly faults: string[] = [];
  readonly notes: Note[] = [];
  /** Keyed by the field; the later of two settings of the same field wins. */
  readonly settings = new Map<string, Setting>();

  constructor(readonly context: AdjustmentContext) {}

  note(level: Note["level"], text: string): void {
    if (this.notes.length < mostNotes) this.notes.push({ level, text });
    else if (this.notes.length === mostNotes) this.notes.push({ level: "warn", text: "further notes are left out" });
  }

  fault({ at, label, place: { text }, shown }: Value, { reason, remedy }: Fault): void {
    if (this.faults.length >= mostFaults) return;
    const within = text === undefined || at === "" ? "" : `${at.replace(/^(\[0\])?\./, "")}: `;
    const end = remedy === undefined ? "" : `; ${remedy}`;
    this.faults.push(`${label} ${quoteText(excerpt(text ?? shown, 64))}: ${within}${reason}${end}`);
  }

  add(setting: Setting): void {
    if (this.faults.length < mostFaults) this.settings.set(setting.field, setting);
  }

  /**
   * Sets a field, one entry of a map field, or one element of a list field.
   * @param name the name of the entry or element, with the `-` of a removal; empty for the whole field
   */
  set(of: Field, plain: Plain, from: Value, name = "", text?: string): void {
    const { rule } = of;
    const { container } = from.place;
    const shown = text ?? (typeof plain === "object" ? from.shown : String(plain));
    // Under systemd's cgroup driver a view shows the plugin a directory path instead of the container's `slice:prefix:name`, the
    // only form that runc takes there. A plugin that returns the shown path asks for no change.
    if (rule.key === "cgroupsPath" && shown === this.context.shownCgroupsPath) {
      this.note("debug", `${from.label} is the path that the plugin was shown: no change`);
      return;
    }
    const removes = isRemoval(rule, name);
    const key = name === "" ? `${rule.key}` : `${rule.key}.${removes ? name.slice(1) : name}`;
    const field = container === undefined ? key : `update.${container}.${key}`;
    const kept = container === undefined && this.#isKept(rule);
    this.add({ field, value: removes ? "-" : shown, container, kept, of, name, plain });
  }

  #isKept({ gate }: Rule): boolean {
    const { keep, phase } = this.context;
    if (!keep || gate === undefined || phase === "update" || phase === "delete") return false;
    return checkGate(gate, { ...this.context, phase: "update" }).ok;
  }

  /**
   * Whether a field takes effect in this phase, on this runtime and host. If not, adds a fault or a note with the reason, unless
   * `whenIdle` is `skip`.
   */
  takesEffect({ rule }: Field, value: Value): boolean {
    const effect = this.#effectOf(rule, value.place);
    // A plugin may print the same result for every event. In a delete a fault would end the chain, and the plugins after this one
    // would not run.
    const whenIdle = value.place.whenIdle ?? (this.context.phase === "delete" ? "warn" : undefined);
    if (!effect.ok && whenIdle === undefined) this.fault(value, effect);
    else if (!effect.ok && whenIdle === "warn") this.note("warn", `${value.label}: ${effect.reason}`);
    else if (effect.ok && rule.lost !== undefined) {
      if (isRead(this.context)) this.fault(value, idle(...rule.lost));
      else this.note("warn", `${value.label}: ${rule.lost[0]}; the bridge sends it, as this runtime's NRI is later`);
    }
    return effect.ok;
  }

  #effectOf({ gate, key }: Rule, { container }: Place): Parsed<true> {
    if (gate === undefined) return good(true);
    if (container === undefined) return checkGate(gate, this.context);
    const { phase, containerId } = this.context;
    if (!gate.phases.includes("update")) {
      const keys = updatable.map(({ rule }) => rule.key).join(", ");
      return bad(`a key that an update of another container can hold: ${keys}; runtimes drop ${key}`, "leave it out");
    }
    if (phase === "start") {
      const reason = "takes effect in phase create, update or delete: the answer to a start holds no updates";
      return idle(reason, "set `phase: create` for this plugin");
    }
    if (container === containerId) return idle(ownUpdates[phase], "use the key without update.<containerID>.");
    // NRI 0.2 already has all fields of an update, so `since` does not matter; files of cgroup v2 still need a host with v2.
    return checkGate({ phases: [phase], ...(gate.cgroup === undefined ? {} : { cgroup: gate.cgroup }) }, this.context);
  }

  /**
   * Why the removal of a name (written with a leading `-`) is a fault; undefined if NRI takes the removal.
   * @param rest the text that the plugin gives besides the name, which must be empty
   */
  removalFault({ removal = {} }: Rule, rest: string): Fault | undefined {
    if (removal.lost !== undefined) return idle(...removal.lost);
    if (removal.since && !isSince(this.context, removal.since)) return tooOld(removal.since, this.context);
    return rest === "" ? undefined : bad("an empty text, since the - removes");
  }
}

/** The message in a field of `message`; sets an empty one if the field is absent. */
function within(message: Message, field: string): Message {
  const found = message[field] ?? {};
  if (typeof found !== "object" || Array.isArray(found)) throw new Error(`${field} is not a message`);
  message[field] = found;
  return found;
}

/** Writes a setting into `root`, which is the answer or the update of another container. */
export function write(
  { of: { message, name: field, shape, rule }, container, name, plain }: Setting,
  root: Message,
): void {
  const inner = pathTo(message, container !== undefined).reduce(within, root);
  // The map has no prototype, so that a key like `__proto__` is a key like any other.
  if (shape === "map") inner[field] ??= Object.create(null);
  const found = inner[field];
  const adds = rule.by !== undefined || rule.adds;
  if (shape === "map") within(inner, field)[name] = plain;
  else if (Array.isArray(found) && adds) found.push(...[plain].flat());
  else inner[field] = adds ? [plain].flat() : plain;
}

export function isRemoval({ removal }: Rule, name: string): boolean {
  return removal !== undefined && name.startsWith("-");
}

/** A JSON value that a plugin's result holds, and where the value stands in the result. */
export class Value {
  /** @param at the path from the place to the value: `.linux.devices[0]` */
  constructor(
    readonly tree: JsonTree,
    readonly place: Place,
    readonly asks: Asks,
    readonly at = "",
  ) {}

  get label(): string {
    return this.place.text === undefined ? `${this.place.label}${this.at}`.replace(/^\./, "") : this.place.label;
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
    if (this.tree.kind === "object")
      return this.tree.entries.map(([name, tree]) => [name, this.within(tree, `.${name}`)]);
    this.fault(bad(`an object, not ${describeTree(this.tree)}`));
    return [];
  }

  /** The fields of a message, under their names in protobuf's JSON mapping or in the .proto schema. A null counts as absent. */
  fields(message: string): [field: Field, value: Value][] {
    const found: [Field, Value][] = [];
    for (const [name, value] of this.entries()) {
      const field = findField(message, name);
      if (field === undefined) {
        const known = Object.keys(fieldsOf(message));
        value.fault(bad(`one of ${known.join(", ")}`, suggest(name, known, "leave it out")));
      } else if (value.tree.kind !== "null") {
        if (found.some(([other]) => other === field)) value.fault(bad("each key once"));
        found.push([field, value]);
      }
    }
    return found;
  }
}

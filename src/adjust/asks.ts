import { excerpt } from "../base/errors.js";
import { fieldsOf, type Message, type Plain } from "../nri/json.js";
import { quoteText } from "../v01/gojson/quote.js";
import { type Field, findField, pathTo, type Rule, updatable } from "./fields.js";
import { checkGate, isRead, isSince, tooOld } from "./gates.js";
import { describeTree, type JsonTree, showTree } from "./json-tree.js";
import { bad, type Fault, good, idle, type Parsed, suggest } from "./parsed.js";
import type { AdjustmentContext, Note, Setting } from "./types.js";

export interface Place {
  /** Where it stands, for people: `adjust.cpu.shares`. */
  readonly label: string;
  /** The text that says it, where it is no JSON. */
  readonly text?: string;
  /** Another container, which it updates. */
  readonly container?: string;
  /** The remedy where it cannot take effect. Absent: it is an error of the plugin. */
  readonly whenIdle?: "skip" | "warn" | undefined;
}

/** After this many faults the rest is not read: the result is void already. */
export const mostFaults = 5;

/** A plugin may print any number of keys that have no effect: the log gets this many notes, and one that says that there are more. */
const mostNotes = 20;

/** Why the container of the event is not updated as another one (NRI pkg/adaptation/result.go getContainerUpdate, at every tag). */
const ownUpdates = {
  create: "NRI refuses the update of the container that is being created",
  update: "this is the container that is updated itself",
  delete: "this is the container that stops",
};

export class Asks {
  readonly faults: string[] = [];
  readonly notes: Note[] = [];
  /** By the field: the later of two settings of one wins. */
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

  /** Sets a field, or one entry of its map, or one element of its list. @param name of that, with a removal's `-` */
  set(of: Field, plain: Plain, from: Value, name = "", text?: string): void {
    const { rule } = of;
    const { container } = from.place;
    const shown = text ?? (typeof plain === "object" ? from.shown : String(plain));
    // A view under systemd's driver shows the real path in place of `slice:prefix:name`: runc takes only that one.
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

  /** Whether a field has an effect in this phase, runtime and host; else it is said why, with the remedy. */
  takesEffect({ rule }: Field, value: Value): boolean {
    const effect = this.#effectOf(rule, value.place);
    // A plugin may print the same for every state: in a delete an error would end the chain, and those behind would lose theirs.
    const whenIdle = value.place.whenIdle ?? (this.context.phase === "delete" ? "warn" : undefined);
    if (!effect.ok && whenIdle === undefined) this.fault(value, effect);
    else if (!effect.ok && whenIdle === "warn") this.note("warn", `${value.label}: ${effect.reason}`);
    else if (effect.ok && rule.lost !== undefined) {
      if (isRead(this.context)) this.fault(value, idle(...rule.lost));
      else this.note("warn", `${value.label}: ${rule.lost[0]}; it is sent, since the NRI of this runtime is later`);
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
    // The fields of an update are those of NRI 0.2; cgroup v2's files need a host that has them all the same.
    return checkGate({ phases: [phase], ...(gate.cgroup === undefined ? {} : { cgroup: gate.cgroup }) }, this.context);
  }

  /** The fault of a name that begins with `-`. @param rest the text beside the name, which must be empty */
  removalFault({ removal = {} }: Rule, rest: string): Fault | undefined {
    if (removal.lost !== undefined) return idle(...removal.lost);
    if (removal.since && !isSince(this.context, removal.since)) return tooOld(removal.since, this.context);
    return rest === "" ? undefined : bad("an empty text, since the - removes");
  }
}

/** The message in a field of another one, made where it is not there. */
function within(message: Message, field: string): Message {
  const found = message[field] ?? {};
  if (typeof found !== "object" || Array.isArray(found)) throw new Error(`${field} is not a message`);
  message[field] = found;
  return found;
}

/** Writes a setting into the answer, or that of another container into its update. */
export function write(
  { of: { message, name: field, shape, rule }, container, name, plain }: Setting,
  root: Message,
): void {
  const inner = pathTo(message, container !== undefined).reduce(within, root);
  // Without a prototype, so that a key like `__proto__` is a key like any other.
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

  /** The fields of a message, by protobuf's JSON names or the schema's own; null is as good as absent. */
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

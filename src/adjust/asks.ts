import type { Message, Plain } from "../nri/json.js";
import { quoteText } from "../v01/gojson/quote.js";
import { type Field, pathTo, type Rule, updatable } from "./fields.js";
import { checkGate, isRead, isSince, tooOld } from "./gates.js";
import { bad, type Fault, good, idle, type Parsed } from "./parsed.js";
import type { AdjustmentContext, Note, Phase, Setting } from "./types.js";
import type { Value } from "./value.js";

/** Which of a result's sources a value is from. */
export interface Place {
  /** Where it stands, for people: `adjust`, `adjust.cpu.shares`. */
  readonly label: string;
  /** The text that says it, where it is no JSON. */
  readonly text?: string;
  /** Another container, which it updates. */
  readonly container?: string;
  /** What to do where it cannot take effect. Absent: it is an error of the plugin. */
  readonly whenIdle?: "skip" | "warn" | undefined;
}

/** After so many faults the rest is not read: the result is void already, and more says nothing new. */
export const mostFaults = 5;

/** So many notes tell what there is to be told. */
const mostNotes = 20;

/** Collects what a result asks for, in reading order, and what is wrong with it. */
export class Asks {
  readonly faults: string[] = [];
  readonly #settings = new Map<string, Setting>();
  readonly #notes: Note[] = [];

  constructor(readonly context: AdjustmentContext) {}

  /** The later of two settings of one field wins. */
  get settings(): readonly Setting[] {
    return [...this.#settings.values()];
  }

  /** What is to be said of it, most of it: a plugin may print more keys than anybody reads. */
  get notes(): readonly Note[] {
    const rest = this.#notes.length - mostNotes;
    if (rest <= 0) return this.#notes;
    return [...this.#notes.slice(0, mostNotes), { level: "warn", text: `the same goes for ${rest} more` }];
  }

  note(level: Note["level"], text: string): void {
    this.#notes.push({ level, text });
  }

  fault({ at, label, place: { text }, shown }: Value, { reason, remedy }: Fault): void {
    if (this.faults.length >= mostFaults) return;
    const within = text === undefined || at === "" ? "" : `${at.replace(/^(\[0\])?\./, "")}: `;
    const end = remedy === undefined ? "" : `; ${remedy}`;
    this.faults.push(`${label} ${quoteText(excerpt(text ?? shown))}: ${within}${reason}${end}`);
  }

  add(setting: Setting): void {
    if (this.faults.length < mostFaults) this.#settings.set(setting.field, setting);
  }

  /**
   * Sets a field, or one entry of its map, or one element of its list.
   * @param name of the entry or element, with a removal's `-`
   * @param text the value, where it is not its JSON
   */
  set(field: Field, plain: Plain, value: Value, name = "", text?: string): void {
    const { rule, message } = field;
    const { container } = value.place;
    const shown = text ?? (typeof plain === "object" ? value.shown : String(plain));
    // A view under systemd's driver shows the real path in place of `slice:prefix:name`: runc takes only that one.
    if (rule.key === "cgroupsPath" && shown === this.context.shownCgroupsPath) {
      this.note("debug", `${value.label} is the path that the plugin was shown: no change`);
      return;
    }
    const removes = isRemoval(rule, name);
    const key = name === "" ? `${rule.key}` : `${rule.key}.${removes ? name.slice(1) : name}`;
    const isOthers = container !== undefined;
    const path = pathTo(message, isOthers);
    this.add({
      field: isOthers ? `update.${container}.${key}` : key,
      value: removes ? "-" : shown,
      container,
      adds: rule.adds,
      kept: !isOthers && this.#isKept(rule),
      write: (root) => put(path.reduce(within, root), field, name, plain),
    });
  }

  #isKept({ gate }: Rule): boolean {
    const { keep, phase } = this.context;
    if (!keep || gate === undefined || phase === "update" || phase === "delete") return false;
    return checkGate(gate, { ...this.context, phase: "update" }).ok;
  }

  /** Whether a field has an effect in this phase, runtime and host; else it is said why, with the remedy. */
  takesEffect({ rule }: Field, value: Value): boolean {
    const effect = this.#effectOf(rule, value.place);
    if (effect.ok) {
      if (rule.lost === undefined) return true;
      if (isRead(this.context)) this.fault(value, idle(...rule.lost));
      else this.note("warn", `${value.label}: ${rule.lost[0]}; it is sent, since the NRI of this runtime is later`);
      return true;
    }
    // A plugin may print the same for every state: in a delete an error would end the chain, and those behind would lose theirs.
    const whenIdle = value.place.whenIdle ?? (this.context.phase === "delete" ? "warn" : undefined);
    if (whenIdle === undefined) this.fault(value, effect);
    else if (whenIdle === "warn") this.note("warn", `${value.label}: ${effect.reason}`);
    return false;
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
    if (container === containerId) return ownUpdate(phase);
    // The fields of an update are those of NRI 0.2; cgroup v2's files need a host that has them all the same.
    return checkGate({ phases: [phase], ...(gate.cgroup === undefined ? {} : { cgroup: gate.cgroup }) }, this.context);
  }

  /** What is wrong with a name that begins with `-`. @param rest what stands beside the name, which is nothing */
  removalFault({ removal = {} }: Rule, rest: string): Fault | undefined {
    if (removal.lost !== undefined) return idle(removal.lost, removal.remedy);
    if (removal.since && !isSince(this.context, removal.since)) return tooOld(removal.since, this.context);
    return rest === "" ? undefined : bad("an empty text, since the - removes");
  }
}

/** The message in a field of another one, made where it is not there. */
function within(message: Message, field: string): Message {
  const found = message[field] ?? {};
  if (typeof found !== "object" || Array.isArray(found)) throw new Error(`${field} is no message`);
  message[field] = found;
  return found;
}

function put(message: Message, { name: field, shape, rule }: Field, name: string, value: Plain): void {
  const found = message[field];
  if (shape === "map") {
    // Without a prototype, so that a key like `__proto__` is a key like any other.
    if (found === undefined) message[field] = Object.create(null);
    within(message, field)[name] = value;
  } else if (Array.isArray(found) && (rule.by !== undefined || rule.adds)) found.push(...[value].flat());
  else message[field] = rule.by === undefined ? value : [value];
}

export function isRemoval({ removal }: Rule, name: string): boolean {
  return removal !== undefined && name.startsWith("-");
}

/** NRI pkg/adaptation/result.go getContainerUpdate, at every tag: such an update fails the creation. */
function ownUpdate(phase: Phase): Fault {
  if (phase === "delete") return idle("this is the container that stops", "leave it out");
  const remedy = "use the key without update.<containerID>.";
  return phase === "create"
    ? idle("NRI refuses the update of the container that is being created", remedy)
    : idle("this is the container that is updated itself", remedy);
}

/** What of a value an error text shows. */
function excerpt(value: string): string {
  return value.length <= 64 ? value : `${value.slice(0, 64)}…`;
}

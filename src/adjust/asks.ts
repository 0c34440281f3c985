import { quoteText } from "../v01/gojson/quote.js";
import { checkEffect, type ResolvedKey, resolveKey } from "./keys.js";
import { bad, type Fault, good, map, type Parsed } from "./parsed.js";
import type { OnFault } from "./tree-reader.js";
import type { AdjustmentContext, Note, Setting, Write } from "./types.js";

/** One thing that a result asks for, from whichever of its sources. */
export interface Ask {
  /** Where it stands, for people: `adjust.cpu.shares`, `adjust object linux.resources.cpu.shares`. */
  readonly label: string;
  /** The adjust key without its prefix. */
  readonly key: string;
  /** The value as it stands there. */
  readonly value: string;
  /** What it writes, where the value is no text for the key; else the key's own parser reads `value`. */
  readonly write?: Parsed<Write>;
  /** What the key means, where it is none of the table's. */
  readonly resolved?: ResolvedKey;
  /** What to do where the key cannot take effect. Absent: it is an error of the plugin. */
  readonly whenIdle?: "skip" | "warn";
}

/** After so many faults the rest is not read: the result is void already, and more says nothing new. */
export const mostFaults = 5;

/** So many notes tell what there is to be told. */
const mostNotes = 20;

/** Collects what a result asks for, in reading order. */
export class Asks {
  readonly #settings = new Map<string, Setting>();
  readonly #notes: Note[] = [];
  readonly faults: string[] = [];

  /** For the readers of objects. */
  readonly onFault: OnFault = (path, shown, fault) => this.fault(path, shown, fault);

  constructor(private readonly context: AdjustmentContext) {}

  /** The later of two asks for one field wins. */
  get settings(): readonly Setting[] {
    return [...this.#settings.values()];
  }

  /** What is to be said of it, most of it: a plugin may print more keys than anybody reads. */
  get notes(): readonly Note[] {
    const rest = this.#notes.length - mostNotes;
    if (rest <= 0) return this.#notes;
    return [...this.#notes.slice(0, mostNotes), { level: "warn", text: `the same goes for ${rest} more` }];
  }

  add(ask: Ask): void {
    if (this.faults.length >= mostFaults) return;
    const { label, key, value } = ask;
    const resolved = ask.resolved === undefined ? resolveKey(key) : good(ask.resolved);
    if (!resolved.ok) {
      this.fault(label, value, resolved);
      return;
    }
    if (this.#isEcho(resolved.value, value)) {
      this.note("debug", `${label} is the path that the plugin was shown: no change`);
      return;
    }
    const effect = checkEffect(resolved.value, this.context);
    if (!effect.ok) {
      const whenIdle = ask.whenIdle ?? this.#whenIdle;
      if (whenIdle === undefined) this.fault(label, value, effect);
      else if (whenIdle === "warn") this.note("warn", `${label}: ${effect.reason}`);
      return;
    }
    const setting = toSetting(ask, resolved.value);
    if (setting.ok) this.#settings.set(setting.value.field, setting.value);
    else this.fault(label, value, setting);
  }

  note(level: Note["level"], text: string): void {
    this.#notes.push({ level, text });
  }

  /**
   * A plugin may print the same for every state. In a delete an error would end the chain, and the plugins behind it would
   * lose theirs.
   */
  get #whenIdle(): Ask["whenIdle"] {
    return this.context.phase === "delete" ? "warn" : undefined;
  }

  /** A view under systemd's driver shows the real path in place of `slice:prefix:name`: runc takes only that one. */
  #isEcho({ field }: ResolvedKey, value: string): boolean {
    return field === "cgroupsPath" && value === this.context.shownCgroupsPath;
  }

  fault(label: string, value: string, { reason, remedy }: Fault): void {
    if (this.faults.length >= mostFaults) return;
    const end = remedy === undefined ? "" : `; ${remedy}`;
    this.faults.push(`${label} ${quoteText(excerpt(value))}: ${reason}${end}`);
  }
}

function toSetting(ask: Ask, { spec, field, name, removes, container }: ResolvedKey): Parsed<Setting> {
  if (removes && ask.write === undefined && ask.value !== "") return bad("an empty text, since the - removes");
  return map(ask.write ?? spec.parse(name, ask.value, removes), (write) => ({
    field,
    value: removes ? "-" : ask.value,
    write,
    ...(container === undefined ? {} : { container }),
  }));
}

/** What of a value an error text shows. */
function excerpt(value: string): string {
  return value.length <= 64 ? value : `${value.slice(0, 64)}…`;
}

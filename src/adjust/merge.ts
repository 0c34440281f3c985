import type { Setting } from "./types.js";

/** One field that two plugins of a chain set differently: the last one has it. */
export interface Conflict {
  readonly field: string;
  /** The first plugin that set it. */
  readonly first: string;
  /** The plugin whose value stands. */
  readonly last: string;
}

/** A setting in a chain. */
export interface OwnedSetting extends Setting {
  /** Whose value it is. */
  readonly plugin: string;
  /** Who set the field first. */
  readonly first: string;
  /** Whether some plugin set it to something else. */
  readonly disputed: boolean;
}

export function own(plugin: string, settings: readonly Setting[]): readonly OwnedSetting[] {
  return settings.map((setting) => ({ ...setting, plugin, first: plugin, disputed: false }));
}

/**
 * Lays later settings over earlier ones: the last one wins. Hooks add up instead: no hook takes another's place, in OCI's
 * lists as in NRI's collection of several plugins' answers (pkg/adaptation/result.go adjustHooks).
 */
export function overlay(earlier: readonly OwnedSetting[], later: readonly OwnedSetting[]): readonly OwnedSetting[] {
  const fields = new Map<string, OwnedSetting>();
  for (const [index, setting] of [...earlier, ...later].entries()) {
    if (setting.field.startsWith("hook.")) {
      fields.set(`${setting.field} ${index}`, setting);
      continue;
    }
    const before = fields.get(setting.field);
    if (before === undefined) fields.set(setting.field, setting);
    else {
      const disputed = before.disputed || setting.disputed || before.value !== setting.value;
      fields.set(setting.field, { ...setting, first: before.first, disputed });
    }
  }
  return [...fields.values()];
}

export function conflictsOf(settings: readonly OwnedSetting[]): readonly Conflict[] {
  return settings.flatMap(({ field, plugin, first, disputed }) =>
    disputed && first !== plugin ? [{ field, first, last: plugin }] : [],
  );
}

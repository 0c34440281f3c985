import { nearestName } from "../../nearest.js";
import type { ConfigFault, Facts } from "../facts.js";
import type { Finding } from "../finding.js";
import { shellWord } from "../finding.js";
import { guardFile } from "../permission-fix.js";

/** What conf.json says, and what of it nobody reads. */
export function confFindings({ conf, bridge }: Facts): readonly Finding[] {
  const { path, list } = conf;
  if (!conf.exists) {
    return [
      {
        id: "conf-missing",
        severity: "warning",
        what: `${path} is not there`,
        why: "without it no plugin runs, and that is no error: containerd 1.6 did the same",
        fix: listAgain,
        where: path,
      },
    ];
  }
  const found: Finding[] = [];
  if (conf.permissionFault !== null) {
    found.push({
      id: "conf-permissions",
      severity: bridge.config.permissions === "strict" ? "error" : "warning",
      what: conf.permissionFault,
      why: "whoever can write it says what runs as root; with permissions: strict the bridge refuses it",
      fix: guardFile(path, conf.permissionFault),
      where: path,
    });
  }
  if (conf.fault !== undefined) return [...found, faultFinding(conf, conf.fault)];
  if (conf.trailing !== undefined) {
    found.push({
      id: "conf-trailing",
      severity: "warning",
      what: `there is text after the first JSON value of ${path}`,
      why: "v0.1 clients pass over it: plugins that it names do not run",
      fix: `take it out from ${conf.trailing} on; plugins of it that are to run belong into the list of the first value`,
      where: conf.trailing,
    });
  }
  for (const { text, where } of conf.unknownKeys) {
    found.push({
      id: "conf-unknown-key",
      severity: "warning",
      what: `${path} has a key "${text}"`,
      why: "v0.1 knows version, plugins, type and conf alone, and passes over everything else in silence",
      fix: unknownKeyFix(text, where),
      where,
    });
  }
  if (list?.plugins.length === 0) {
    found.push({
      id: "conf-empty",
      severity: "warning",
      what: `${path} lists no plugin`,
      why: "no plugin runs, and that is no error",
      fix: listAgain,
      where: path,
    });
  }
  return found;
}

/** A plugin that is listed and not there fails every pod: no name is guessed. */
const listAgain =
  "nothing, if no plugin is to run here; else put back the file that listed the plugins, or install them again";

/** What is near a known name may be meant to be it; of two keys of one name the last one counts alone. */
function unknownKeyFix(key: string, where: string): string {
  const own = key.slice(key.lastIndexOf(".") + 1);
  const nearest = nearestName(own, key.includes("].") ? ["type", "conf"] : ["version", "plugins"]);
  const meant = nearest === undefined ? "" : `; if "${nearest}" was meant, what it says belongs there`;
  return `remove it at ${where}${meant}`;
}

function faultFinding({ path, refusal, blank }: Facts["conf"], { where, text }: ConfigFault): Finding {
  const about = {
    id: "conf-fault",
    severity: "error",
    why: "every pod sandbox fails to start, as under containerd 1.6; containers start without their plugins",
    where,
  } as const;
  if (refusal === "EACCES") {
    const what = `${path} may not be read by this user: ${text}`;
    return { ...about, what, why: "which plugins there are is not known", fix: "sudo nri-v01-bridge doctor" };
  }
  if (refusal === "EISDIR") {
    const what = `${path} is a directory, where a file is to be`;
    return {
      ...about,
      what,
      fix: `mv ${shellWord(path)} ${shellWord(`${path}.directory`)} # then put the file that lists the plugins in its place`,
    };
  }
  if (blank) {
    const what = `${path} is empty: v0.1 clients read no JSON from it (EOF)`;
    const fix = `put back the file that listed the plugins; until then {"version": "0.1", "plugins": []} in ${path} lets pods start without any`;
    return { ...about, what, fix };
  }
  if (text.includes("] is null")) {
    const what = `${path} cannot be used: ${text}`;
    return { ...about, id: "conf-null-entry", what, fix: `take the null out of plugins at ${where}` };
  }
  return { ...about, what: `${path} cannot be used: ${text}`, fix: `correct it at ${where}` };
}

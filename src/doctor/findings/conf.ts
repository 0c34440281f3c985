import { dirname } from "node:path";
import { nearestName } from "../../nearest.js";
import type { ConfigFault, Facts } from "../facts.js";
import type { Finding } from "../finding.js";
import { shellWord } from "../finding.js";
import { guardFile } from "../permission-fix.js";

/** What conf.json says, and what of it nobody reads. */
export function confFindings({ conf, bridge }: Facts): readonly Finding[] {
  const { path, list } = conf;
  const file = shellWord(path);
  if (!conf.exists) {
    return [
      {
        id: "conf-missing",
        severity: "warning",
        what: `${path} is not there`,
        why: "without it no plugin runs, and that is no error: containerd 1.6 did the same",
        fix: `mkdir -p ${shellWord(dirname(path))} && printf '{"version": "0.1", "plugins": [{"type": "NAME"}]}\\n' > ${file}`,
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
      fix: `jq -s '{version: .[0].version, plugins: map(.plugins // []) | add}' ${file} > ${file}.new && mv ${file}.new ${file}`,
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
      fix: `printf '{"version": "0.1", "plugins": [{"type": "NAME"}]}\\n' > ${file}`,
      where: path,
    });
  }
  return found;
}

/** What is near a known name is meant to be it. */
function unknownKeyFix(key: string, where: string): string {
  const own = key.slice(key.lastIndexOf(".") + 1);
  const nearest = nearestName(own, key.includes("].") ? ["type", "conf"] : ["version", "plugins"]);
  return nearest === undefined ? `remove it at ${where}` : `write "${nearest}" for it at ${where}, or remove it`;
}

function faultFinding({ path, refusal, blank }: Facts["conf"], { where, text }: ConfigFault): Finding {
  const file = shellWord(path);
  const none = `'{"version": "0.1", "plugins": []}\n'`;
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
      fix: `mv ${file} ${file}.directory && printf ${none} > ${file} # then list the plugins in it`,
    };
  }
  if (blank) {
    const what = `${path} is empty: v0.1 clients read no JSON from it (EOF)`;
    return { ...about, what, fix: `printf ${none} > ${file} # then list the plugins in it` };
  }
  if (text.includes("] is null")) {
    const fix = `jq '.plugins |= map(select(. != null))' ${file} > ${file}.new && mv ${file}.new ${file}`;
    return { ...about, id: "conf-null-entry", what: `${path} cannot be used: ${text}`, fix };
  }
  return { ...about, what: `${path} cannot be used: ${text}`, fix: `correct it at ${where}` };
}

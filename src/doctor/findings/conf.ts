import { dirname } from "node:path";
import type { Facts } from "../facts.js";
import type { Finding } from "../finding.js";
import { shellWord } from "../finding.js";

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
      fix: `chown root ${file} && chmod go-w ${file} # and the same for its directory`,
      where: path,
    });
  }
  if (conf.fault !== undefined) {
    found.push({
      id: conf.fault.text.includes("] is null") ? "conf-null-entry" : "conf-fault",
      severity: "error",
      what: `${path} cannot be used: ${conf.fault.text}`,
      why: "every pod sandbox fails to start, as under containerd 1.6; containers start without their plugins",
      fix: conf.fault.text.includes("] is null")
        ? `jq '.plugins |= map(select(. != null))' ${file} > ${file}.new && mv ${file}.new ${file}`
        : `correct it; jq . ${file} shows the place too`,
      where: conf.fault.where,
    });
    return found;
  }
  if (conf.trailing) {
    found.push({
      id: "conf-trailing",
      severity: "warning",
      what: `there is text after the first JSON value of ${path}`,
      why: "v0.1 clients pass over it: plugins that it names do not run",
      fix: `jq -s '{version: .[0].version, plugins: map(.plugins // []) | add}' ${file} > ${file}.new && mv ${file}.new ${file}`,
      where: path,
    });
  }
  for (const key of conf.unknownKeys) {
    found.push({
      id: "conf-unknown-key",
      severity: "warning",
      what: `${path} has a key "${key}"`,
      why: "v0.1 knows version, plugins, type and conf alone, and passes over everything else in silence",
      fix: `correct its name; jq . ${file} shows the file`,
      where: path,
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

import { confJson, describeFaults, labels, listed, script } from "./faults.js";

describeFaults("conf.json", {
  "conf-missing": [
    {
      make: (node) => node.remove(confJson).remove(labels),
      fixSays: "nothing, if no plugin is to run here; else put back the file that listed the plugins",
      mend: (node) => node.write(confJson, listed("labels")).write(labels, script, 0o755),
    },
  ],
  "conf-empty": ["{}", "null", '{"plugins": null}', '{"plugins": []}'].map((text) => ({
    make: (node) => node.write(confJson, text).remove(labels),
    fixSays: "nothing, if no plugin is to run here; else put back the file that listed the plugins",
    mend: (node) => node.write(confJson, listed("labels")).write(labels, script, 0o755),
  })),
  "conf-fault": [
    {
      make: (node) => node.write(confJson, '{"version": "0.1",\n "plugins": {}}'),
      mend: (node) => node.write(confJson, listed("labels")),
      where: `${confJson}:2:13`,
    },
    {
      make: (node) => node.write(confJson, " \n").remove(labels),
      mend: (node) => node.write(confJson, listed("labels")).write(labels, script, 0o755),
      says: "is empty",
      fixSays: 'until then {"version": "0.1", "plugins": []} in /etc/nri/conf.json lets pods start without any',
    },
    {
      make: (node) => node.remove(confJson).write(`${confJson}/.keep`, ""),
      mend: (node) => node.remove(confJson).write(confJson, listed("labels")),
      says: "is a directory",
    },
    {
      make: (node) => node.write(confJson, `\ufeff${listed("labels")}`),
      mend: (node) => node.write(confJson, listed("labels")),
      where: `${confJson}:1:1`,
    },
  ],
  "conf-null-entry": [
    {
      make: (node) => node.write(confJson, '{"version": "0.1", "plugins": [{"type": "labels"}, null]}'),
      mend: (node) => node.write(confJson, listed("labels")),
      where: `${confJson}:1:52`,
    },
  ],
  "conf-permissions": [
    // A directory that has to be open to everybody is left so.
    {
      make: (node) => node.chmod("/etc/nri", 0o1777),
      mend: (node) => node.chmod("/etc/nri", 0o755),
      says: "/etc/nri: mode 1777 lets everybody write it",
    },
    { make: (node) => node.chmod(confJson, 0o666), mend: "its fix", where: confJson },
    {
      make: (node) => node.chmod("/etc/nri", 0o777),
      mend: "its fix",
      says: "/etc/nri: mode 0777 lets everybody write it",
    },
  ],
  "conf-trailing": [
    {
      make: (node) => node.write(confJson, `${listed("labels")}\n ${listed("other")}`),
      mend: (node) => node.write(confJson, listed("labels")),
      where: `${confJson}:2:2`,
    },
  ],
  "conf-unknown-key": [
    {
      make: (node) => node.write(confJson, '{"version": "0.1", "plugin": [], "plugins": [{"type": "labels"}]}'),
      mend: (node) => node.write(confJson, listed("labels")),
      says: 'a key "plugin"',
      where: `${confJson}:1:20`,
    },
    {
      make: (node) => node.write(confJson, '{"Plugins": [\n  {"Type": "labels" ,\n   "config": {}}]}'),
      mend: (node) => node.write(confJson, '{"Plugins": [{"Type": "labels", "Conf": {}}]}'),
      says: 'a key "plugins[0].config"',
      where: `${confJson}:3:4`,
    },
  ],
});

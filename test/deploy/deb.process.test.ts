import { chmodSync, existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { makeFolder } from "../support/places.js";
import { root, run } from "./support.js";

/** Runs a maintainer script on a node whose systemd refuses everything; the commands that it gave. */
async function play(script: string, ...args: readonly string[]) {
  const folder = makeFolder();
  mkdirSync(join(folder, "run/systemd/system"), { recursive: true });
  for (const name of ["systemctl", "deb-systemd-invoke", "deb-systemd-helper"]) {
    const status = name === "deb-systemd-helper" ? 0 : 1;
    writeFileSync(join(folder, name), `#!/bin/sh\necho ${name} "$@" >>${folder}/log\nexit ${status}\n`);
    chmodSync(join(folder, name), 0o755);
  }
  const text = readFileSync(join(root, "deploy/deb", script), "utf8").replaceAll("/run/", `${folder}/run/`);
  writeFileSync(join(folder, script), text);
  const { code } = await run("/bin/sh", [join(folder, script), ...args], { env: { PATH: folder } });
  return { code, log: existsSync(join(folder, "log")) ? readFileSync(join(folder, "log"), "utf8") : "" };
}

it.each([
  ["postinst", ["configure", ""], "deb-systemd-invoke start nri-v01-bridge.service"],
  ["postinst", ["configure", "0.1.0"], "deb-systemd-invoke restart nri-v01-bridge.service"],
  ["postinst", ["abort-remove"], "deb-systemd-invoke start nri-v01-bridge.service"],
  ["prerm", ["remove"], "deb-systemd-invoke stop nri-v01-bridge.service"],
  ["postrm", ["remove"], "systemctl daemon-reload"],
])("%s %j ends well on a node whose systemd answers nothing", async (script, args, command) => {
  const { code, log } = await play(script, ...args);
  expect(code).toBe(0);
  expect(log).toContain(`${command}\n`);
});

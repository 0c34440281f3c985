import { chmodSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { stateChangeRequest } from "../../src/nri/codec.js";
import { readCase } from "../../src/tools/replay/case.js";
import { makeFolder } from "../support/places.js";
import { filesIn, fixture, recordLive, replayFolder, requestsOf } from "./live.js";

const secrets = {
  env: "env-S3CRET-of-the-container",
  annotation: "annotation-S3CRET-of-the-pod",
  conf: "conf-S3CRET-of-the-plugin",
  args: "args-S3CRET-of-the-container",
} as const;

/** A plugin that tells everything it knows, on stdout and on stderr. */
const blabber = `#!/bin/sh
request=$(cat)
echo "$request" >&2
echo "env: ${secrets.env} args: ${secrets.args}" >&2
echo '{"plugin":"blabber","version":"0.1","error":"","metadata":{"a":"${secrets.annotation}","c":"${secrets.conf}"}}'
`;

/** The case with secrets in it: in the events, in the bundles and in conf.json. */
function secretCase() {
  const played = fixture("basic-hostnet");
  const annotations = { "example.com/credentials": secrets.annotation };
  const events = played.events.map((event) => {
    if (event.method !== "StateChange") return event;
    const { pod, container, ...request } = stateChangeRequest.decode(event.payload);
    if (pod !== undefined) Object.assign(pod.annotations, annotations);
    if (container !== undefined) {
      Object.assign(container.annotations, annotations);
      container.env.push(`DATABASE_URL=${secrets.env}`);
      container.args.push(secrets.args);
    }
    const about = { ...request, ...(pod && { pod }), ...(container && { container }) };
    return { ...event, payload: stateChangeRequest.encode(about) };
  });
  const bundles = played.bundles.map(({ path, bytes }) => {
    const bundle = JSON.parse(Buffer.from(bytes).toString());
    Object.assign(bundle.annotations, annotations);
    bundle.process.env.push(`DATABASE_URL=${secrets.env}`);
    bundle.process.args.push(secrets.args);
    return { path, bytes: Buffer.from(JSON.stringify(bundle)) };
  });
  const conf = {
    version: "0.1",
    plugins: [{ type: "blabber", conf: { apiToken: secrets.conf, level: 3 } }, { type: "blabber" }],
  };
  return {
    ...played,
    events,
    bundles,
    confs: [{ fromEvent: 1, file: "conf.json", text: Buffer.from(JSON.stringify(conf)) }],
  };
}

function pluginFolder(): string {
  const folder = makeFolder();
  writeFileSync(join(folder, "blabber"), blabber);
  chmodSync(join(folder, "blabber"), 0o755);
  return folder;
}

it("no secret survives anywhere in a redacted recording, and its replay sends the masked requests", async () => {
  const played = secretCase();
  const pluginDirs = [pluginFolder()];
  const live = await recordLive({ played, pluginDirs, recorder: { redact: true } });
  const files = filesIn(live.out);
  expect(files.size).toBeGreaterThan(15);
  for (const [name, bytes] of files) {
    const payloads = readable(name, bytes);
    for (const secret of Object.values(secrets)) expect(payloads, name).not.toContain(secret);
  }
  // The plugin did see them all, so that there was something to mask.
  const requests = live.runs.map(({ run }) => run.request).join();
  expect(requests).toContain(secrets.annotation);
  expect(requests).toContain(secrets.conf);
  const [folder = ""] = live.cases.map((recorded) => recorded.folder);
  const expected = [...files]
    .filter(([name]) => name.endsWith(".request.json"))
    .toSorted(([a], [b]) => (a < b ? -1 : 1));
  const replayed = requestsOf(await replayFolder(folder, pluginDirs));
  // The second run of a chain shows what the plugin printed, which the live one was asked to mask and this one was not.
  const withoutResults = (request: string) => JSON.stringify({ ...JSON.parse(request), results: [] });
  expect(replayed.map(withoutResults)).toEqual(expected.map(([, bytes]) => withoutResults(bytes.toString())));
  expect(readCase(folder).events).toHaveLength(played.events.length);
  expect(JSON.parse(files.get(`${folder.slice(live.out.length + 1)}/case.json`)?.toString() ?? "")).toMatchObject({
    redacted: true,
  });
});

/** A file's text with the payloads in it. */
function readable(name: string, bytes: Buffer): string {
  const text = bytes.toString();
  if (!name.endsWith("events.jsonl")) return text;
  const payloads = [...text.matchAll(/"payloadBase64":"([^"]*)"/g)].map(([, base64 = ""]) =>
    Buffer.from(base64, "base64"),
  );
  return text + Buffer.concat(payloads).toString("latin1");
}

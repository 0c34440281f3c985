import { describe, expect, test } from "vitest";
import { pluginService } from "../../src/nri/codec.js";
import { eventNames, events } from "../../src/nri/events.js";
import { Code } from "../../src/nri/ttrpc/status.js";
import { puppetStub } from "./support/puppet-runtime.js";
import { loadSchema, messageType } from "./support/schema.js";

const root = loadSchema();
const pluginMethods = root.lookupService(pluginService).methods;

/** A message's fields without their comments, to compare two layouts. */
function layout(name: string): object[] {
  return messageType(root, name).fieldsArray.map(({ id, name: field, type, repeated }) => ({
    id,
    field,
    type,
    repeated,
  }));
}

describe("what is written by hand agrees with the schema", () => {
  test("every call of the Plugin service is served, but for the validator's", async () => {
    const { connection } = await puppetStub();
    await connection.handshake();
    const unimplemented: string[] = [];
    for (const method of Object.keys(pluginMethods)) {
      const { response } = await connection.call(method);
      if (response?.status?.code === Code.Unimplemented) unimplemented.push(method);
    }
    expect(unimplemented).toEqual(["ValidateContainerAdjustment"]);
  });

  test("events have the schema's numbers", () => {
    const { UNKNOWN, LAST, VALIDATE_CONTAINER_ADJUSTMENT, ...lifecycle } =
      root.lookupEnum("nri.pkg.api.v1alpha1.Event").values;
    expect([UNKNOWN, VALIDATE_CONTAINER_ADJUSTMENT, LAST]).toEqual([0, 14, 15]);
    const constant = (name: string) => name.replace(/(?<=[a-z])(?=[A-Z])/g, "_").toUpperCase();
    expect(Object.fromEntries(eventNames.map((name) => [constant(name), events[name].number]))).toEqual(lifecycle);
  });

  // The codec reads all pod requests with one reader, and all container requests with another.
  test.each(eventNames)("%s has the request layout that it is read with", (name) => {
    const request = pluginMethods[name]?.requestType ?? "";
    if (name === "UpdatePodSandbox" || name === "UpdateContainer") expect(request).toBe(`${name}Request`);
    else
      expect(layout(request)).toEqual(
        layout(events[name].subject === "pod" ? "RunPodSandboxRequest" : "CreateContainerRequest"),
      );
  });

  test.each(eventNames)("%s has the answer that it is given", (name) => {
    const fields = layout(pluginMethods[name]?.responseType ?? "").map((field) => Object.values(field)[1]);
    const asks: Record<string, string[]> = {
      CreateContainer: ["adjust", "update", "evict"],
      UpdateContainer: ["update", "evict"],
      StopContainer: ["update"],
    };
    expect(fields).toEqual(asks[name] ?? []);
  });
});

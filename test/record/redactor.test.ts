import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { stateChangeRequest } from "../../src/nri/codec.js";
import { decodeEvent, encodeEvent } from "../../src/nri/events.js";
import { isSecretName, maskShapes } from "../../src/observe/secrets.js";
import { createRedactor, maskBrokenJson, rewriteJson } from "../../src/tools/record/redactor.js";
import { recordedEvents } from "../support/recorded-events.js";

const { pod, container } = recordedEvents("basic-hostnet", "StartContainer");

const json = (value: unknown) => Buffer.from(JSON.stringify(value));
const text = (bytes: Uint8Array | undefined) => Buffer.from(bytes ?? []).toString();

/** A secret as somebody would choose it: no part of it is in the recorded events. */
const secretText = fc
  .string({ unit: fc.constantFrom(..."ABCDEFGHJKZ0123456789!$%&/=?+#\"\\'<> äß€\n"), minLength: 12, maxLength: 40 })
  .filter((secret) => secret.split("\n").every((line) => line.length >= 8));

function formsOf(secret: string): string[] {
  return secret.split("\n").flatMap((line) => [line, JSON.stringify(line).slice(1, -1)]);
}

/** All outputs at once, with what no secret has between them: there are hundreds of thousands of these looks. */
function expectNone(secret: string, ...outputs: string[]): void {
  const all = outputs.join("\0");
  expect(formsOf(secret).filter((form) => all.includes(form))).toEqual([]);
}

describe("the names of secrets", () => {
  const secret = "password DB_PASSWORD apiKey api-key token accessTokenFile tls.key clientSecret dbpasswd auth";
  it.each(secret.split(" "))("%s is one", (name) => expect(isSecretName(name)).toBe(true));
  const plain = "path PATH cgroupRoot type author monkey keyboard compass level io.kubernetes.pod.name";
  it.each(plain.split(" "))("%s is none", (name) => expect(isSecretName(name)).toBe(false));
});

describe("secrets by their shape", () => {
  it.each([
    ["--password=hunter2 --user=bob", "--password=xxxxxxx --user=bob"],
    ["see https://bob:hunter2@example.com/x", "see https://bob:xxxxxxx@example.com/x"],
    ["Authorization: Bearer abcdefgh.ijkl", "Authorization: Bearer xxxxxxxxxxxxx"],
    ["id AKIAIOSFODNN7EXAMPLE", "id xxxxxxxxxxxxxxxxxxxx"],
    ["seen eyJhbGciOiJIUzI1.eyJzdWIiOiIx.abc", "seen xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"],
    ["my-DB_Password.file : 'hunter2'", "my-DB_Password.file : 'xxxxxxx'"],
    ["git+ssh://bob:hunter2@example.com", "git+ssh://bob:xxxxxxx@example.com"],
    ["x-eyJhbGciOiJIUzI1.eyJzdWIiOiIx.abc", "x-xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"],
    ["nothing of that kind: 12", "nothing of that kind: 12"],
  ])("%s", (before, after) => expect(maskShapes(before)).toBe(after));
});

describe("a text that is made to be looked at for long", () => {
  // An annotation has up to 256 KB, and the bridge looks at it between two events.
  it.each(["a", "a-", "secret", "secret.", "-eyJ", "-eyJaaaaaaaa.", "a://", "a://b:", "basic ", "-----BEGIN a"])(
    "of %j alone takes no time",
    (unit) => {
      const startedAt = performance.now();
      maskShapes(unit.repeat(16_384 / unit.length));
      expect(performance.now() - startedAt).toBeLessThan(1_000);
    },
  );

  it("takes none with values in thousands of others", () => {
    const depth = 1_000;
    const nested = `{"a":${"[".repeat(depth)}${"1,".repeat(8_000)}1${"]".repeat(depth)}}`;
    const startedAt = performance.now();
    expect(text(createRedactor().conf(Buffer.from(nested)))).toBe(nested);
    expect(performance.now() - startedAt).toBeLessThan(2_000);
  });
});

describe("an event", () => {
  const secret = "s3cret-value-of-mine";

  it("keeps its shape and size: values of the environment, arguments and foreign annotations are masked", () => {
    const given = {
      pod: { ...pod, annotations: { ...pod.annotations, "example.com/token": secret } },
      container: { ...container, env: [`TOKEN=${secret}`, "PATH=/bin"], args: ["server", "--pw", secret] },
    };
    for (const call of ["own", "StateChange"] as const) {
      const { method, payload } = encodeEvent("StartContainer", given, call);
      const masked = createRedactor().payload(method, payload);
      expect(masked).toHaveLength(payload.length);
      const event = decodeEvent(method, masked ?? new Uint8Array());
      expect(event).toMatchObject({
        name: "StartContainer",
        pod: { id: pod.id, labels: pod.labels, linux: pod.linux },
        container: {
          env: ["TOKEN=xxxxxxxxxxxxxxxxxxxx", "PATH=xxxx"],
          args: ["server", "xxxx", "xxxxxxxxxxxxxxxxxxxx"],
        },
      });
      expect(text(masked)).not.toContain(secret);
    }
  });

  it("keeps annotations of Kubernetes' own, and those that are asked for", () => {
    const annotations = { "io.kubernetes.cri.sandbox-name": "pod1", "prod.example/clear-cfs": "true", "a.b/c": "d" };
    const { method, payload } = encodeEvent("RunPodSandbox", { pod: { ...pod, annotations } }, "own");
    const redactor = createRedactor((key) => key === "prod.example/clear-cfs");
    expect(decodeEvent(method, redactor.payload(method, payload) ?? payload)?.pod.annotations).toEqual({
      ...annotations,
      "a.b/c": "x",
    });
  });

  it("masks CRI-O's copy of all annotations too, which is JSON in one of Kubernetes' own", () => {
    const copy = JSON.stringify({ "example.com/x": secret, "io.kubernetes.container.name": "app" });
    const annotations = { "io.kubernetes.cri-o.Annotations": copy };
    const { method, payload } = encodeEvent("RunPodSandbox", { pod: { ...pod, annotations } }, "own");
    const masked = decodeEvent(method, createRedactor().payload(method, payload) ?? payload);
    expect(masked?.pod.annotations["io.kubernetes.cri-o.Annotations"]).toBe(
      copy.replace(secret, "x".repeat(secret.length)),
    );
  });

  it("has no request that is not understood: it could hold anything", () => {
    expect(createRedactor().payload("ValidateContainerAdjustment", new Uint8Array([10, 0]))).toBeUndefined();
    expect(
      stateChangeRequest.decode(createRedactor().payload("StateChange", new Uint8Array()) ?? new Uint8Array()),
    ).toBeDefined();
  });

  it("keeps what the runtime says of the call, and masks other metadata", () => {
    const metadata = [
      ["containerd-namespace-ttrpc", "k8s.io"],
      ["authorization", "Bearer abc"],
    ] as const;
    expect(createRedactor().metadata(metadata)).toEqual([
      ["containerd-namespace-ttrpc", "k8s.io"],
      ["authorization", "xxxxxxxxxx"],
    ]);
  });
});

describe("conf.json", () => {
  it.each([
    ["a secret by its key", '{"password":"hunter2","level":3}', '{"password":"xxxxxxx","level":3}'],
    ["everything under such a key", '{"tokens":{"a":["t0ken"],"n":-12.5}}', '{"tokens":{"a":["xxxxx"],"n":-11.1}}'],
    [
      "the same value elsewhere, even before",
      '{"url":"db:hunter2","pwd":"hunter2"}',
      '{"url":"db:xxxxxxx","pwd":"xxxxxxx"}',
    ],
    ["what stands after the end", "{} password hunter2", "{} xxxxxxxx xxxxxxx"],
  ])("loses %s, and keeps its length", (_, conf, expected) => {
    expect(text(createRedactor().conf(Buffer.from(conf)))).toBe(expected);
  });

  it("keeps white space, the spelling of numbers, duplicate keys and their order", () => {
    const conf =
      '{ "version" : "0.1",\n\t"plugins": [ {"type":"p","conf":{"n":1.0e+3,"n":12345678901234567890,"a":"\\u00e9<"}} ] }\n';
    expect(text(createRedactor().conf(Buffer.from(conf)))).toBe(conf);
  });

  it("is masked word by word when somebody broke it, and breaks at the same place", () => {
    const conf = '\ufeff{"version": "0.1", "plugins": [{"type": "p", "conf": {"password": s3cret, // note\n';
    const masked = text(createRedactor().conf(Buffer.from(conf)));
    expect(masked).toBe('\ufeff{"version": "0.1", "plugins": [{"type": "x", "conf": {"xxxxxxxx": xxxxxx, xx xxxx\n');
  });
});

describe("what a plugin prints", () => {
  it("loses a part of a value that its shape alone gave away", () => {
    const redactor = createRedactor();
    const conf = '{"dsn":"mysql://u:pa55word@db/x"}';
    expect(text(redactor.conf(Buffer.from(conf)))).toBe('{"dsn":"xxxxxxxxxxxxxxxxxxxxxxx"}');
    const plain = '{"address":"mysql://u:pa55w0rd@db/x"}';
    expect(text(redactor.conf(Buffer.from(plain)))).toBe('{"address":"mysql://u:xxxxxxxx@db/x"}');
    expect(redactor.output("login of u with pa55w0rd failed")).toBe("login of u with xxxxxxxx failed");
  });

  it("loses what was masked before, in plain text and in JSON, and keeps the names of the pod", () => {
    const redactor = createRedactor();
    redactor.knowAsPlain(["web-frontend"]);
    const env = ["HOSTNAME=web-frontend", 'NOTE=say "hello" twice'];
    const { method, payload } = encodeEvent("StartContainer", { pod, container: { ...container, env } }, "own");
    redactor.payload(method, payload);
    expect(redactor.output('web-frontend: say "hello" twice')).toBe("web-frontend: xxxxxxxxxxxxxxxxx");
    expect(JSON.parse(redactor.output(JSON.stringify({ error: 'say "hello" twice', plugin: "p" })))).toEqual({
      error: "xxxxxxxxxxxxxxxxx",
      plugin: "p",
    });
  });
});

describe("no secret", () => {
  it("is left of whatever stands in environment, annotations, arguments and conf, in all that is written", () => {
    fc.assert(
      fc.property(secretText, secretText, secretText, secretText, (ofEnv, ofAnnotation, ofConf, ofArgs) => {
        const redactor = createRedactor();
        const conf = json({
          version: "0.1",
          plugins: [{ type: "p", conf: { apiToken: ofConf, note: `see ${ofConf}` } }],
        });
        const annotations = { "example.com/note": ofAnnotation };
        const given = {
          pod: { ...pod, annotations: { ...pod.annotations, ...annotations } },
          container: { ...container, annotations, env: [`NOTE=${ofEnv}`], args: ["run", ofArgs] },
        };
        const bundle = json({
          process: { env: [`NOTE=${ofEnv}`], args: ["run", ofArgs] },
          annotations,
          hooks: { prestart: [{ path: "/x", args: ["x", ofArgs], env: [`A=${ofEnv}`] }] },
          linux: { cgroupsPath: "/a", resources: { memory: { limit: 1 } } },
        });
        const request = JSON.stringify({
          conf: { apiToken: ofConf },
          spec: { annotations },
          results: [{ metadata: { seen: `<${ofEnv}>`, "adjust.env.X": ofEnv } }],
          nri: given.container.env.concat(given.container.args).length,
        });
        const { method, payload } = encodeEvent("StartContainer", given, "own");
        const outputs = [redactor.conf(conf), redactor.payload(method, payload), redactor.bundle(bundle)].map(text);
        outputs.push(redactor.request(request));
        const printed = [ofEnv, ofAnnotation, ofConf, ofArgs].flatMap((secret) => [
          ...secret.split("\n").map((line) => `plugin says ${line}!`),
          JSON.stringify({ error: `cannot take ${secret}` }),
          `output: ${JSON.stringify(secret)}`,
        ]);
        outputs.push(...printed.map((line) => redactor.output(line)));
        for (const secret of [ofEnv, ofAnnotation, ofConf, ofArgs]) expectNone(secret, ...outputs);
        expect(() => JSON.parse(redactor.request(request))).not.toThrow();
      }),
      { numRuns: 300 },
    );
  });
});

describe("a JSON text", () => {
  it("is byte for byte the same when nothing is rewritten", () => {
    fc.assert(
      fc.property(fc.jsonValue(), fc.constantFrom(0, 1, 3), (value, indent) => {
        const bytes = Buffer.from(JSON.stringify(value, null, indent));
        const same = (_: unknown, value: string) => value;
        const found = rewriteJson(bytes, { isSecret: () => false, text: same, number: same });
        expect(text(found?.bytes)).toBe(bytes.toString());
      }),
    );
  });

  it("is masked to the same length when it is broken", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        expect(maskBrokenJson(bytes)).toHaveLength(bytes.length);
      }),
    );
  });
});

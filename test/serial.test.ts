import { expect, it } from "vitest";
import { Serial } from "../src/base/serial.js";

it("work that asks for more on its own id has that after itself, and it is waited for", async () => {
  const serial = new Serial();
  const order: string[] = [];
  await serial.run("x", async () => {
    void serial.run("x", async () => {
      await new Promise((turn) => setImmediate(turn));
      order.push("inner");
    });
    order.push("outer");
  });
  await serial.idle();
  order.push("idle");
  await serial.run("x", async () => void order.push("next"));
  expect(order).toEqual(["outer", "inner", "idle", "next"]);
});

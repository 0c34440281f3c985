import { it } from "vitest";
import { expectAnswerInTime, misbehaviours, shareHurriedNode } from "./support/misbehaviours.js";

const shared = shareHurriedNode();

// A machine whose processors are all in use: deadline.slow.test.ts.
it.each(misbehaviours.map((misbehaviour) => [misbehaviour.title, misbehaviour] as const))(
  "a call of 400 ms is answered in time when each of 3 plugins %s",
  (_, misbehaviour) => expectAnswerInTime(shared(), misbehaviour, 3),
);

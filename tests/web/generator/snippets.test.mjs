import assert from "node:assert/strict";
import test from "node:test";

const { SNIPPETS, jsonWithPassword } = await import(`${process.env.GENERATOR_MODULES}/snippets.js`);
const request = { login: "shop", password: "top secret", destAddr: "79161234567", message: { type: "SMS", data: { text: "Hi", ttl: 10 } } };

test("no snippet has the password", () => {
  for (const [name, write] of Object.entries(SNIPPETS)) {
    assert.doesNotMatch(write(request, "https://a.test/send"), /top secret/, name);
  }
});

test("JSON shows that there is one, and can be copied with it", () => {
  assert.deepEqual(JSON.parse(SNIPPETS.json(request)), { ...request, password: "********" });
  assert.deepEqual(JSON.parse(jsonWithPassword(request)), request);
});

test("without a login there is a place for it all the same", () => {
  for (const write of [SNIPPETS.curl, SNIPPETS.python, SNIPPETS.php, SNIPPETS.javascript, SNIPPETS.java]) {
    assert.match(write({ destAddr: "1", message: {} }, "https://a.test/send"), /login[\s\S]*password/);
  }
});

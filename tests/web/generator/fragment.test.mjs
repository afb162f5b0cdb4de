import assert from "node:assert/strict";
import test from "node:test";

const { fromFragment, toFragment } = await import(`${process.env.GENERATOR_MODULES}/fragment.js`);
const request = { login: "shop", password: "top secret", message: { data: { text: "Привет 😀 </script> \\ ' \" \n" } } };

test("a fragment keeps everything but the password", () => {
  const { password, ...rest } = request;
  assert.deepEqual(fromFragment(toFragment(request)), rest);
});

test("the password is in no fragment, in whatever form", () => {
  const fragment = toFragment(request);
  const decoded = Buffer.from(fragment.slice("#form=".length), "base64url").toString("utf-8");
  for (const text of [fragment, decoded, decodeURIComponent(fragment)]) assert.doesNotMatch(text, /secret|password/);
});

test("a fragment that somebody else wrote brings no password in", () => {
  const foreign = `#form=${Buffer.from(JSON.stringify(request)).toString("base64url")}`;
  assert.ok(!("password" in fromFragment(foreign)));
});

test("a fragment needs no escapes, and has the characters of an address", () => {
  assert.match(toFragment(request), /^#form=[A-Za-z0-9_-]+$/);
});

test("what is no form fills none", () => {
  for (const fragment of ["", "#", "#form=", "#form=%", "#form=abc", "#form=____", "#other=e30", `#form=${toFragment(request).slice(6, 40)}`]) {
    assert.equal(fromFragment(fragment), null);
  }
});

import assert from "node:assert/strict";
import test from "node:test";

const { MOST_MESSAGES, emptyDraft, emptyMessage, fromRequest, toRequest } =
  await import(`${process.env.GENERATOR_MODULES}/draft.js`);

const message = (changes) => ({ ...emptyMessage(), ...changes });
const draft = (changes) => ({ ...emptyDraft(), ...changes });

test("what is not said is not in the request", () => {
  assert.deepEqual(toRequest(emptyDraft()), {
    message: { type: "WHATSAPP", data: { instantContent: { type: "TEXT", data: { text: "" } } } },
  });
});

test("every member of the protocol is where the protocol has it", () => {
  const request = toRequest(draft({
    login: "shop", password: "secret", useTimeDiff: "true", shortenLinks: "false", id: "007",
    timeBegin: "10:00", timeEnd: "20:00", weekdaysSchedule: "135", deadline: "2026-12-31T18:00:00+0300",
    destAddr: "79161234567", extraParam: "a=b", registeredDelivery: "2", notifyUrl: "https://a.test/",
    messages: [message({ text: "Hi", serviceNumber: "SHOP", ttl: "24", ttlUnit: "HOURS", shortenLinks: "true" })],
  }));
  assert.deepEqual(request, {
    login: "shop", password: "secret", useTimeDiff: true, shortenLinks: false, id: "007",
    scheduleInfo: { timeBegin: "10:00", timeEnd: "20:00", weekdaysSchedule: "135", deadline: "2026-12-31T18:00:00+0300" },
    destAddr: "79161234567",
    message: {
      type: "WHATSAPP",
      data: {
        instantContent: { type: "TEXT", data: { text: "Hi" } },
        serviceNumber: "SHOP", ttl: 24, ttlUnit: "HOURS",
      },
      shortenLinks: true,
    },
    extraParam: "a=b", registeredDelivery: 2, notifyUrl: "https://a.test/",
  });
});

test("an SMS has its text as the provider's clients write it, an image its address", () => {
  const request = toRequest(draft({
    messages: [message({ content: "IMAGE_URL", imageURL: "https://a.test/i.png" }), message({ type: "SMS", text: "Hi", state: "READ" })],
  }));
  assert.deepEqual(request.message.data.instantContent, { type: "IMAGE_URL", data: { imageURL: "https://a.test/i.png" } });
  assert.deepEqual(request.cascadeChainLink, { state: "READ", message: { type: "SMS", data: { text: "Hi" } } });
});

test("what is no number is left to the gateway to refuse", () => {
  for (const [typed, sent] of [["soon", "soon"], ["1.5", "1.5"], [" 60 ", 60], ["-1", -1], ["9".repeat(30), "9".repeat(30)]]) {
    assert.equal(toRequest(draft({ messages: [message({ ttl: typed })] })).message.data.ttl, sent);
  }
});

test("a cascade of the greatest depth comes back as it was", () => {
  const messages = Array.from({ length: MOST_MESSAGES }, (_, at) =>
    message({ text: `Text ${at}`, type: at % 2 ? "SMS" : "WHATSAPP", ttl: String(at), state: at % 3 && at ? "READ" : "DELIVERED" }));
  const whole = draft({ login: "shop", destAddr: "79161234567", weekdaysSchedule: "67", messages });
  assert.deepEqual(fromRequest(toRequest(whole)), whole);
});

test("whatever JSON comes in, a whole form comes out", () => {
  const deep = { cascadeChainLink: {} };
  for (let at = deep.cascadeChainLink, n = 0; n < 40; n += 1) at = at.nextLink = {};
  for (const request of [null, 5, "x", [], {}, { message: 5 }, { message: { data: [] } }, { scheduleInfo: 1 }, { login: {} }, deep]) {
    const filled = fromRequest(request);
    assert.deepEqual(Object.keys(filled), Object.keys(emptyDraft()));
    assert.ok(filled.messages.length >= 1 && filled.messages.length <= MOST_MESSAGES);
    assert.doesNotThrow(() => toRequest(filled));
  }
});

test("the habits of deployed clients are understood", () => {
  const filled = fromRequest({
    destAddr: 79161234567, registeredDelivery: "1", useTimeDiff: "true", notifyUrl: null,
    message: { type: "WhatsApp", data: { instantContent: { type: "image_url", data: { imageUrl: "https://a.test/" } }, ttl: "60" } },
  });
  assert.equal(filled.destAddr, "79161234567");
  assert.equal(filled.useTimeDiff, "true");
  assert.equal(filled.notifyUrl, "");
  assert.deepEqual(filled.messages, [message({ content: "IMAGE_URL", imageURL: "https://a.test/", ttl: "60" })]);
});

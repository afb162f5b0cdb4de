import assert from "node:assert/strict";
import test from "node:test";

const { placeOf } = await import(`${process.env.GENERATOR_MODULES}/objection.js`);

const CASES = [
  // What the gateway says, the message that it is about, the member, whether something is missing.
  ["destAddr: this mandatory member is missing.", null, "destAddr", true],
  ["destAddr: The phone number is too short or too long for its country code.", null, "destAddr", false],
  ["login: this login is not known.", null, "login", false],
  ["password: it is not this login's password.", null, "password", false],
  ["id: a request with this id was accepted.", null, "id", false],
  ["scheduleInfo.timeEnd: A time of day is HH:MM", null, "timeEnd", false],
  ["scheduleInfo: these sending hours do not open before the deadline.", null, "timeBegin", false],
  ["notifyUrl: it may be left out, but not be empty.", null, "notifyUrl", false],
  ["Message is empty. WHATSAPP message needs 1 to 1000 symbols.", 0, "text", true],
  ["Message is too long (1001 symbols). WHATSAPP message max length is 1000 symbols.", 0, "text", false],
  ["message: the same content was sent to this destAddr less than 60 seconds ago.", 0, "text", false],
  ["message.type: SMS is not among the message types of this login.", 0, "type", false],
  ["message.data.ttl: The lifetime of a WHATSAPP message is", 0, "ttl", false],
  ["message.data.ttlUnit: The unit of a lifetime is SECONDS", 0, "ttlUnit", false],
  ["message.data.serviceNumber: none was given", 0, "serviceNumber", false],
  ["message.data.instantContent.type: it is TEXT or IMAGE_URL.", 0, "content", false],
  ["message.data.instantContent.data.imageURL: it is mandatory with type IMAGE_URL.", 0, "imageURL", true],
  ["cascadeChainLink.state: it is DELIVERED or READ.", 1, "state", false],
  ["cascadeChainLink: cascades are not allowed for this login.", 1, "state", false],
  ["cascadeChainLink.message.data.text: Message is empty. SMS message needs", 1, "text", true],
  ["cascadeChainLink.nextLink.nextLink.message.data.ttl: The lifetime", 3, "ttl", false],
  ["The body is not JSON in UTF-8: it is cut off.", null, null, false],
  ["Something unforeseen happened; request 1-2.", null, null, false],
];

for (const [said, message, member, isMissing] of CASES) {
  test(said, () => assert.deepEqual(placeOf(said), { message, member, isMissing }));
}

// Which part of the form an objection of the gateway is about.

const NO_PATH = [/^Message is empty\b/, /^Message is too long\b/]; // the provider's own words
const PATH = /^([A-Za-z][A-Za-z.]*): /;
const MISSING = [/: this mandatory member is missing\.$/, /^(.*: )?Message is empty\b/, /: it is mandatory with type /];
const SCHEDULE = new Set(["timeBegin", "timeEnd", "weekdaysSchedule", "deadline"]);
const OF_A_MESSAGE = new Set(["type", "text", "imageURL", "serviceNumber", "ttl", "ttlUnit", "shortenLinks", "state"]);

/**
 * Return the member that an objection is about, and the message that it stands in (0 is the first,
 * null is none). `isMissing`: something has yet to be filled in, rather than being wrong.
 */
export function placeOf(objection) {
  const isMissing = MISSING.some((words) => words.test(objection));
  if (NO_PATH.some((words) => words.test(objection))) return { message: 0, member: "text", isMissing };
  const path = PATH.exec(objection)?.[1];
  return path ? { ...placeOfPath(path), isMissing } : { message: null, member: null, isMissing };
}

function placeOfPath(path) {
  const names = path.split(".");
  const last = names.at(-1);
  if (names[0] === "scheduleInfo") return { message: null, member: SCHEDULE.has(last) ? last : "timeBegin" };
  if (names[0] !== "message" && names[0] !== "cascadeChainLink") return { message: null, member: path };
  const message = names.filter((name) => name === "cascadeChainLink" || name === "nextLink").length;
  return { message, member: memberOf(names, last) };
}

function memberOf(names, last) {
  if (last === "type" && names.includes("instantContent")) return "content";
  if (OF_A_MESSAGE.has(last)) return last;
  if (last === "message" || names.includes("message")) return "text";
  return "state";
}

// What is written in the form, and the request that it makes: the protocol's members, in its order.
// Knows nothing of the page. A draft's values are texts, as they were typed; "" is not said.

/** The most messages that a cascade has. */
export const MOST_MESSAGES = 10;
const LONGEST_INTEGER = 15; // digits that a JavaScript number keeps

/** Return a message in which nothing is said. */
export function emptyMessage(type = "WHATSAPP") {
  return {
    type, content: "TEXT", text: "", imageURL: "", serviceNumber: "", ttl: "", ttlUnit: "",
    shortenLinks: "", state: "DELIVERED",
  };
}

/** Return a draft in which nothing is said. */
export function emptyDraft() {
  return {
    login: "", password: "", useTimeDiff: "", shortenLinks: "", id: "", timeBegin: "", timeEnd: "",
    weekdaysSchedule: "", deadline: "", destAddr: "", extraParam: "", registeredDelivery: "",
    notifyUrl: "", messages: [emptyMessage()],
  };
}

/** Return the request that a draft makes. */
export function toRequest(draft) {
  const [first, ...others] = draft.messages;
  return said({
    login: draft.login,
    password: draft.password,
    useTimeDiff: flag(draft.useTimeDiff),
    shortenLinks: flag(draft.shortenLinks),
    id: draft.id,
    scheduleInfo: orNothing(said({
      timeBegin: draft.timeBegin,
      timeEnd: draft.timeEnd,
      weekdaysSchedule: draft.weekdaysSchedule,
      deadline: draft.deadline,
    })),
    destAddr: draft.destAddr,
    message: message(first),
    extraParam: draft.extraParam,
    registeredDelivery: integer(draft.registeredDelivery),
    notifyUrl: draft.notifyUrl,
    cascadeChainLink: others.reduceRight(
      (nextLink, one) => said({ state: one.state, message: message(one), nextLink }), undefined),
  });
}

function message(draft) {
  const isSms = draft.type.toUpperCase() === "SMS";
  const isImage = draft.content === "IMAGE_URL";
  const data = isImage ? { imageURL: draft.imageURL } : { text: draft.text };
  return said({
    type: draft.type,
    data: said({
      ...(isSms ? { text: draft.text } : { instantContent: { type: draft.content, data } }),
      serviceNumber: draft.serviceNumber,
      ttl: integer(draft.ttl),
      ttlUnit: draft.ttlUnit,
    }, ["text"]),
    shortenLinks: flag(draft.shortenLinks),
  });
}

/** Leave out what is not said, but for some members. */
function said(members, kept = []) {
  return Object.fromEntries(Object.entries(members).filter(
    ([name, value]) => value !== undefined && (value !== "" || kept.includes(name))));
}

function orNothing(members) {
  return Object.keys(members).length ? members : undefined;
}

function flag(text) {
  return text === "" ? undefined : text === "true";
}

/** A number, where a text is one that can be kept; else the gateway shall say what is wrong. */
function integer(text) {
  const typed = text.trim();
  return /^-?\d+$/.test(typed) && typed.length <= LONGEST_INTEGER ? Number(typed) : typed;
}

/** Return the draft that would make a request; what it has that the form has not is passed over. */
export function fromRequest(request) {
  const root = object(request);
  const hours = object(root.scheduleInfo);
  const draft = emptyDraft();
  for (const name of Object.keys(draft)) {
    if (name !== "messages") draft[name] = text(name in hours ? hours[name] : root[name]);
  }
  draft.messages = messages(root);
  return draft;
}

function messages(root) {
  const found = [read(root.message, "DELIVERED")];
  let link = root.cascadeChainLink;
  while (isObject(link) && found.length < MOST_MESSAGES) {
    found.push(read(link.message, text(link.state).toUpperCase()));
    link = link.nextLink;
  }
  return found;
}

function read(message, state) {
  const data = object(object(message).data);
  const content = object(data.instantContent);
  const inside = object(content.data);
  const draft = emptyMessage();
  return {
    type: text(object(message).type).toUpperCase() || draft.type,
    content: text(content.type).toUpperCase() || draft.content,
    text: text(data.text) || text(inside.text),
    imageURL: text(inside.imageURL) || text(inside.imageUrl),
    serviceNumber: text(data.serviceNumber),
    ttl: text(data.ttl),
    ttlUnit: text(data.ttlUnit).toUpperCase(),
    shortenLinks: text(object(message).shortenLinks),
    state: state || draft.state,
  };
}

function isObject(value) {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function object(value) {
  return isObject(value) ? value : {};
}

function text(value) {
  return ["string", "number", "boolean"].includes(typeof value) ? String(value) : "";
}

// Shows what would become of a request: to whom, when and why then, and each message as it would go.

import { countOf } from "./form.js";
import { clockTime, element, say, span } from "./words.js";

const place = document.getElementById("preview");
const WHEN = { "at-once": "now", "hours-open": "hoursOpen", "hours-closed": "hoursClosed" };
const WHOSE = {
  default: "whoseDefault", partner: "whosePartner", registry: "whoseRegistry", prefix: "whosePrefix",
  capital: "whoseCapital", "no-country": "whoseNoCountry",
};

/** Show a preview; null: there is none. */
export function showPreview(answer) {
  place.replaceChildren(...(answer ? [facts(answer), ...explanation(answer), chain(answer)] : []));
}

function facts({ destAddr, subscriber, timing, loginZone }) {
  const of = (moment) => element("span", {}, `${clockTime(moment.loginTime)} (${loginZone})`, ...there(moment, loginZone));
  const rows = [
    ["number", [destAddr, subscriber.country].filter(Boolean).join(" · ")],
    ["operator", subscriber.operator],
    ["region", subscriber.region],
    ["zone", zone(subscriber)],
    ["goes", element("span", {}, element("strong", {}, say(WHEN[timing.why])), element("br"), of(timing.goesAt))],
    ["deadline", timing.deadline && of(timing.deadline)],
    ["ends", of(timing.endsAt)],
  ];
  const shown = rows.filter(([, value]) => value);
  return element("dl", { class: "facts" }, ...shown.flatMap(
    ([name, value]) => [element("dt", {}, say(name)), element("dd", {}, value)]));
}

/** The moment on the subscriber's clock, where that shows another time. */
function there({ loginTime, subscriberTime }) {
  if (!subscriberTime || clockTime(subscriberTime) === clockTime(loginTime)) return [];
  return [element("span", { class: "aside" }, say("subscriberTime", { time: clockTime(subscriberTime) }))];
}

function zone({ zones, clock }) {
  return zones.length > 1 ? say("severalZones", { clock, count: zones.length }) : clock;
}

function explanation({ timing }) {
  if (!timing.hoursZones.length) return [];
  const zones = timing.hoursZones.slice(0, 4).join(", ") + (timing.hoursZones.length > 4 ? " …" : "");
  return [element("p", { class: "quiet" }, say("readBy", { zones, whose: say(WHOSE[timing.hoursZonesReason]) }))];
}

function chain({ links }) {
  return element("ol", { class: "steps" }, ...links.map((link, at) => step(link, links[at - 1])));
}

function step(link, before) {
  const goal = before?.state === "READ" ? "unlessRead" : "unlessDelivered";
  return element("li", {},
    before ? element("p", { class: "goal" }, say(goal, { span: span(before.ttlSeconds) })) : null,
    element("p", { class: "from" },
      element("span", { class: `badge ${link.type === "SMS" ? "busy" : "good"}` }, link.type === "SMS" ? "SMS" : "WhatsApp"),
      " ", say("from", { sender: link.serviceNumber ?? say("defaultSender") }),
      link.serviceNumber && link.isDefaultSender ? ` (${say("isDefault")})` : ""),
    element("div", { class: `bubble ${link.type === "SMS" ? "sms" : "whatsapp"}`, dir: "auto" }, ...content(link)),
    element("p", { class: "quiet meta" }, meta(link)),
    link.goesAt ? null : element("p", { class: "notice warn" }, say("tooLate")));
}

function content(link) {
  if (link.imageUrl !== null) return [element("span", { class: "picture" }, say("image")), element("span", { class: "mono" }, link.imageUrl)];
  const short = link.shortUrls.map((one) => one.shortUrl);
  if (!short.length) return [link.text];
  return pieces(link.text, short[0]).map((piece) => (short.includes(piece) ? element("mark", {}, piece) : piece));
}

/** Cut a text at each short URL; all of a message's placeholders are the same. */
function pieces(text, short) {
  return text.split(short).flatMap((piece, at) => (at ? [short, piece] : [piece]));
}

function meta(link) {
  const lifetime = say("lives", { span: span(link.ttlSeconds) }) + (link.isDefaultTtl ? ` (${say("isDefault")})` : "");
  const parts = [counted(link), lifetime, link.shortUrls.length ? say("placeholder") : ""];
  return parts.filter(Boolean).join(" · ");
}

/** Show at each text how long it is and what it takes. */
export function showCounts(links) {
  links.forEach((link, at) => {
    const count = countOf(at);
    if (count) count.textContent = counted(link);
  });
}

/** Say how long a message's text is, and in how many parts an SMS goes. */
function counted(link) {
  if (link.text === null) return "";
  const sms = link.sms ? ` · ${say("sms", { alphabet: link.sms.alphabet, count: link.sms.parts })}` : "";
  return say("characters", { count: link.characters }) + sms;
}

/** Times of day, in the zone of whoever looks. */

const language = document.documentElement.lang;
const timeOfDay = new Intl.DateTimeFormat(language, { hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
const dayAndTime = new Intl.DateTimeFormat(language, {
  day: "numeric", month: "short", hour: "2-digit", minute: "2-digit", hourCycle: "h23",
});
const whole = new Intl.DateTimeFormat(language, { dateStyle: "long", timeStyle: "medium" });

/** Rewrite every `<time>` below an element; those of another day name the day. */
export function localise(element) {
  for (const time of element.querySelectorAll("time")) {
    const at = new Date(time.dateTime);
    const isToday = at.toDateString() === new Date().toDateString();
    time.textContent = (isToday ? timeOfDay : dayAndTime).format(at);
    time.title = whole.format(at);
  }
}

// Numbers and times as people read them.
const MINUTE = 60, HOUR = 3600, DAY = 86_400;

export function seconds(value) {
  if (value < 9.95) return `${Math.max(0, value).toFixed(value < 1 ? 1 : 0)} s`;
  if (value < 90) return `${Math.round(value)} s`;
  if (value < 90 * MINUTE) return `${Math.round(value / MINUTE)} min`;
  if (value < 2 * DAY) return `${(value / HOUR).toFixed(value < 10 * HOUR ? 1 : 0)} h`;
  return `${Math.round(value / DAY)} days`;
}

export function range(low, high) {
  const [from, until] = [seconds(low), seconds(high)];
  if (from === until) return `about ${from}`;
  const [, unit] = from.split(" ");
  return until.endsWith(` ${unit}`) ? `${from.split(" ")[0]}–${until}` : `${from} – ${until}`;
}

/** 0:07, 1:02:03; with tenths where `exact`. */
export function clock(value, exact = false) {
  const whole = Math.floor(value + 1e-6);
  const two = (n) => String(n).padStart(2, "0");
  const hours = Math.floor(whole / HOUR), minutes = Math.floor((whole % HOUR) / MINUTE);
  const head = hours ? `${hours}:${two(minutes)}` : String(minutes);
  return `${head}:${two(whole % MINUTE)}${exact ? `.${Math.floor((value + 1e-6 - whole) * 10)}` : ""}`;
}

export function usd(value) {
  if (value === 0) return "$0";
  if (value < 0.01) return `$${value.toFixed(4)}`;
  return `$${value < 1 ? value.toFixed(3) : value.toFixed(2)}`;
}

export function bytes(value) {
  for (const [unit, size, digits] of [["GB", 1e9, 1], ["MB", 1e6, 1], ["kB", 1e3, 0]])
    if (value >= size) return `${(value / size).toFixed(digits)} ${unit}`;
  return `${value} B`;
}

export function ago(time, now = Date.now()) {
  const past = (now - Date.parse(time)) / 1000;
  return past < 10 ? "just now" : `${seconds(past)} ago`;
}

export function date(time) {
  return new Date(time).toLocaleString(undefined, { dateStyle: "medium", timeStyle: "medium" });
}

export function took(job) {
  if (!job.started_at) return null;
  return (Date.parse(job.finished_at ?? new Date().toISOString()) - Date.parse(job.started_at)) / 1000;
}

/** What is left, between two times; null where nothing is known. */
export function left(finish, now = Date.now()) {
  if (!finish) return null;
  const [low, high] = [finish.earliest, finish.latest].map((time) => Math.max(0, (Date.parse(time) - now) / 1000));
  if (high < 2) return "any moment now";
  return low < 1 ? `up to ${seconds(high)} left` : `${range(low, high)} left`;
}

/** Times, weights and sizes in a person's words. Durations are seconds, weights grams, sizes bytes. */

export function duration(seconds: number): string {
  const minutes = Math.max(0, Math.round(seconds / 60));
  if (seconds > 0 && minutes === 0) return "less than a minute";
  if (minutes < 60) return `${minutes} min`;
  const [hours, rest] = [Math.floor(minutes / 60), minutes % 60];
  if (hours < 24) return rest ? `${hours} h ${rest} min` : `${hours} h`;
  const [days, left] = [Math.floor(hours / 24), hours % 24];
  return left ? `${days} d ${left} h` : `${days} d`;
}

export function clock(at: Date): string {
  return at.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });
}

/** The clock time a print ends: "17:24", with the day when it is not today. */
export function finishClock(remaining: number, now: Date = new Date()): string {
  const end = new Date(now.getTime() + remaining * 1000);
  if (end.toDateString() === now.toDateString()) return clock(end);
  const day = end.toLocaleDateString([], { weekday: "short" });
  const far = end.getTime() - now.getTime() > 6 * 86_400_000;
  return `${far ? end.toLocaleDateString([], { day: "numeric", month: "short" }) : day} ${clock(end)}`;
}

/** A moment in the past: "just now", "5 min ago", "14:02", "3 Mar 14:02". */
export function moment(iso: string, now: Date = new Date()): string {
  const at = new Date(iso);
  const seconds = (now.getTime() - at.getTime()) / 1000;
  if (seconds < 45) return "just now";
  if (seconds < 45 * 60) return `${Math.max(1, Math.round(seconds / 60))} min ago`;
  if (at.toDateString() === now.toDateString()) return clock(at);
  return `${at.toLocaleDateString([], { day: "numeric", month: "short" })} ${clock(at)}`;
}

export function weight(grams: number): string {
  if (grams >= 1000) return `${(grams / 1000).toFixed(2)} kg`;
  return grams >= 100 ? `${Math.round(grams)} g` : `${grams.toFixed(1)} g`;
}

export function size(bytes: number): string {
  if (bytes < 1000) return `${bytes} B`;
  const units = ["kB", "MB", "GB"];
  let value = bytes / 1000;
  let unit = 0;
  while (value >= 1000 && unit < units.length - 1) {
    value /= 1000;
    unit++;
  }
  return `${value.toFixed(value < 10 ? 1 : 0)} ${units[unit]}`;
}

export const degrees = (value: number | undefined): string =>
  value === undefined ? "–" : `${Math.round(value)}°`;

export const plural = (count: number, one: string, many = `${one}s`): string =>
  `${count} ${count === 1 ? one : many}`;

/** A file's name without the endings every file here has. */
export const baseName = (name: string): string => name.replace(/(\.gcode)?\.3mf$/i, "");

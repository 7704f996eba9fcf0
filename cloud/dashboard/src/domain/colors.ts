/** Colours of filament. The name makes a swatch readable to who cannot see it. */

const NAMED: [string, string][] = [
  ["black", "#101010"],
  ["charcoal", "#3a3d42"],
  ["grey", "#8a8d91"],
  ["silver", "#c4c8cc"],
  ["white", "#ffffff"],
  ["ivory", "#f3ead2"],
  ["beige", "#d9c3a0"],
  ["brown", "#6b4a32"],
  ["red", "#d42a2a"],
  ["dark red", "#7d1a1f"],
  ["orange", "#f07818"],
  ["gold", "#d4a63a"],
  ["yellow", "#f5d928"],
  ["lime", "#b5e61d"],
  ["green", "#2fa03c"],
  ["dark green", "#1c5331"],
  ["mint", "#98e2c6"],
  ["teal", "#1a8c8c"],
  ["cyan", "#33c1e3"],
  ["light blue", "#9cc7ee"],
  ["blue", "#1f5fd1"],
  ["navy", "#15265c"],
  ["violet", "#7a3fc4"],
  ["lilac", "#c4a4e4"],
  ["magenta", "#d63aa6"],
  ["pink", "#f5a3c4"],
  ["rose", "#d45b7a"],
];

type Rgb = [number, number, number];

function rgb(color: string): Rgb | null {
  const match = /^#([0-9a-f]{2})([0-9a-f]{2})([0-9a-f]{2})/i.exec(color);
  return match ? (match.slice(1, 4).map((part) => Number.parseInt(part, 16)) as Rgb) : null;
}

/** Nearness as the eye weighs red, green and blue ("redmean"). */
function distance(a: Rgb, b: Rgb): number {
  const mean = (a[0] + b[0]) / 2;
  const [red, green, blue] = [a[0] - b[0], a[1] - b[1], a[2] - b[2]];
  return (2 + mean / 256) * red ** 2 + 4 * green ** 2 + (2 + (255 - mean) / 256) * blue ** 2;
}

export function colorName(color: string): string {
  const value = rgb(color);
  if (!value) return "unknown colour";
  let best = "unknown colour";
  let nearest = Number.POSITIVE_INFINITY;
  for (const [name, hex] of NAMED) {
    const away = distance(value, rgb(hex) as Rgb);
    if (away < nearest) [best, nearest] = [name, away];
  }
  return best;
}

/** Relative luminance, 0 black to 1 white (WCAG 2). */
function luminance(color: Rgb): number {
  const linear = color.map((part) => {
    const share = part / 255;
    return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
  }) as Rgb;
  return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2];
}

/** True when black text has more contrast on this colour than white text; either then has at least 4.5 : 1. */
export function isLight(color: string): boolean {
  const value = rgb(color);
  return value ? luminance(value) > 0.179 : true;
}

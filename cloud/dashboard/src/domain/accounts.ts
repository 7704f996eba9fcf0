/** People, keys and logins in words. */

export type Role = "owner" | "operator" | "viewer";

export const ROLES: readonly Role[] = ["owner", "operator", "viewer"];

export const ROLE_MEANS: Record<Role, string> = {
  owner: "may do everything, people and settings too",
  operator: "may print, and change printers, files and products",
  viewer: "may look, and change nothing",
};

const LOGIN_TROUBLE: Record<string, string> = {
  oidc_state: "This sign-in took too long, or was begun in another window. Try again.",
  oidc_refused: "The identity provider's answer cannot be trusted. Try again, or tell an owner of the farm.",
  oidc_unavailable: "The identity provider does not answer. Try again later, or sign in with your password.",
  not_invited: "Nobody here has your address. Ask an owner of the farm for an invitation.",
};

/** What /login?error=<code> means. The code comes from the address: it is never shown itself. */
export const loginTrouble = (code: string): string =>
  LOGIN_TROUBLE[code] ?? "The sign-in did not work. Try again, or sign in with your password.";

const BROWSERS: [RegExp, string][] = [
  [/Edg(A|iOS)?\//, "Edge"],
  [/OPR\/|Opera/, "Opera"],
  [/Firefox\/|FxiOS\//, "Firefox"],
  [/(Headless)?Chrom(e|ium)\/|CriOS\//, "Chrome"],
  [/Version\/[\d.]+.*Safari\//, "Safari"],
  [/^curl\//, "curl"],
  [/python|aiohttp|httpx/i, "A Python program"],
];
const SYSTEMS: [RegExp, string][] = [
  [/iPhone/, "iPhone"],
  [/iPad/, "iPad"],
  [/Android/, "Android"],
  [/Windows/, "Windows"],
  [/Mac OS X|Macintosh/, "Mac"],
  [/CrOS/, "ChromeOS"],
  [/Linux|X11/, "Linux"],
];

const first = (table: [RegExp, string][], text: string): string | undefined =>
  table.find(([pattern]) => pattern.test(text))?.[1];

/** "Firefox on Windows" of a user agent. */
export function device(agent: string): string {
  const [browser, system] = [first(BROWSERS, agent), first(SYSTEMS, agent)];
  if (browser && system) return `${browser} on ${system}`;
  return browser ?? system ?? "An unknown device";
}

/** What the scopes of an API key are about. */
export const AREAS = {
  printers: "Printers",
  jobs: "Jobs",
  files: "Files",
  catalog: "Products",
  production: "Orders and stock",
  hubs: "Hubs",
  reports: "Reports and audit log",
  settings: "Settings",
} as const;

export type Level = "none" | "read" | "write";

/** The scopes that were picked: writing includes reading, so one scope an area is enough. */
export const scopesOf = (levels: Record<string, Level>): string[] =>
  Object.entries(levels)
    .filter(([, level]) => level !== "none")
    .map(([area, level]) => `${area}:${level}`);

/** "Printers (write), Files (read)". */
export const scopeWords = (scopes: readonly string[]): string =>
  scopes
    .map((scope) => {
      const [area = "", level] = scope.split(":");
      return `${AREAS[area as keyof typeof AREAS] ?? area} (${level})`;
    })
    .join(", ");

/** "printers_create" or "auth_login" as words. */
export const actionWords = (action: string): string => {
  const words = action.replaceAll(/[_.-]+/g, " ").trim();
  return words.charAt(0).toUpperCase() + words.slice(1);
};

/** One line a detail: "name: Marie". Nested values stay JSON. */
export const detailLines = (details: Record<string, unknown>): [string, string][] =>
  Object.entries(details).map(([name, value]) => [
    name.replaceAll("_", " "),
    typeof value === "string" ? value : JSON.stringify(value),
  ]);

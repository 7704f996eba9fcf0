/** Keeps the login alive: access tokens are good for minutes, and every tab shares one set of cookies. */

const REFRESH = "/api/auth/refresh";
const LOCK = "printfarm-refresh";
const MARK = "printfarm.refreshed";
/** Part of an access token's life after which it is renewed, before anything fails. */
const EARLY = 0.6;
/** How long an access token is good until the server has told. */
const USUAL_S = 600;

export interface SessionParts {
  fetch: typeof fetch;
  /** Runs the work while no other tab does. */
  exclusively: <T>(work: () => Promise<T>) => Promise<T>;
  /** When some tab renewed the login last, milliseconds; shared by all tabs. */
  mark: { get: () => number; set: (at: number) => void };
  now: () => number;
}

/** The rules, with what they need handed in. */
export class Session {
  #seconds = USUAL_S;

  constructor(private readonly parts: SessionParts) {}

  /** A request, tried again once when only its access token was too old. */
  fetch = async (request: Request): Promise<Response> => {
    const again = request.clone();
    const began = this.parts.now();
    const response = await this.parts.fetch(request);
    if (response.status !== 401 || entrance(request.url)) return response;
    return (await this.renew(began)) ? this.parts.fetch(again) : response;
  };

  /** Whether the login goes on. A renewal by any tab since `began` is as good as our own. */
  renew = (began: number): Promise<boolean> =>
    this.parts.exclusively(async () => {
      if (this.parts.mark.get() > began) return true;
      const headers = { "content-type": "application/json" };
      const response = await this.parts.fetch(REFRESH, { method: "POST", headers, body: "{}" });
      if (!response.ok) return false;
      this.began(((await response.json()) as { expires_in: number }).expires_in);
      return true;
    });

  /** A login, or its renewal, that is good for so long. */
  began = (seconds: number): void => {
    this.#seconds = seconds;
    this.parts.mark.set(this.parts.now());
  };

  /** Renew when more than part of the token's life is over: pictures are loaded without our help. */
  renewEarly = async (): Promise<void> => {
    const due = this.parts.mark.get() + this.#seconds * 1000 * EARLY;
    if (this.parts.now() >= due) await this.renew(this.parts.mark.get() + 1);
  };
}

/** Where a 401 speaks of the password, not of the token. */
function entrance(url: string): boolean {
  const path = new URL(url, window.location.origin).pathname;
  return path.startsWith("/api/auth/") && path !== "/api/auth/me" && path !== "/api/auth/password";
}

export const session = new Session({
  fetch: (...words: Parameters<typeof fetch>) => window.fetch(...words),
  // Without HTTPS there are no locks.
  exclusively: (work) => (navigator.locks ? navigator.locks.request(LOCK, work) : work()),
  mark: {
    get: () => Number(localStorage.getItem(MARK) ?? 0),
    set: (at) => localStorage.setItem(MARK, String(at)),
  },
  now: () => Date.now(),
});

const LOOK_MS = 60_000;

/** While somebody is signed in; returns how to stop. */
export function keepSession(): () => void {
  const look = (): void => {
    if (!document.hidden) void session.renewEarly().catch(() => undefined); // the next request tells
  };
  const timer = setInterval(look, LOOK_MS);
  document.addEventListener("visibilitychange", look);
  look();
  return () => {
    clearInterval(timer);
    document.removeEventListener("visibilitychange", look);
  };
}

import { beforeEach, describe, expect, it, vi } from "vitest";

vi.stubGlobal("window", {
  location: { origin: "http://farm" },
  fetch: () => Promise.reject(new Error("unused")),
});
vi.stubGlobal("localStorage", { getItem: () => null, setItem: () => undefined });
const { Session } = await import("./session");

const ok = (body: object = {}) => new Response(JSON.stringify(body), { status: 200 });
const denied = () => new Response("{}", { status: 401 });

/** A server with one access token that gets old, and tabs that share a lock and a mark. */
class Farm {
  fresh = false;
  alive = true;
  refreshes = 0;
  now = 1_000_000;
  #mark = 0;
  #turn: Promise<unknown> = Promise.resolve();

  tab = () =>
    new Session({
      fetch: async (input) => {
        const path = input instanceof Request ? new URL(input.url).pathname : String(input);
        if (path !== "/api/auth/refresh") return this.fresh ? ok() : denied();
        this.refreshes += 1;
        this.fresh = this.alive;
        return this.alive ? ok({ expires_in: 600 }) : denied();
      },
      exclusively: (work) => {
        const mine = this.#turn.then(work);
        this.#turn = mine.catch(() => undefined);
        return mine;
      },
      mark: {
        get: () => this.#mark,
        set: (at) => {
          this.#mark = at;
        },
      },
      now: () => this.now++,
    });
}

let farm: Farm;
const request = (path = "/api/printers/") =>
  new Request(`http://farm${path}`, { method: "POST", body: "{}" });

beforeEach(() => {
  farm = new Farm();
});

describe("Session", () => {
  it("tries a request again once the login is renewed", async () => {
    expect((await farm.tab().fetch(request())).status).toBe(200);
    expect(farm.refreshes).toBe(1);
  });

  it("renews once for many requests of many tabs", async () => {
    const tabs = [farm.tab(), farm.tab(), farm.tab()];
    const answers = await Promise.all(tabs.flatMap((tab) => [tab.fetch(request()), tab.fetch(request())]));
    expect(answers.map((answer) => answer.status)).toEqual([200, 200, 200, 200, 200, 200]);
    expect(farm.refreshes).toBe(1);
  });

  it("gives the refusal back when the login has ended", async () => {
    farm.alive = false;
    expect((await farm.tab().fetch(request())).status).toBe(401);
    expect(farm.refreshes).toBe(1);
  });

  it("does not take a wrong password for an old token", async () => {
    expect((await farm.tab().fetch(request("/api/auth/login"))).status).toBe(401);
    expect(farm.refreshes).toBe(0);
  });

  it("renews before the token is too old, and not more often", async () => {
    const tab = farm.tab();
    tab.began(600);
    await tab.renewEarly();
    expect(farm.refreshes).toBe(0);
    farm.now += 400_000;
    await tab.renewEarly();
    await tab.renewEarly();
    expect(farm.refreshes).toBe(1);
  });
});

import { QueryClient } from "@tanstack/react-query";
import { beforeEach, describe, expect, it } from "vitest";
import type { Hub } from "../api/types";
import { tellHubs } from "./hubs";

const queryKey = ["hubs"];
const hub = (id: string) => ({ id, online: true, telemetry: null, version: 1 }) as unknown as Hub;

describe("tellHubs", () => {
  let client: QueryClient;
  const items = () => client.getQueryData<{ items: Hub[] }>(queryKey)?.items ?? [];
  const stale = () => client.getQueryState(queryKey)?.isInvalidated;

  beforeEach(() => {
    client = new QueryClient();
    client.setQueryData(queryKey, { items: [hub("a"), hub("b")], total: 2 });
  });

  it("shows a hub that went, and has the list asked for again", () => {
    tellHubs(client, { a: { online: false } });
    expect(items().map((one) => one.online)).toEqual([false, true]);
    expect(stale()).toBe(true);
  });

  it("takes telemetry as it comes, without asking", () => {
    tellHubs(client, { b: { telemetry: { uptime_ms: 5 }, found: [] } });
    expect(items()[1]?.telemetry?.uptime_ms).toBe(5);
    expect(items()[1]).not.toHaveProperty("found");
    expect(stale()).toBe(false);
  });

  it("removes one that is gone, and asks for one that is new", () => {
    tellHubs(client, { a: null });
    expect(items().map((one) => one.id)).toEqual(["b"]);
    client.setQueryData(queryKey, { items: [hub("b")], total: 1 });
    tellHubs(client, { c: { name: "New" } });
    expect(stale()).toBe(true);
  });

  it("waits for the list when nobody has asked for it yet", () => {
    client.clear();
    tellHubs(client, { a: { online: false } });
    expect(client.getQueryData(queryKey)).toBeUndefined();
  });
});

import { describe, expect, it, vi } from "vitest";
import { KeyedStore, mergeChanges } from "./store";

interface Entry {
  id: string;
  name?: string;
  nozzle?: number;
}

const make = () => {
  const store = new KeyedStore<Entry>((entry) => entry.name ?? "");
  store.replace({ a: { id: "a", name: "A", nozzle: 20 }, b: { id: "b", name: "B" } });
  return store;
};

describe("KeyedStore", () => {
  it("tells only who listens to what changed", () => {
    const store = make();
    const [a, b] = [vi.fn(), vi.fn()];
    store.subscribe("a", a);
    store.subscribe("b", b);
    store.apply({ a: { nozzle: 21 } });
    expect(a).toHaveBeenCalledTimes(1);
    expect(b).not.toHaveBeenCalled();
    expect(store.get("a")).toEqual({ id: "a", name: "A", nozzle: 21 });
  });

  it("moves the index for what lists show, not for a temperature", () => {
    const store = make();
    const moved = vi.fn();
    store.subscribeIndex(moved);
    const before = store.index();
    store.apply({ a: { nozzle: 99 } });
    expect(store.index()).toBe(before);
    expect(moved).not.toHaveBeenCalled();
    store.apply({ a: { name: "AA" } });
    expect(store.index()).not.toBe(before);
    expect(moved).toHaveBeenCalledTimes(1);
  });

  it("forgets a key that became null and an entry that is gone", () => {
    const store = make();
    const gone = vi.fn();
    store.subscribe("b", gone);
    store.apply({ a: { nozzle: null }, b: null });
    expect(store.get("a")).toEqual({ id: "a", name: "A" });
    expect(store.get("b")).toBeUndefined();
    expect(gone).toHaveBeenCalledTimes(1);
    expect(store.index().map((entry) => entry.id)).toEqual(["a"]);
  });

  it("takes an entry it did not know, with its id", () => {
    const store = make();
    store.apply({ c: { name: "C" } });
    expect(store.get("c")).toEqual({ id: "c", name: "C" });
    expect(store.index()).toHaveLength(3);
  });

  it("keeps the object of an entry that did not change, so that its card is not drawn again", () => {
    const store = make();
    const before = store.get("b");
    store.apply({ a: { nozzle: 1 } });
    expect(store.get("b")).toBe(before);
  });

  it("drops nulls of a snapshot, and tells those who listen to what it no longer holds", () => {
    const store = make();
    const gone = vi.fn();
    store.subscribe("b", gone);
    store.replace({ a: { id: "a", name: null } as unknown as Entry });
    expect(store.get("a")).toEqual({ id: "a" });
    expect(gone).toHaveBeenCalledTimes(1);
  });

  it("does not call who has left", () => {
    const store = make();
    const listener = vi.fn();
    store.subscribe("a", listener)();
    store.apply({ a: { nozzle: 5 } });
    expect(listener).not.toHaveBeenCalled();
  });

  it("tells an empty farm from one not yet known", () => {
    const store = new KeyedStore<Entry>(() => "");
    expect(store.loaded()).toBe(false);
    store.replace({});
    expect(store.loaded()).toBe(true);
  });
});

describe("mergeChanges", () => {
  it("lets the later value win and keeps the rest", () => {
    const pending = { a: { x: 1, y: 1 } };
    mergeChanges(pending, { a: { y: 2 }, b: { z: 3 } });
    expect(pending).toEqual({ a: { x: 1, y: 2 }, b: { z: 3 } });
  });

  it("starts anew for an entry that was removed in between", () => {
    const pending: Record<string, Record<string, unknown> | null> = { a: { x: 1 } };
    mergeChanges(pending, { a: null });
    expect(pending).toEqual({ a: null });
    mergeChanges(pending, { a: { y: 2 } });
    expect(pending).toEqual({ a: { y: 2 } });
  });
});

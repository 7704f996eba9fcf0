import type { Changes } from "./types";

type Listener = () => void;

/**
 * Entries by id, each with its own subscribers: a change of one printer draws one card.
 *
 * Besides the entries there is an *index*: the ids in no particular order, and a version that rises only when an entry
 * comes, goes, or changes in what `indexKey` tells (what lists filter, count and sort by). A temperature never moves it.
 */
export class KeyedStore<T extends { id: string }> {
  #entries = new Map<string, T>();
  #keys = new Map<string, string>();
  #listeners = new Map<string, Set<Listener>>();
  #indexListeners = new Set<Listener>();
  #index: readonly T[] = [];
  #loaded = false;

  constructor(private readonly indexKey: (entry: T) => string) {}

  get = (id: string): T | undefined => this.#entries.get(id);

  /** The entries as they were when the index last changed: stable between changes, so React can compare it. */
  index = (): readonly T[] => this.#index;

  /** False until the first snapshot: an empty farm and a farm not yet known look different. */
  loaded = (): boolean => this.#loaded;

  subscribe = (id: string, listener: Listener): (() => void) => {
    const listeners = this.#listeners.get(id) ?? new Set();
    this.#listeners.set(id, listeners.add(listener));
    return () => {
      listeners.delete(listener);
      if (listeners.size === 0 && this.#listeners.get(id) === listeners) this.#listeners.delete(id);
    };
  };

  subscribeIndex = (listener: Listener): (() => void) => {
    this.#indexListeners.add(listener);
    return () => this.#indexListeners.delete(listener);
  };

  /** Everything there is, replacing what was. */
  replace(entries: Record<string, T>): void {
    const ids = new Set([...this.#entries.keys(), ...Object.keys(entries)]);
    const known = Object.entries(entries).map(([id, entry]): [string, T] => [id, withoutNulls(entry)]);
    this.#entries = new Map(known);
    this.#keys = new Map(known.map(([id, entry]) => [id, this.indexKey(entry)]));
    this.#loaded = true;
    this.#moveIndex();
    for (const id of ids) this.#tell(id);
  }

  /** Changed keys by id; a null value is a key now unknown, a null entry is one that is gone. */
  apply(changes: Record<string, Changes | null>): void {
    let moved = false;
    const touched: string[] = [];
    for (const [id, change] of Object.entries(changes)) {
      if (this.#applyOne(id, change)) moved = true;
      touched.push(id);
    }
    if (moved) this.#moveIndex();
    for (const id of touched) this.#tell(id);
  }

  clear(): void {
    this.replace({});
    this.#loaded = false;
    this.#moveIndex();
  }

  #applyOne(id: string, change: Changes | null): boolean {
    if (change === null) {
      this.#keys.delete(id);
      return this.#entries.delete(id);
    }
    const entry = { ...this.#entries.get(id), id } as Record<string, unknown>;
    for (const [name, value] of Object.entries(change)) {
      if (value === null) delete entry[name];
      else entry[name] = value;
    }
    const key = this.indexKey(entry as unknown as T);
    const moved = this.#keys.get(id) !== key;
    this.#entries.set(id, entry as unknown as T);
    this.#keys.set(id, key);
    return moved;
  }

  #moveIndex(): void {
    this.#index = [...this.#entries.values()];
    for (const listener of this.#indexListeners) listener();
  }

  #tell(id: string): void {
    for (const listener of this.#listeners.get(id) ?? []) listener();
  }
}

/** Null means unknown, as an absent key does: readers need to know one form only. */
const withoutNulls = <T extends object>(entry: T): T =>
  Object.fromEntries(Object.entries(entry).filter(([, value]) => value !== null)) as T;

/** Adds later changes to earlier ones that were not shown yet. */
export function mergeChanges(
  into: Record<string, Changes | null>,
  changes: Record<string, Changes | null>,
): void {
  for (const [id, change] of Object.entries(changes)) {
    const earlier = into[id];
    into[id] = change && earlier ? { ...earlier, ...change } : change;
  }
}

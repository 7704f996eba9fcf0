import { Search } from "lucide-react";
import { useEffect, useRef } from "react";
import { countStates, type FarmQuery, nextFree, SORTS } from "../../domain/farm";
import { finishClock } from "../../domain/format";
import { STATE_GROUP_WORDS, STATE_KINDS, type StateKind } from "../../domain/state";
import type { PrinterView } from "../../live/types";
import { cx } from "../../ui/cx";
import { inputClass } from "../../ui/field";
import { useNow } from "../../ui/now";
import { STATE_LOOK } from "../../ui/state";

function StateFilter({
  kind,
  count,
  pressed,
  onPress,
}: {
  kind: StateKind;
  count: number;
  pressed: boolean;
  onPress: () => void;
}) {
  const { icon: Icon, text, soft } = STATE_LOOK[kind];
  return (
    <button
      type="button"
      aria-pressed={pressed}
      onClick={onPress}
      className={cx(
        "flex h-11 items-center gap-1.5 rounded-xl border px-2.5 text-xs whitespace-nowrap transition-colors sm:gap-2 sm:px-3 sm:text-sm md:h-10",
        pressed ? cx(soft, "border-current font-semibold", text) : "bg-sheet text-ink-soft hover:bg-well",
      )}
    >
      <Icon aria-hidden className={cx("size-4.5 shrink-0", text)} strokeWidth={2.1} />
      <span className="num text-base font-semibold text-ink">{count}</span>
      {STATE_GROUP_WORDS[kind]}
    </button>
  );
}

/** `/` jumps to the search, unless one types already. */
function useSlash(target: React.RefObject<HTMLInputElement | null>): void {
  useEffect(() => {
    const press = (event: KeyboardEvent) => {
      const typing =
        event.target instanceof HTMLElement && event.target.closest("input, textarea, select, [role=dialog]");
      if (event.key !== "/" || typing || event.ctrlKey || event.metaKey) return;
      event.preventDefault();
      target.current?.focus();
    };
    window.addEventListener("keydown", press);
    return () => window.removeEventListener("keydown", press);
  }, [target]);
}

interface ToolbarProps {
  all: readonly PrinterView[];
  query: FarmQuery;
  onChange: (changes: Partial<FarmQuery>) => void;
}

/** Counts that filter, the search and the order. */
export function Toolbar({ all, query, onChange }: ToolbarProps) {
  const search = useRef<HTMLInputElement>(null);
  const now = useNow();
  useSlash(search);
  const counts = countStates(all);
  const free = nextFree(all);
  return (
    <div className="mb-5 flex flex-wrap items-center gap-x-4 gap-y-3">
      <fieldset className="grid w-full grid-cols-2 min-[22rem]:grid-cols-3 gap-2 sm:flex sm:w-auto sm:flex-wrap">
        <legend className="sr-only">Show only printers that are</legend>
        {STATE_KINDS.filter((kind) => counts[kind] > 0 || query.state === kind).map((kind) => (
          <StateFilter
            key={kind}
            kind={kind}
            count={counts[kind]}
            pressed={query.state === kind}
            onPress={() => onChange({ state: query.state === kind ? null : kind })}
          />
        ))}
      </fieldset>
      {free?.remaining && (
        <p className="text-sm text-ink-soft">
          Next free: <span className="font-medium text-ink">{free.name}</span>,{" "}
          <span className="num">{finishClock(free.remaining, now)}</span>
        </p>
      )}
      <search className="ml-auto flex w-full gap-2 md:w-auto">
        <label className="relative grow md:w-48">
          <span className="sr-only">Search printers</span>
          <Search
            aria-hidden
            className="pointer-events-none absolute top-1/2 left-3 size-4 -translate-y-1/2 text-ink-faint"
          />
          <input
            ref={search}
            type="search"
            placeholder="Search"
            className={cx(inputClass, "pl-9")}
            value={query.text}
            onChange={(event) => onChange({ text: event.target.value })}
            onKeyDown={(event) => event.key === "Escape" && event.currentTarget.blur()}
          />
        </label>
        <label>
          <span className="sr-only">Order</span>
          <select
            className={cx(inputClass, "w-auto!")}
            value={query.sort}
            onChange={(event) => onChange({ sort: event.target.value as FarmQuery["sort"] })}
          >
            {Object.entries(SORTS).map(([key, label]) => (
              <option key={key} value={key}>
                {label}
              </option>
            ))}
          </select>
        </label>
      </search>
    </div>
  );
}

import { Plus, Printer as PrinterIcon, SearchX } from "lucide-react";
import { lazy, Suspense, useMemo, useState } from "react";
import { useLocation, useParams, useSearch, useSearchParams } from "wouter";
import { useCanOperate } from "../../api/actions";
import { type FarmQuery, isKind, isSort, nextJobs, selectPrinters } from "../../domain/farm";
import { useJobIndex, useLoaded, usePrinterIndex } from "../../live/live";
import { useStaleSince } from "../../shell/banner";
import { Button } from "../../ui/button";
import { cx } from "../../ui/cx";
import { Empty, PageTitle } from "../../ui/feedback";
import { CardSkeleton, PrinterCard } from "./card";
import { Toolbar } from "./toolbar";

const Details = lazy(() => import("./details"));
const AddPrinter = lazy(() => import("./form").then((module) => ({ default: module.AddPrinter })));

const GRID = "grid grid-cols-[repeat(auto-fill,minmax(min(100%,19.5rem),1fr))] gap-4";

/** The filter in the address: a link to it shows the same to everybody. */
function useFarmQuery(): [FarmQuery, (changes: Partial<FarmQuery>) => void] {
  const [params, setParams] = useSearchParams();
  const [state, sort] = [params.get("state"), params.get("sort")];
  const query: FarmQuery = {
    state: isKind(state) ? state : null,
    text: params.get("q") ?? "",
    sort: isSort(sort) ? sort : "order",
  };
  const change = (changes: Partial<FarmQuery>) => {
    const next = { ...query, ...changes };
    const entries = { state: next.state, q: next.text, sort: next.sort === "order" ? null : next.sort };
    setParams(
      new URLSearchParams(Object.entries(entries).filter((entry): entry is [string, string] => !!entry[1])),
      {
        replace: true,
      },
    );
  };
  return [query, change];
}

function Teach({ onAdd }: { onAdd: (() => void) | null }) {
  return (
    <Empty
      icon={PrinterIcon}
      title="No printers yet"
      action={
        onAdd && (
          <Button look="primary" icon={Plus} onClick={onAdd}>
            Add a printer
          </Button>
        )
      }
    >
      Add each printer with its address, serial number and access code. All three are on its screen under
      Settings, LAN Only.
    </Empty>
  );
}

function Cards({ query, onReset }: { query: FarmQuery; onReset: () => void }) {
  const all = usePrinterIndex();
  const jobs = useJobIndex();
  const next = useMemo(() => nextJobs(jobs), [jobs]);
  const shown = useMemo(() => selectPrinters(all, query), [all, query]);
  const stale = useStaleSince();
  if (shown.length === 0) {
    return (
      <Empty
        icon={SearchX}
        title="No printer matches"
        action={<Button onClick={onReset}>Show all printers</Button>}
      >
        Nothing fits this filter right now.
      </Empty>
    );
  }
  return (
    <div
      className={cx(GRID, "transition-[filter]", stale && "grayscale")}
      data-stale={stale ? "" : undefined}
    >
      {shown.map((view) => (
        <PrinterCard key={view.id} id={view.id} next={next.get(view.id)} />
      ))}
    </div>
  );
}

export default function Printers() {
  const [query, setQuery] = useFarmQuery();
  const [adding, setAdding] = useState(false);
  const { id } = useParams<{ id?: string }>();
  const [, navigate] = useLocation();
  const search = useSearch();
  const all = usePrinterIndex();
  const loaded = useLoaded();
  const operate = useCanOperate();
  return (
    <>
      <PageTitle
        actions={
          operate &&
          all.length > 0 && (
            <Button icon={Plus} onClick={() => setAdding(true)}>
              Add printer
            </Button>
          )
        }
      >
        Printers
      </PageTitle>
      {loaded && all.length > 0 && <Toolbar all={all} query={query} onChange={setQuery} />}
      {!loaded && (
        <div className={GRID} aria-busy role="status" aria-label="Loading printers">
          {["a", "b", "c", "d", "e", "f"].map((key) => (
            <CardSkeleton key={key} />
          ))}
        </div>
      )}
      {loaded && all.length === 0 && <Teach onAdd={operate ? () => setAdding(true) : null} />}
      {loaded && all.length > 0 && (
        <Cards query={query} onReset={() => setQuery({ state: null, text: "" })} />
      )}
      <Suspense>
        {id && <Details id={id} onClose={() => navigate(`/${search ? `?${search}` : ""}`)} />}
        {adding && <AddPrinter onClose={() => setAdding(false)} />}
      </Suspense>
    </>
  );
}

import { useQuery } from "@tanstack/react-query";
import { Plus, Router, TriangleAlert } from "lucide-react";
import { lazy, Suspense, useState } from "react";
import { Link, useLocation, useParams } from "wouter";
import { useIsOwner } from "../../api/actions";
import { hubsQuery } from "../../api/queries";
import type { Hub } from "../../api/types";
import { moment, plural } from "../../domain/format";
import { isUpdating, signalWord, standing, worries } from "../../domain/hubs";
import { Button } from "../../ui/button";
import { cx } from "../../ui/cx";
import { Empty, Failed, PageTitle, Skeleton } from "../../ui/feedback";
import { useNow } from "../../ui/now";
import { StateBadge } from "../../ui/state";
import { Updates } from "./updates";

const HubSheet = lazy(() => import("./sheet"));
const AddHub = lazy(() => import("./keys").then((module) => ({ default: module.AddHub })));

function About({ hub }: { hub: Hub }) {
  const now = useNow();
  const seen = hub.last_seen_at ? `last seen ${moment(hub.last_seen_at, now)}` : "never connected";
  const rssi = hub.telemetry?.rssi;
  const parts = [
    `${plural(hub.printers, "printer")}${hub.max_printers ? ` of ${hub.max_printers}` : ""}`,
    hub.board,
    hub.firmware && `firmware ${hub.firmware}`,
    hub.online && rssi != null && `${signalWord(rssi)} signal`,
    hub.update && isUpdating(hub.update.state) && `updating to ${hub.update.version}`,
    !hub.online && seen,
  ];
  return <p className="num text-sm text-ink-soft">{parts.filter(Boolean).join(" · ")}</p>;
}

function HubRow({ hub }: { hub: Hub }) {
  const { kind, word } = standing(hub);
  const [worry] = hub.online ? worries(hub) : [];
  return (
    <li data-hub={hub.id}>
      <Link
        href={`/hubs/${hub.id}`}
        className="flex flex-wrap items-center gap-x-4 gap-y-2 rounded-2xl border bg-sheet p-4 shadow-card"
      >
        <span
          className={cx(
            "grid size-12 place-items-center rounded-xl bg-well",
            !hub.online && "text-ink-faint",
          )}
        >
          <Router aria-hidden className="size-6" strokeWidth={1.6} />
        </span>
        <span className="min-w-0 grow">
          <h2 className="truncate font-semibold">{hub.name}</h2>
          <About hub={hub} />
          {worry && (
            <p className="mt-0.5 flex items-center gap-1.5 text-sm text-paused">
              <TriangleAlert aria-hidden className="size-4 shrink-0" />
              {worry}
            </p>
          )}
        </span>
        <StateBadge kind={kind} word={word} />
      </Link>
    </li>
  );
}

export default function Hubs() {
  const hubs = useQuery(hubsQuery);
  const owner = useIsOwner();
  const [adding, setAdding] = useState(false);
  const { id } = useParams<{ id?: string }>();
  const [, navigate] = useLocation();
  const empty = hubs.data?.items.length === 0;
  const open = hubs.data?.items.find((hub) => hub.id === id);
  const add = owner && (
    <Button look={empty ? "primary" : "quiet"} icon={Plus} onClick={() => setAdding(true)}>
      Add hub
    </Button>
  );
  return (
    <>
      <PageTitle actions={!empty && add}>Hubs</PageTitle>
      {hubs.isPending && <Skeleton className="h-20 rounded-2xl" />}
      {hubs.isError && <Failed error={hubs.error} onRetry={() => void hubs.refetch()} />}
      {empty && (
        <Empty icon={Router} title="No hub yet" action={add}>
          A hub is a small board on your printers' network. It connects them with PrintFarm and needs nothing
          but power and Wi-Fi.
        </Empty>
      )}
      <ul className="grid max-w-4xl gap-3">
        {hubs.data?.items.map((hub) => (
          <HubRow key={hub.id} hub={hub} />
        ))}
      </ul>
      {owner && !empty && <Updates />}
      <Suspense>
        {adding && <AddHub onClose={() => setAdding(false)} />}
        {open && <HubSheet hub={open} onClose={() => navigate("/hubs")} />}
      </Suspense>
    </>
  );
}

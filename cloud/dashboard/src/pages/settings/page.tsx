import type { ComponentType } from "react";
import { Link, useParams } from "wouter";
import { useIsOwner } from "../../api/actions";
import { PageTitle } from "../../ui/feedback";
import ApiKeys from "./api-keys";
import Audit from "./audit";
import FarmPage from "./farm";
import People from "./people";
import Profile from "./profile";

const PARTS: { id: string; label: string; owner?: true; page: ComponentType }[] = [
  { id: "profile", label: "Profile", page: Profile },
  { id: "api-keys", label: "API keys", page: ApiKeys },
  { id: "people", label: "People", owner: true, page: People },
  { id: "farm", label: "Farm", owner: true, page: FarmPage },
  { id: "audit", label: "Audit log", owner: true, page: Audit },
];

export default function Settings() {
  const owner = useIsOwner();
  const { part = "profile" } = useParams<{ part?: string }>();
  const shown = PARTS.find((one) => one.id === part);
  const Page = shown?.page;
  return (
    <>
      <PageTitle>Settings</PageTitle>
      <nav aria-label="Settings" className="-mx-1 mb-5 flex gap-1 overflow-x-auto p-1">
        {PARTS.filter((one) => owner || !one.owner).map(({ id, label }) => (
          <Link
            key={id}
            href={`/settings/${id}`}
            aria-current={id === part ? "page" : undefined}
            className="flex h-11 shrink-0 items-center rounded-xl px-2.5 text-sm sm:px-3.5 text-ink-soft hover:bg-well hover:text-ink aria-[current]:bg-well aria-[current]:font-medium aria-[current]:text-ink md:h-10"
          >
            {label}
          </Link>
        ))}
      </nav>
      <div className="grid max-w-4xl gap-4">
        {!Page && <p className="py-8 text-ink-soft">There is no such page. Choose one above.</p>}
        {Page &&
          (shown.owner && !owner ? (
            <p className="py-8 text-ink-soft">Only an owner of the farm sees this. Ask one of them.</p>
          ) : (
            <Page />
          ))}
      </div>
    </>
  );
}

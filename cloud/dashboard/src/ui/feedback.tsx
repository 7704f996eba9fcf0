import { type LucideIcon, RotateCw, TriangleAlert } from "lucide-react";
import type { ReactNode } from "react";
import { sentence } from "../api/errors";
import { Button } from "./button";
import { cx } from "./cx";

export const Skeleton = ({ className }: { className?: string }) => (
  <div aria-hidden className={cx("animate-shimmer rounded-lg bg-well", className)} />
);

interface EmptyProps {
  icon: LucideIcon;
  title: string;
  children: ReactNode;
  action?: ReactNode;
  /** When it is all that stands on the page. */
  main?: boolean;
}

/** Nothing here yet: says what belongs here and how it gets here. */
export function Empty({ icon: Icon, title, children, action, main }: EmptyProps) {
  const Heading = main ? "h1" : "h2";
  return (
    <div className="mx-auto grid max-w-md justify-items-center gap-3 px-4 py-14 text-center sm:py-20">
      <span className="grid size-14 place-items-center rounded-2xl bg-well text-ink-soft">
        <Icon aria-hidden className="size-7" strokeWidth={1.6} />
      </span>
      <Heading className="text-lg font-semibold">{title}</Heading>
      <div className="text-[0.9375rem] text-ink-soft">{children}</div>
      {action && <div className="mt-2 flex flex-wrap justify-center gap-2">{action}</div>}
    </div>
  );
}

/** Something failed to load: the reason, and the way to try again. */
export function Failed({ error, onRetry }: { error: unknown; onRetry: () => void }) {
  return (
    <div role="alert" className="mx-auto grid max-w-md justify-items-center gap-3 px-4 py-14 text-center">
      <span className="grid size-14 place-items-center rounded-2xl bg-error-soft text-error">
        <TriangleAlert aria-hidden className="size-7" strokeWidth={1.8} />
      </span>
      <p className="text-[0.9375rem] text-ink-soft">{sentence(error)}</p>
      <Button icon={RotateCw} onClick={onRetry}>
        Try again
      </Button>
    </div>
  );
}

/** A sentence inside a form about what went wrong. */
export function Problem({ children }: { children: ReactNode }) {
  if (!children) return null;
  return (
    <p role="alert" className="flex gap-2 rounded-xl bg-error-soft px-3 py-2 text-sm text-error">
      <TriangleAlert aria-hidden className="mt-0.5 size-4 shrink-0" />
      <span>{children}</span>
    </p>
  );
}

export function PageTitle({ children, actions }: { children: ReactNode; actions?: ReactNode }) {
  return (
    <div className="mb-4 flex min-h-11 flex-wrap items-center justify-between gap-x-4 gap-y-2 md:mb-5">
      <h1 className="text-[1.625rem] leading-tight font-semibold tracking-[-0.02em]">{children}</h1>
      {actions && <div className="flex flex-wrap items-center gap-2">{actions}</div>}
    </div>
  );
}

import { WifiOff } from "lucide-react";
import { useEffect, useState } from "react";
import { clock } from "../domain/format";
import { useLink } from "../live/live";

/** A short break nobody needs to hear of. */
const PATIENCE_MS = 3_000;

/** The moment since which nothing new came, once that has lasted; null while all is well. */
export function useStaleSince(): Date | null {
  const { lostAt } = useLink();
  const [late, setLate] = useState(false);
  useEffect(() => {
    setLate(false);
    if (lostAt === null) return;
    const timer = setTimeout(() => setLate(true), Math.max(0, lostAt + PATIENCE_MS - Date.now()));
    return () => clearTimeout(timer);
  }, [lostAt]);
  return late && lostAt !== null ? new Date(lostAt) : null;
}

export function ConnectionBanner() {
  const since = useStaleSince();
  return (
    <div role="status" aria-live="polite" className="sticky top-0 z-20">
      {since && (
        <p className="flex items-center justify-center gap-2 bg-paused-soft px-4 py-2 text-center text-sm font-medium text-paused">
          <WifiOff aria-hidden className="size-4 shrink-0" />
          <span>
            Reconnecting… What you see is as of <span className="num">{clock(since)}</span>. Printers keep
            printing.
          </span>
        </p>
      )}
    </div>
  );
}

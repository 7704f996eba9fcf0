import { ChevronLeft, ChevronRight } from "lucide-react";
import { Button } from "./button";

/** The way through a list that the server gives in parts of `size`; nothing when there is one part. */
export function Pager({
  offset,
  total,
  size,
  words: [back, on],
  onMove,
}: {
  offset: number;
  total: number;
  size: number;
  words: readonly [string, string];
  onMove: (offset: number) => void;
}) {
  if (total <= size && offset === 0) return null;
  return (
    <nav aria-label="Pages" className="mt-5 flex items-center justify-center gap-3">
      <Button icon={ChevronLeft} disabled={offset === 0} onClick={() => onMove(Math.max(0, offset - size))}>
        {back}
      </Button>
      <span role="status" className="num text-sm text-ink-soft">
        {offset < total ? `${offset + 1}–${Math.min(total, offset + size)}` : "none"} of {total}
      </span>
      <Button disabled={offset + size >= total} onClick={() => onMove(offset + size)}>
        {on} <ChevronRight aria-hidden className="size-4.5" />
      </Button>
    </nav>
  );
}

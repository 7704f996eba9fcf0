import { Box } from "lucide-react";
import { useState } from "react";
import { cx } from "./cx";

/** The picture of a plate; a quiet sign in its place when there is none. */
export function Thumb({
  src,
  alt,
  className,
}: {
  src: string | null | undefined;
  alt: string;
  className?: string;
}) {
  const [broken, setBroken] = useState<string | null>(null);
  return (
    <span
      className={cx(
        "relative grid shrink-0 place-items-center overflow-hidden rounded-xl bg-well",
        className,
      )}
    >
      {src && broken !== src ? (
        <img
          src={src}
          alt={alt}
          loading="lazy"
          decoding="async"
          className="absolute inset-0 size-full object-contain p-[4%]"
          onError={() => setBroken(src)}
        />
      ) : (
        <Box aria-hidden className="size-6 text-ink-faint" strokeWidth={1.5} />
      )}
    </span>
  );
}

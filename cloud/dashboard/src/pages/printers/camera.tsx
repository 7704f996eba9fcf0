import { useQuery } from "@tanstack/react-query";
import { CameraOff, RefreshCw } from "lucide-react";
import { useEffect, useState } from "react";
import { refused, sentence } from "../../api/errors";
import { session } from "../../api/session";
import { clock } from "../../domain/format";
import { IconButton } from "../../ui/button";
import { Skeleton } from "../../ui/feedback";

async function takePicture(id: string, signal: AbortSignal): Promise<{ blob: Blob; at: Date }> {
  const response = await session.fetch(
    new Request(`/api/printers/${encodeURIComponent(id)}/snapshot`, { signal }),
  );
  if (!response.ok) throw refused(response.status, await response.json().catch(() => null));
  return { blob: await response.blob(), at: new Date() };
}

/** The blob's address, given back when it is no longer shown. */
function useObjectUrl(blob: Blob | undefined): string | undefined {
  const [url, setUrl] = useState<string>();
  useEffect(() => {
    if (!blob) return;
    const made = URL.createObjectURL(blob);
    setUrl(made);
    return () => URL.revokeObjectURL(made);
  }, [blob]);
  return blob ? url : undefined;
}

/** One picture from the printer's camera, taken when the sheet opens and again on request. */
export function Camera({ id, name }: { id: string; name: string }) {
  const picture = useQuery({
    queryKey: ["snapshot", id],
    queryFn: ({ signal }) => takePicture(id, signal),
    retry: false,
    staleTime: 10_000,
  });
  const url = useObjectUrl(picture.data?.blob);
  return (
    <figure className="relative overflow-hidden rounded-2xl bg-well">
      <div className="relative grid aspect-video place-items-center">
        {picture.isPending && <Skeleton className="size-full" />}
        {picture.isError && (
          <p className="flex max-w-xs items-center gap-2 px-4 text-sm text-ink-soft">
            <CameraOff aria-hidden className="size-5 shrink-0" />
            {sentence(picture.error)}
          </p>
        )}
        {url && !picture.isError && (
          <img src={url} alt={`Camera of ${name}`} className="absolute inset-0 size-full object-contain" />
        )}
      </div>
      <figcaption className="flex items-center justify-between py-1 pr-1 pl-3 text-[0.8125rem] text-ink-soft">
        <span className="num">
          {picture.data ? `Taken ${clock(picture.data.at)}` : "One picture, on request"}
        </span>
        <IconButton
          label="Take a new picture"
          icon={RefreshCw}
          busy={picture.isFetching}
          onClick={() => void picture.refetch()}
        />
      </figcaption>
    </figure>
  );
}

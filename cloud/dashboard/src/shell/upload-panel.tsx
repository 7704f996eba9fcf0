import { Check, RotateCw, TriangleAlert, X } from "lucide-react";
import { lazy, Suspense, useState, useSyncExternalStore } from "react";
import type { PrintFile } from "../api/types";
import { type Upload, uploads } from "../api/upload";
import { size } from "../domain/format";
import { Button, IconButton } from "../ui/button";
import { Progress } from "../ui/state";

const QueueDialog = lazy(() => import("../pages/files/queue-dialog"));

export const useUploads = () => useSyncExternalStore(uploads.subscribe, uploads.list);

function phaseText(upload: Upload): string {
  if (upload.phase === "waiting") return "Waiting";
  if (upload.phase === "reading") return "Reading the file…";
  if (upload.phase === "done") return `${size(upload.size)} · ready`;
  return `${size(upload.sent)} of ${size(upload.size)}`;
}

function Row({ upload, onQueue }: { upload: Upload; onQueue: (file: PrintFile) => void }) {
  const { key, name, phase, error, file, retryable } = upload;
  return (
    <li className="grid gap-1.5 px-4 py-3" data-phase={phase}>
      <div className="flex items-center gap-2">
        {phase === "done" && <Check aria-hidden className="size-4 shrink-0 text-idle" />}
        {phase === "failed" && <TriangleAlert aria-hidden className="size-4 shrink-0 text-error" />}
        <span className="min-w-0 grow truncate text-sm font-medium" title={name}>
          {name}
        </span>
        {phase === "done" && file && (
          <Button size="sm" look="primary" onClick={() => onQueue(file)}>
            Print it
          </Button>
        )}
        {phase === "failed" && retryable && (
          <IconButton label={`Try ${name} again`} icon={RotateCw} onClick={() => uploads.retry(key)} />
        )}
        <IconButton
          label={phase === "done" || phase === "failed" ? `Dismiss ${name}` : `Cancel ${name}`}
          icon={X}
          onClick={() => uploads.cancel(key)}
        />
      </div>
      {phase === "failed" ? (
        <p className="text-[0.8125rem] text-error">{error}</p>
      ) : (
        <>
          {phase !== "done" && (
            <Progress
              value={(100 * upload.sent) / Math.max(1, upload.size)}
              kind="printing"
              label={`Upload of ${name}`}
            />
          )}
          <p className="num text-[0.8125rem] text-ink-faint">{phaseText(upload)}</p>
        </>
      )}
    </li>
  );
}

/** What is being uploaded, on every page. */
export function UploadPanel() {
  const list = useUploads();
  const [queueing, setQueueing] = useState<PrintFile | null>(null);
  const settled = list.every((upload) => upload.phase === "done" || upload.phase === "failed");
  return (
    <>
      {list.length > 0 && (
        <section
          aria-label="Uploads"
          className="fixed inset-x-3 bottom-[calc(4.25rem+env(safe-area-inset-bottom))] z-30 animate-rise overflow-hidden rounded-2xl border bg-sheet shadow-xl md:right-6 md:bottom-6 md:left-auto md:w-96"
        >
          <div className="flex items-center justify-between border-b py-1.5 pr-2 pl-4">
            <h2 className="text-sm font-semibold">{settled ? "Uploads" : "Uploading"}</h2>
            {settled && (
              <Button look="ghost" size="sm" onClick={() => uploads.clearSettled()}>
                Dismiss all
              </Button>
            )}
          </div>
          <ul aria-live="polite" className="max-h-[40dvh] divide-y overflow-y-auto">
            {list.map((upload) => (
              <Row key={upload.key} upload={upload} onQueue={setQueueing} />
            ))}
          </ul>
        </section>
      )}
      {queueing && (
        <Suspense>
          <QueueDialog file={queueing} onClose={() => setQueueing(null)} />
        </Suspense>
      )}
    </>
  );
}

import { useQuery } from "@tanstack/react-query";
import { Clock3, FileUp, Play, Trash2, Upload, Weight } from "lucide-react";
import { lazy, Suspense, useRef, useState } from "react";
import { useLocation, useParams, useSearchParams } from "wouter";
import { useAction, useCanOperate } from "../../api/actions";
import { answer, api } from "../../api/client";
import { fileQuery, filesQuery } from "../../api/queries";
import type { PrintFile } from "../../api/types";
import { uploads } from "../../api/upload";
import { baseName, duration, moment, plural, size, weight } from "../../domain/format";
import { modelName } from "../../domain/models";
import { Button, IconButton } from "../../ui/button";
import { cx } from "../../ui/cx";
import { Confirm } from "../../ui/dialog";
import { Empty, Failed, PageTitle, Skeleton } from "../../ui/feedback";
import { inputClass } from "../../ui/field";
import { Swatch } from "../../ui/filament";
import { useNow } from "../../ui/now";
import { Thumb } from "../../ui/thumb";

const QueueDialog = lazy(() => import("./queue-dialog"));
const GRID = "grid grid-cols-[repeat(auto-fill,minmax(min(100%,15.5rem),1fr))] gap-4";

/** What all plates of a file need together. */
function totals(file: PrintFile) {
  const colors = new Map(
    file.plates.flatMap((plate) => plate.filaments.map((one) => [`${one.type} ${one.color}`, one])),
  );
  const sum = (values: (number | null)[]) => values.reduce<number>((total, value) => total + (value ?? 0), 0);
  return {
    seconds: sum(file.plates.map((plate) => plate.seconds)),
    grams: sum(file.plates.map((plate) => plate.grams)),
    filaments: [...colors.values()],
  };
}

function UploadButton({ look }: { look?: "primary" | "quiet" }) {
  const input = useRef<HTMLInputElement>(null);
  return (
    <>
      <input
        ref={input}
        type="file"
        multiple
        accept=".3mf"
        className="sr-only"
        tabIndex={-1}
        aria-label="Choose sliced files"
        onChange={(event) => {
          uploads.add(event.target.files ?? []);
          event.target.value = "";
        }}
      />
      <Button look={look ?? "primary"} icon={Upload} onClick={() => input.current?.click()}>
        Upload files
      </Button>
    </>
  );
}

function FileCard({
  file,
  onPrint,
  onDelete,
}: {
  file: PrintFile;
  onPrint: () => void;
  onDelete: () => void;
}) {
  const operate = useCanOperate();
  const now = useNow();
  const { seconds, grams, filaments } = totals(file);
  const model = file.model_name || modelName(file.printer_model_id);
  return (
    <article
      data-file={file.id}
      className="card-visibility flex flex-col overflow-hidden rounded-2xl border bg-sheet shadow-card"
    >
      <div className="relative">
        <Thumb
          src={file.plates[0]?.thumbnail}
          alt={`Plate ${file.plates[0]?.index ?? 1} of ${baseName(file.name)}`}
          className="aspect-[4/3] w-full rounded-none!"
        />
        {file.plates.length > 1 && (
          <span className="absolute top-3 right-3 rounded-full bg-sheet px-2.5 py-1 text-[0.8125rem] font-medium shadow-sm">
            {plural(file.plates.length, "plate")}
          </span>
        )}
      </div>
      <div className="flex grow flex-col gap-2 p-4">
        <div>
          <h2 className="truncate font-semibold" title={file.name}>
            {baseName(file.name)}
          </h2>
          <p className="num truncate text-[0.8125rem] text-ink-faint">
            {file.printer_model_id ? `for ${model.replace(/^Bambu Lab /, "")}` : "no model named"} ·{" "}
            {size(file.size)} · {moment(file.created_at, now)}
          </p>
        </div>
        <p className="num flex flex-wrap items-center gap-x-4 gap-y-1 text-sm text-ink-soft">
          <span className="flex items-center gap-1.5">
            <Clock3 aria-hidden className="size-4 text-ink-faint" />
            {seconds ? duration(seconds) : "time unknown"}
          </span>
          {grams > 0 && (
            <span className="flex items-center gap-1.5">
              <Weight aria-hidden className="size-4 text-ink-faint" />
              {weight(grams)}
            </span>
          )}
        </p>
        <ul className="flex flex-wrap gap-x-3 gap-y-1">
          {filaments.map((filament) => (
            <li
              key={`${filament.type}${filament.color}`}
              className="flex items-center gap-1.5 text-sm text-ink-soft"
            >
              <Swatch color={filament.color ?? ""} />
              {filament.type || "unknown"}
            </li>
          ))}
        </ul>
        {operate && (
          <div className="mt-auto flex gap-2 pt-2">
            <Button
              look="primary"
              icon={Play}
              className="grow"
              onClick={onPrint}
              aria-label={`Print ${baseName(file.name)}`}
            >
              Print
            </Button>
            <IconButton
              label={`Delete ${baseName(file.name)}`}
              icon={Trash2}
              className="size-11 md:size-10"
              onClick={onDelete}
            />
          </div>
        )}
      </div>
    </article>
  );
}

function DeleteFile({ file, onClose }: { file: PrintFile; onClose: () => void }) {
  const remove = useAction(
    () => answer(api.DELETE("/api/files/{id}", { params: { path: { id: file.id } } })),
    {
      stale: ["files"],
      done: onClose,
    },
  );
  return (
    <Confirm
      title={`Delete ${baseName(file.name)}?`}
      text="The file leaves PrintFarm. Past jobs keep their history; to print it again it must be uploaded again."
      action="Delete file"
      busy={remove.isPending}
      onConfirm={() => remove.mutate()}
      onClose={onClose}
    />
  );
}

/** A file opened by its address: /files/:id shows its queue dialog. */
function QueueById({ id, onClose }: { id: string; onClose: () => void }) {
  const file = useQuery(fileQuery(id));
  if (!file.data) return null;
  return <QueueDialog file={file.data} onClose={onClose} />;
}

function List({ files, onDelete }: { files: readonly PrintFile[]; onDelete: (file: PrintFile) => void }) {
  const [, navigate] = useLocation();
  const [params, setParams] = useSearchParams();
  const text = params.get("q") ?? "";
  const shown = files.filter((file) => file.name.toLowerCase().includes(text.toLowerCase()));
  return (
    <>
      {files.length > 6 && (
        <input
          type="search"
          aria-label="Search files"
          placeholder="Search"
          className={cx(inputClass, "mb-5 max-w-xs")}
          value={text}
          onChange={(event) =>
            setParams(event.target.value ? { q: event.target.value } : {}, { replace: true })
          }
        />
      )}
      {shown.length === 0 && (
        <p className="py-12 text-center text-ink-soft">No file has “{text}” in its name.</p>
      )}
      <div className={GRID}>
        {shown.map((file) => (
          <FileCard
            key={file.id}
            file={file}
            onPrint={() => navigate(`/files/${file.id}`)}
            onDelete={() => onDelete(file)}
          />
        ))}
      </div>
    </>
  );
}

export default function Files() {
  const files = useQuery(filesQuery);
  const operate = useCanOperate();
  const [deleting, setDeleting] = useState<PrintFile | null>(null);
  const { id } = useParams<{ id?: string }>();
  const [, navigate] = useLocation();
  const empty = files.data?.items.length === 0;
  return (
    <>
      <PageTitle actions={operate && !empty && <UploadButton />}>Files</PageTitle>
      {files.isPending && (
        <div className={GRID} role="status" aria-label="Loading files">
          {["a", "b", "c", "d"].map((key) => (
            <Skeleton key={key} className="h-96 rounded-2xl" />
          ))}
        </div>
      )}
      {files.isError && <Failed error={files.error} onRetry={() => void files.refetch()} />}
      {empty && (
        <Empty icon={FileUp} title="Drop a sliced file here" action={operate && <UploadButton />}>
          Slice in Bambu Studio or OrcaSlicer, choose “Export plate sliced file”, and drop the .gcode.3mf
          anywhere on this page.
        </Empty>
      )}
      {files.data && !empty && <List files={files.data.items} onDelete={setDeleting} />}
      {deleting && <DeleteFile file={deleting} onClose={() => setDeleting(null)} />}
      <Suspense>{id && <QueueById id={id} onClose={() => navigate("/files")} />}</Suspense>
    </>
  );
}

import { Minus, Plus, TriangleAlert, Wand2 } from "lucide-react";
import { type FormEvent, useId, useState } from "react";
import { toast } from "sonner";
import { useLocation } from "wouter";
import { useAction } from "../../api/actions";
import { answer, api } from "../../api/client";
import { sentence } from "../../api/errors";
import type { JobIn, Plate, PrintFile } from "../../api/types";
import { selectPrinters } from "../../domain/farm";
import { baseName, duration, plural, weight } from "../../domain/format";
import { modelName } from "../../domain/models";
import { displayState } from "../../domain/state";
import { usePrinterIndex } from "../../live/live";
import type { PrinterView } from "../../live/types";
import { Button, IconButton } from "../../ui/button";
import { cx } from "../../ui/cx";
import { Dialog } from "../../ui/dialog";
import { Problem } from "../../ui/feedback";
import { inputClass, SelectField, Switch } from "../../ui/field";
import { Swatch } from "../../ui/filament";
import { STATE_LOOK } from "../../ui/state";
import { Thumb } from "../../ui/thumb";

const choice =
  "flex items-center gap-3 rounded-xl border px-3 py-2.5 min-h-11 has-checked:border-ink has-checked:bg-well has-focus-visible:outline-2 has-focus-visible:outline-offset-2 has-focus-visible:outline-focus";

function PlateChoice({
  plates,
  chosen,
  onChoose,
}: {
  plates: readonly Plate[];
  chosen: number | null;
  onChoose: (index: number) => void;
}) {
  return (
    <fieldset>
      <legend className="mb-2 text-sm font-medium">Plate</legend>
      <div className="grid grid-cols-2 gap-2 sm:grid-cols-3">
        {plates.map((plate) => (
          <label
            key={plate.index}
            className="overflow-hidden rounded-xl border has-checked:border-ink has-checked:bg-well has-checked:ring-1 has-checked:ring-ink has-focus-visible:outline-2 has-focus-visible:outline-offset-2 has-focus-visible:outline-focus"
          >
            <input
              type="radio"
              name="plate"
              required
              className="sr-only"
              checked={chosen === plate.index}
              onChange={() => onChoose(plate.index)}
            />
            <Thumb src={plate.thumbnail} alt="" className="aspect-[4/3] w-full rounded-none!" />
            <span className="block px-3 py-2 text-sm">
              <span className="font-medium">Plate {plate.index}</span>
              <span className="num block text-[0.8125rem] text-ink-soft">
                {plate.seconds ? duration(plate.seconds) : "time unknown"}
                {plate.grams ? ` · ${weight(plate.grams)}` : ""}
              </span>
            </span>
          </label>
        ))}
      </div>
    </fieldset>
  );
}

function Needs({ plate }: { plate: Plate }) {
  return (
    <ul className="flex flex-wrap gap-x-4 gap-y-1.5 rounded-xl bg-well px-3 py-2.5 text-sm">
      {plate.filaments.map((filament) => (
        <li key={filament.slot} className="flex items-center gap-2">
          <Swatch color={filament.color ?? ""} className="size-4.5" />
          <span>
            {filament.type || "unknown"}
            {filament.grams ? <span className="num text-ink-soft"> {weight(filament.grams)}</span> : null}
          </span>
        </li>
      ))}
      {plate.nozzle_diameters[0] !== undefined && (
        <li className="num text-ink-soft">{plate.nozzle_diameters.join(" + ")} mm nozzle</li>
      )}
    </ul>
  );
}

function PrinterChoice({
  printers,
  file,
  chosen,
  onChoose,
}: {
  printers: readonly PrinterView[];
  file: PrintFile;
  chosen: string;
  onChoose: (id: string) => void;
}) {
  return (
    <fieldset>
      <legend className="mb-2 text-sm font-medium">Printer</legend>
      <div className="grid max-h-72 grid-cols-1 gap-2 overflow-y-auto p-0.5">
        <label className={choice}>
          <input
            type="radio"
            name="printer"
            className="size-4 accent-primary"
            checked={chosen === ""}
            onChange={() => onChoose("")}
          />
          <Wand2 aria-hidden className="size-5 text-ink-soft" strokeWidth={1.8} />
          <span>
            <span className="block text-sm font-medium">Any that fits</span>
            <span className="block text-[0.8125rem] text-ink-soft">
              The first free one with the right model, nozzle and filament
            </span>
          </span>
        </label>
        {printers.map((view) => {
          const state = displayState(view);
          const other = file.printer_model_id && view.model && file.printer_model_id !== view.model;
          return (
            <label key={view.id} className={choice}>
              <input
                type="radio"
                name="printer"
                className="size-4 accent-primary"
                checked={chosen === view.id}
                onChange={() => onChoose(view.id)}
              />
              <span className="min-w-0 grow">
                <span className="block truncate text-sm font-medium">{view.name}</span>
                <span className="block truncate text-[0.8125rem] text-ink-soft">
                  {modelName(view.model)}
                  {other && ` – the file is for ${modelName(file.printer_model_id)}`}
                </span>
              </span>
              <span className={cx("shrink-0 text-[0.8125rem] font-medium", STATE_LOOK[state.kind].text)}>
                {state.word}
              </span>
            </label>
          );
        })}
      </div>
    </fieldset>
  );
}

function Copies({ value, onChange }: { value: number; onChange: (copies: number) => void }) {
  const id = useId();
  const set = (copies: number) => onChange(Math.min(100, Math.max(1, Math.round(copies) || 1)));
  return (
    <div className="flex items-center justify-between gap-4">
      <label htmlFor={id} className="text-sm font-medium">
        Copies
      </label>
      <div className="flex items-center gap-1">
        <IconButton label="One copy less" icon={Minus} disabled={value <= 1} onClick={() => set(value - 1)} />
        <input
          id={id}
          type="number"
          min={1}
          max={100}
          className={cx(inputClass, "num w-18! text-center")}
          value={value}
          onChange={(event) => set(event.target.valueAsNumber)}
        />
        <IconButton
          label="One copy more"
          icon={Plus}
          disabled={value >= 100}
          onClick={() => set(value + 1)}
        />
      </div>
    </div>
  );
}

const OPTIONS = [
  { name: "bed_leveling", label: "Level the bed first", value: true },
  { name: "flow_cali", label: "Calibrate the flow", value: false },
  { name: "timelapse", label: "Record a timelapse", value: false },
] as const;

type Options = Record<(typeof OPTIONS)[number]["name"], boolean>;
const USUAL: Options = { bed_leveling: true, flow_cali: false, timelapse: false };

interface Draft {
  plate: number | null;
  printer: string;
  copies: number;
  policy: "match" | "type";
  hold: boolean;
  options: Options;
}

function jobOf(file: PrintFile, draft: Draft): JobIn {
  return {
    print_file_id: file.id,
    plate: draft.plate,
    printer_id: draft.printer || null,
    copies: draft.copies,
    color_policy: draft.policy,
    options: draft.options,
    hold: draft.hold,
  };
}

function MoreOptions({ draft, change }: { draft: Draft; change: (changes: Partial<Draft>) => void }) {
  return (
    <details className="rounded-xl border px-3.5 open:pb-3">
      <summary className="flex h-11 cursor-pointer items-center text-sm font-medium text-ink-soft">
        Options
      </summary>
      <SelectField
        label="Filament"
        value={draft.policy}
        onChange={(event) => change({ policy: event.target.value as Draft["policy"] })}
        hint="Never starts with filament of another type."
      >
        <option value="match">Type and colour must match</option>
        <option value="type">Type must match, any colour</option>
      </SelectField>
      <div className="mt-2 grid">
        {OPTIONS.map(({ name, label }) => (
          <Switch
            key={name}
            label={label}
            checked={draft.options[name]}
            onChange={(event) => change({ options: { ...draft.options, [name]: event.target.checked } })}
          />
        ))}
        <Switch
          label="Hold until I release it"
          checked={draft.hold}
          onChange={(event) => change({ hold: event.target.checked })}
        />
      </div>
    </details>
  );
}

/** From a file to jobs in the queue: plate, printer, copies, options. */
export default function QueueDialog({ file, onClose }: { file: PrintFile; onClose: () => void }) {
  const all = usePrinterIndex();
  const [, navigate] = useLocation();
  const form = useId();
  const only = file.plates.length === 1 ? (file.plates[0]?.index ?? null) : null;
  const [draft, setDraft] = useState<Draft>({
    plate: only,
    printer: "",
    copies: 1,
    policy: "match",
    hold: false,
    options: USUAL,
  });
  const change = (changes: Partial<Draft>) => setDraft((before) => ({ ...before, ...changes }));
  const add = useAction((body: JobIn) => answer(api.POST("/api/print-jobs/", { body })), {
    stale: ["jobs"],
    done: () => {
      const what =
        draft.copies > 1
          ? `${plural(draft.copies, "copy", "copies")} of ${baseName(file.name)}`
          : baseName(file.name);
      toast.success(`${what} queued`, { action: { label: "Show jobs", onClick: () => navigate("/jobs") } });
      onClose();
    },
  });
  const submit = (event: FormEvent) => {
    event.preventDefault();
    add.mutate(jobOf(file, draft));
  };
  const plate = file.plates.find((one) => one.index === draft.plate);
  const printers = selectPrinters(all, { state: null, text: "", sort: "order" });
  return (
    <Dialog
      title={`Print ${baseName(file.name)}`}
      subtitle={file.printer_model_id ? `Sliced for ${modelName(file.printer_model_id)}` : undefined}
      onClose={onClose}
      footer={
        <>
          <Button onClick={onClose}>Cancel</Button>
          <Button type="submit" form={form} look="primary" busy={add.isPending}>
            {draft.copies > 1 ? `Queue ${draft.copies} copies` : "Add to queue"}
          </Button>
        </>
      }
    >
      <form id={form} className="grid grid-cols-1 gap-5 pt-1" onSubmit={submit}>
        {file.flags.includes("no_model_id") && (
          <p className="flex gap-2 rounded-xl bg-paused-soft px-3 py-2 text-sm text-paused">
            <TriangleAlert aria-hidden className="mt-0.5 size-4 shrink-0" />
            The file does not tell which printer it was sliced for. Choose one that you know it fits.
          </p>
        )}
        <PlateChoice
          plates={file.plates}
          chosen={draft.plate}
          onChoose={(index) => change({ plate: index })}
        />
        {plate && <Needs plate={plate} />}
        <PrinterChoice
          printers={printers}
          file={file}
          chosen={draft.printer}
          onChoose={(id) => change({ printer: id })}
        />
        <Copies value={draft.copies} onChange={(copies) => change({ copies })} />
        <MoreOptions draft={draft} change={change} />
        {add.error && <Problem>{sentence(add.error)}</Problem>}
      </form>
    </Dialog>
  );
}

import { useQuery } from "@tanstack/react-query";
import { Trash2 } from "lucide-react";
import { type FormEvent, type ReactNode, useId, useState } from "react";
import { toast } from "sonner";
import { useAction } from "../../api/actions";
import { answer, api } from "../../api/client";
import { ApiError, sentence } from "../../api/errors";
import { hubsQuery, printerQuery } from "../../api/queries";
import type { Hub, Printer, PrinterIn, PrinterPatch } from "../../api/types";
import { MODEL_NAMES } from "../../domain/models";
import { Button } from "../../ui/button";
import { Confirm, Dialog } from "../../ui/dialog";
import { Failed, Problem, Skeleton } from "../../ui/feedback";
import { SelectField, TextField } from "../../ui/field";

type Values = Record<string, string>;

const PORTS = ["mqtt_port", "ftps_port", "camera_port"] as const;

const read = (event: FormEvent<HTMLFormElement>): Values => {
  event.preventDefault();
  return Object.fromEntries(
    [...new FormData(event.currentTarget)].map(([name, value]) => [name, String(value).trim()]),
  );
};

/** How the API's type checker speaks: right, but not for people. */
const MACHINE_WORDS = /^(Expected|Object|Invalid) /;

/** What the API says about one field: it names the place of a bad value, or the fields that clash. */
function fieldError(error: unknown, name: string): string | undefined {
  if (!(error instanceof ApiError)) return undefined;
  const { path, problem, fields } = error.details;
  if (path === `$.${name}`)
    return typeof problem === "string" && !MACHINE_WORDS.test(problem) ? problem : "Please check this.";
  if (Array.isArray(fields) && fields.includes(name)) return "Another printer has this already.";
  return undefined;
}

const numberOf = (text: string | undefined): number | null => (text ? Number(text) : null);
const ports = (values: Values) =>
  Object.fromEntries(PORTS.filter((name) => values[name]).map((name) => [name, Number(values[name])]));

function Ports({ printer, error }: { printer?: Printer; error: unknown }) {
  const labels = { mqtt_port: "Status port", ftps_port: "File port", camera_port: "Camera port" };
  const usual = { mqtt_port: 8883, ftps_port: 990, camera_port: 6000 };
  return (
    <details className="rounded-xl border px-3.5 open:pb-3.5">
      <summary className="flex h-11 cursor-pointer items-center text-sm font-medium text-ink-soft">
        Network ports
      </summary>
      <div className="grid gap-3 sm:grid-cols-3">
        {PORTS.map((name) => (
          <TextField
            key={name}
            label={labels[name]}
            name={name}
            inputMode="numeric"
            pattern="[0-9]{1,5}"
            placeholder={String(usual[name])}
            defaultValue={printer?.[name] ?? ""}
            error={fieldError(error, name)}
          />
        ))}
      </div>
    </details>
  );
}

interface FieldsProps {
  printer?: Printer;
  hubs: readonly Hub[];
  error: unknown;
}

function Fields({ printer, hubs, error }: FieldsProps) {
  /** Its hub was released or removed. */
  const orphan = printer !== undefined && !printer.hub_id;
  const field = (name: string) => ({ name, error: fieldError(error, name) });
  return (
    <>
      <TextField
        label="Name"
        {...field("name")}
        required
        maxLength={64}
        defaultValue={printer?.name}
        autoComplete="off"
      />
      <SelectField
        label="Model"
        {...field("model")}
        defaultValue={printer?.model ?? "C12"}
        disabled={!!printer}
      >
        {Object.entries(MODEL_NAMES).map(([code, name]) => (
          <option key={code} value={code}>
            {name} ({code})
          </option>
        ))}
      </SelectField>
      <div className="grid gap-4 sm:grid-cols-2">
        <TextField
          label="Address"
          {...field("ip_address")}
          required
          placeholder="192.168.1.40"
          defaultValue={printer?.ip_address}
          autoComplete="off"
        />
        <TextField
          label="Serial number"
          {...field("serial_number")}
          required
          className="uppercase"
          defaultValue={printer?.serial_number}
          disabled={!!printer}
          autoComplete="off"
        />
      </div>
      <TextField
        label="Access code"
        {...field("access_code")}
        required={!printer}
        autoComplete="off"
        spellCheck={false}
        placeholder={printer?.has_access_code ? "unchanged" : ""}
        hint={
          printer
            ? "Leave empty to keep the present one. It is stored encrypted and never shown."
            : "On the printer's screen, under Settings, LAN Only. It is stored encrypted and never shown again."
        }
      />
      {hubs.length > (orphan ? 0 : 1) && (
        <SelectField
          label="Hub"
          {...field("hub_id")}
          defaultValue={orphan ? "" : (printer?.hub_id ?? hubs[0]?.id)}
        >
          {orphan && <option value="">None: choose one</option>}
          {hubs.map((hub) => (
            <option key={hub.id} value={hub.id}>
              {hub.name}
            </option>
          ))}
        </SelectField>
      )}
      <div className="grid gap-4 sm:grid-cols-2">
        <TextField
          label="Place"
          {...field("location")}
          placeholder="Shelf A"
          defaultValue={printer?.location ?? ""}
        />
        <SelectField
          label="Nozzle"
          {...field("nozzle_size")}
          defaultValue={String(printer?.nozzle_size ?? 0.4)}
        >
          {[0.2, 0.4, 0.6, 0.8].map((diameter) => (
            <option key={diameter} value={diameter}>
              {diameter} mm
            </option>
          ))}
        </SelectField>
      </div>
      <Ports {...(printer && { printer })} error={error} />
    </>
  );
}

interface FrameProps {
  title: string;
  action: string;
  busy: boolean;
  error: unknown;
  onSubmit: (values: Values) => void;
  onClose: () => void;
  children: ReactNode;
  extra?: ReactNode;
}

function FormDialog({ title, action, busy, error, onSubmit, onClose, children, extra }: FrameProps) {
  const form = useId();
  return (
    <Dialog
      title={title}
      onClose={onClose}
      footer={
        <>
          {extra}
          <Button onClick={onClose}>Cancel</Button>
          <Button type="submit" form={form} look="primary" busy={busy}>
            {action}
          </Button>
        </>
      }
    >
      <form id={form} className="grid gap-4 pt-1" onSubmit={(event) => onSubmit(read(event))}>
        {children}
        {error ? <Problem>{sentence(error)}</Problem> : null}
      </form>
    </Dialog>
  );
}

export function AddPrinter({ onClose }: { onClose: () => void }) {
  const hubs = useQuery(hubsQuery);
  const add = useAction((body: PrinterIn) => answer(api.POST("/api/printers/", { body })), {
    stale: ["printers"],
    done: (printer) => {
      toast.success(`${printer.name} was added. Its hub connects to it now.`);
      onClose();
    },
  });
  const submit = (values: Values) =>
    add.mutate({
      name: values.name ?? "",
      model: values.model ?? "",
      ip_address: values.ip_address ?? "",
      serial_number: (values.serial_number ?? "").toUpperCase(),
      access_code: values.access_code ?? "",
      location: values.location || null,
      nozzle_size: numberOf(values.nozzle_size),
      ...(values.hub_id && { hub_id: values.hub_id }),
      ...ports(values),
    });
  return (
    <FormDialog
      title="Add a printer"
      action="Add printer"
      busy={add.isPending}
      error={add.error}
      onSubmit={submit}
      onClose={onClose}
    >
      {hubs.data?.items.length === 0 && (
        <Problem>
          There is no hub yet. A hub connects your printers' network with PrintFarm: make one under Hubs
          first.
        </Problem>
      )}
      <Fields hubs={hubs.data?.items ?? []} error={add.error} />
    </FormDialog>
  );
}

function RemovePrinter({ printer, onGone }: { printer: Printer; onGone: () => void }) {
  const [asking, setAsking] = useState(false);
  const remove = useAction(
    () => answer(api.DELETE("/api/printers/{id}", { params: { path: { id: printer.id } } })),
    {
      stale: ["printers"],
      done: onGone,
    },
  );
  return (
    <>
      <Button look="ghost" icon={Trash2} className="mr-auto text-error!" onClick={() => setAsking(true)}>
        Remove
      </Button>
      {asking && (
        <Confirm
          title={`Remove ${printer.name}?`}
          text="The printer goes on printing what it prints; PrintFarm no longer sees it. Its past jobs stay in the history."
          action="Remove printer"
          busy={remove.isPending}
          onConfirm={() => remove.mutate()}
          onClose={() => setAsking(false)}
        />
      )}
    </>
  );
}

export function EditPrinter({
  id,
  onClose,
  onGone,
}: {
  id: string;
  onClose: () => void;
  onGone: () => void;
}) {
  const printer = useQuery(printerQuery(id));
  const hubs = useQuery(hubsQuery);
  const save = useAction(
    (body: PrinterPatch) => answer(api.PUT("/api/printers/{id}", { params: { path: { id } }, body })),
    { stale: ["printers"], done: onClose },
  );
  if (!printer.data) {
    return (
      <Dialog title="Edit printer" onClose={onClose}>
        {printer.error ? (
          <Failed error={printer.error} onRetry={() => void printer.refetch()} />
        ) : (
          <Skeleton className="h-80" />
        )}
      </Dialog>
    );
  }
  const submit = (values: Values) =>
    save.mutate({
      name: values.name ?? "",
      ip_address: values.ip_address ?? "",
      location: values.location || null,
      nozzle_size: numberOf(values.nozzle_size),
      ...(values.access_code && { access_code: values.access_code }),
      ...(values.hub_id && { hub_id: values.hub_id }),
      ...ports(values),
    });
  return (
    <FormDialog
      title={`Edit ${printer.data.name}`}
      action="Save"
      busy={save.isPending}
      error={save.error}
      onSubmit={submit}
      onClose={onClose}
      extra={<RemovePrinter printer={printer.data} onGone={onGone} />}
    >
      <Fields printer={printer.data} hubs={hubs.data?.items ?? []} error={save.error} />
    </FormDialog>
  );
}

import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { Plus, Trash2 } from "lucide-react";
import { type FormEvent, useState } from "react";
import { toast } from "sonner";
import { answer, api } from "../../api/client";
import { ApiError, sentence } from "../../api/errors";
import { settingsQuery } from "../../api/queries";
import type { FarmSettings } from "../../api/types";
import { Button, IconButton } from "../../ui/button";
import { Failed, Problem, Skeleton } from "../../ui/feedback";
import { inputClass, SelectField, TextField } from "../../ui/field";
import { Section } from "../../ui/section";

type Hours = NonNullable<FarmSettings["settings"]["working_hours"]>[number];

const DAYS: Record<Hours["day"], string> = {
  mon: "Monday",
  tue: "Tuesday",
  wed: "Wednesday",
  thu: "Thursday",
  fri: "Friday",
  sat: "Saturday",
  sun: "Sunday",
};

function WorkingHours({ hours, onChange }: { hours: Hours[]; onChange: (hours: Hours[]) => void }) {
  const set = (index: number, change: Partial<Hours>) =>
    onChange(hours.map((one, at) => (at === index ? { ...one, ...change } : one)));
  const unused = (Object.keys(DAYS) as Hours["day"][]).find((day) => !hours.some((one) => one.day === day));
  return (
    <fieldset className="grid gap-2">
      <legend className="mb-2 text-sm font-medium">When somebody is there</legend>
      {hours.length === 0 && (
        <p className="text-sm text-ink-soft">Not told: prints are planned as if somebody always were.</p>
      )}
      {hours.map((one, index) => (
        // biome-ignore lint/suspicious/noArrayIndexKey: rows have no identity but their place
        <div key={index} className="grid grid-cols-[1fr_6.5rem_6.5rem_auto] items-center gap-2">
          <select
            aria-label="Day"
            className={inputClass}
            value={one.day}
            onChange={(event) => set(index, { day: event.target.value as Hours["day"] })}
          >
            {Object.entries(DAYS).map(([day, label]) => (
              <option key={day} value={day}>
                {label}
              </option>
            ))}
          </select>
          <input
            type="time"
            required
            aria-label={`${DAYS[one.day]} from`}
            className={`${inputClass} px-2!`}
            value={one.start}
            onChange={(event) => set(index, { start: event.target.value })}
          />
          <input
            type="time"
            required
            aria-label={`${DAYS[one.day]} to`}
            className={`${inputClass} px-2!`}
            value={one.end}
            onChange={(event) => set(index, { end: event.target.value })}
          />
          <IconButton
            label={`Remove ${DAYS[one.day]}`}
            icon={Trash2}
            onClick={() => onChange(hours.filter((_, at) => at !== index))}
          />
        </div>
      ))}
      <Button
        size="sm"
        icon={Plus}
        className="justify-self-start"
        onClick={() => onChange([...hours, { day: unused ?? "mon", start: "08:00", end: "17:00" }])}
      >
        Add hours
      </Button>
    </fieldset>
  );
}

function Form({ farm }: { farm: FarmSettings }) {
  const client = useQueryClient();
  const [hours, setHours] = useState<Hours[]>([...(farm.settings.working_hours ?? [])]);
  const save = useMutation({
    mutationFn: (body: { name: string; settings: FarmSettings["settings"] }) =>
      answer(api.PATCH("/api/settings/", { params: { header: { "If-Match": `"v${farm.version}"` } }, body })),
    onSuccess: (now) => {
      client.setQueryData(settingsQuery.queryKey, now);
      toast.success("The farm's settings are saved");
    },
    onError: (error) => {
      if (!(error instanceof ApiError && error.status === 412)) return;
      toast.error("Somebody else changed the settings meanwhile. These are the new ones: change them again.");
      void client.invalidateQueries({ queryKey: settingsQuery.queryKey });
    },
  });
  const submit = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    const data = new FormData(event.currentTarget);
    const text = (name: string) => String(data.get(name) ?? "").trim();
    save.mutate({
      name: text("name"),
      settings: {
        ...farm.settings,
        time_zone: text("time_zone"),
        currency: text("currency").toUpperCase(),
        failures_before_disable: Number(text("failures")),
        stock_posting: text("stock_posting") as "finish" | "confirm",
        working_hours: hours,
      },
    });
  };
  return (
    <form className="grid max-w-xl gap-4" onSubmit={submit}>
      <TextField label="Name" name="name" required maxLength={100} defaultValue={farm.name} />
      <div className="grid gap-4 sm:grid-cols-2">
        <TextField
          label="Time zone"
          name="time_zone"
          required
          list="zones"
          defaultValue={farm.settings.time_zone}
          autoComplete="off"
        />
        <TextField
          label="Currency"
          name="currency"
          required
          pattern="[A-Za-z]{3}"
          maxLength={3}
          className="uppercase"
          defaultValue={farm.settings.currency}
          hint="Three letters: EUR, USD."
        />
      </div>
      <datalist id="zones">
        {Intl.supportedValuesOf("timeZone").map((zone) => (
          <option key={zone} value={zone} />
        ))}
      </datalist>
      <TextField
        label="Failed prints before a printer is taken out"
        name="failures"
        type="number"
        min={0}
        max={100}
        required
        defaultValue={farm.settings.failures_before_disable}
        hint="In a row. 0: never."
      />
      <SelectField
        label="Finished prints are in stock"
        name="stock_posting"
        defaultValue={farm.settings.stock_posting}
      >
        <option value="finish">at once</option>
        <option value="confirm">when somebody has confirmed the good pieces</option>
      </SelectField>
      <WorkingHours hours={hours} onChange={setHours} />
      {save.error && <Problem>{sentence(save.error)}</Problem>}
      <Button type="submit" look="primary" className="justify-self-start" busy={save.isPending}>
        Save
      </Button>
    </form>
  );
}

export default function FarmPage() {
  const farm = useQuery(settingsQuery);
  return (
    <Section title="Farm">
      {farm.isPending && <Skeleton className="h-96" />}
      {farm.isError && <Failed error={farm.error} onRetry={() => void farm.refetch()} />}
      {farm.data && <Form key={farm.data.version} farm={farm.data} />}
    </Section>
  );
}

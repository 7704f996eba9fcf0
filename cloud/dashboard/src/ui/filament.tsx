import { colorName, isLight } from "../domain/colors";
import type { AmsUnit, Tray } from "../live/types";
import { cx } from "./cx";

/** A spool's colour with a border that shows on any background: white on white stays visible. */
export function Swatch({ color, className }: { color: string; className?: string }) {
  return (
    <span
      aria-hidden
      className={cx(
        "block shrink-0 rounded-full border border-line-strong",
        !color && "checkered",
        className ?? "size-4",
      )}
      style={color ? { backgroundColor: color } : undefined}
    />
  );
}

/** A sentence of the server's in which a filament's colour stands as #RRGGBB: shown as a swatch and its name. */
export function Words({ text }: { text: string }) {
  return text.split(/(#[0-9A-F]{6}\b)/i).map((part, index) =>
    index % 2 ? (
      // biome-ignore lint/suspicious/noArrayIndexKey: the parts of one sentence never change places
      <span key={index} className="whitespace-nowrap">
        <Swatch color={part} className="mr-1 inline-block size-3 align-baseline" />
        {colorName(part)}
      </span>
    ) : (
      part
    ),
  );
}

export const trayName = (tray: Tray): string =>
  tray.loaded ? `${tray.type || "unknown filament"}, ${colorName(tray.color)}` : "empty";

const EXTERNAL = 254;

export const unitName = (id: number): string => {
  if (id >= EXTERNAL) return "Spool";
  if (id >= 128) return `HT ${String.fromCharCode(65 + id - 128)}`;
  return String.fromCharCode(65 + id);
};

export function slotName(tray: number): string {
  if (tray >= EXTERNAL) return "external spool";
  return tray >= 128 ? unitName(tray) : `${unitName(tray >> 2)}${(tray & 3) + 1}`;
}

/** Trays by unit: AMS A, B, …, HT units, the external spool. */
export function groupTrays(trays: readonly Tray[]): [number, Tray[]][] {
  const groups = new Map<number, Tray[]>();
  for (const tray of [...trays].sort((a, b) => a.id - b.id)) {
    const unit = tray.id >= 128 ? Math.min(tray.id, EXTERNAL) : tray.id >> 2;
    groups.set(unit, [...(groups.get(unit) ?? []), tray]);
  }
  return [...groups];
}

function Chip({ tray, active }: { tray: Tray; active: boolean }) {
  return (
    <span
      role="img"
      aria-label={`${slotName(tray.id)}: ${trayName(tray)}${active ? ", in use" : ""}`}
      title={`${slotName(tray.id)}: ${trayName(tray)}`}
      className={cx(
        "relative grid h-6 w-8 place-items-center rounded-md border text-[0.6rem] leading-none font-semibold",
        tray.loaded ? "border-line-strong" : "border-dashed border-line-strong",
        tray.loaded && !tray.color && "bg-sheet text-ink!",
        tray.loaded && (isLight(tray.color) ? "text-black" : "text-white"),
        active && "ring-2 ring-ink ring-offset-2 ring-offset-sheet",
      )}
      style={tray.loaded && tray.color ? { backgroundColor: tray.color } : undefined}
    >
      <span aria-hidden>{tray.loaded ? tray.type.slice(0, 4) : ""}</span>
    </span>
  );
}

/** All loaded filament of a printer in one line or two: what the card shows. */
export function TrayStrip({ trays, active }: { trays: readonly Tray[]; active: number | undefined }) {
  if (trays.length === 0)
    return <p className="flex h-6 items-center text-[0.8125rem] text-ink-faint">No filament known</p>;
  // An empty holder at the back says nothing; an empty slot of an AMS does.
  const shown = trays.filter((tray) => tray.loaded || tray.id < EXTERNAL);
  return (
    <div className="flex flex-wrap items-center gap-x-3 gap-y-1.5">
      {groupTrays(shown).map(([unit, group]) => (
        <div key={unit} className="flex items-center gap-1">
          <span className="w-3 text-[0.6875rem] font-medium text-ink-faint" aria-hidden>
            {unit >= EXTERNAL ? "•" : unitName(unit)}
          </span>
          {group.map((tray) => (
            <Chip key={tray.id} tray={tray} active={tray.id === active} />
          ))}
        </div>
      ))}
    </div>
  );
}

const HUMIDITY = ["", "wet", "damp", "fair", "dry", "very dry"];

function TrayRow({ tray, active }: { tray: Tray; active: boolean }) {
  const remain = tray.remain !== undefined && tray.remain >= 0 && tray.loaded ? tray.remain : null;
  return (
    <li className={cx("flex items-center gap-3 rounded-xl px-3 py-2", active ? "bg-well" : "")}>
      <span className="num w-6 text-sm font-medium text-ink-faint">
        {tray.id >= 128 ? "" : (tray.id & 3) + 1}
      </span>
      <Swatch color={tray.loaded ? tray.color : ""} className={cx("size-7", !tray.loaded && "opacity-40")} />
      <span className="min-w-0 grow">
        <span className="block truncate text-sm font-medium">
          {tray.loaded ? tray.name || tray.type || "Unknown" : "Empty"}
        </span>
        {tray.loaded && (
          <span className="block truncate text-[0.8125rem] text-ink-faint">
            {colorName(tray.color)} {tray.color && <span className="num uppercase">{tray.color}</span>}
          </span>
        )}
      </span>
      {active && <span className="text-[0.8125rem] font-medium">in use</span>}
      {remain !== null && (
        <span className={cx("num text-sm", remain <= 15 ? "font-semibold text-paused" : "text-ink-soft")}>
          {remain} %
        </span>
      )}
    </li>
  );
}

/** Every unit with its trays, humidity and temperature: what the details show. */
export function TrayTable({
  trays,
  ams,
  active,
}: {
  trays: readonly Tray[];
  ams: readonly AmsUnit[];
  active: number | undefined;
}) {
  if (trays.length === 0) return <p className="text-sm text-ink-faint">The printer tells no filament.</p>;
  return (
    <div className="grid gap-3">
      {groupTrays(trays).map(([unit, group]) => {
        const info = ams.find((one) => one.id === unit);
        return (
          <div key={unit} className="rounded-2xl border p-1.5">
            <div className="flex justify-between px-3 pt-1.5 pb-1 text-[0.8125rem] text-ink-faint">
              <span className="font-medium">
                {unit >= EXTERNAL ? "External spool" : `AMS ${unitName(unit)}`}
              </span>
              {info && (
                <span>
                  {HUMIDITY[info.humidity ?? 0]}
                  {info.temp !== undefined && <span className="num"> · {Math.round(info.temp)}°</span>}
                </span>
              )}
            </div>
            <ul>
              {group.map((tray) => (
                <TrayRow key={tray.id} tray={tray} active={tray.id === active} />
              ))}
            </ul>
          </div>
        );
      })}
    </div>
  );
}

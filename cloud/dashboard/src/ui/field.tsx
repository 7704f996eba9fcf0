import { type ComponentProps, type ReactNode, useId } from "react";
import { cx } from "./cx";

export const inputClass =
  "h-11 md:h-10 w-full min-w-0 rounded-xl border border-line-strong bg-sheet px-3 text-base md:text-sm text-ink placeholder:text-ink-faint disabled:opacity-60";

interface FieldProps {
  label: string;
  hint?: ReactNode;
  error?: string | undefined;
}

interface Wiring {
  id: string;
  "aria-describedby"?: string;
  "aria-invalid"?: true;
}

function Frame({ label, hint, error, children }: FieldProps & { children: (wiring: Wiring) => ReactNode }) {
  const id = useId();
  const note = `${id}-note`;
  return (
    <div className="grid min-w-0 content-start gap-1.5">
      <label htmlFor={id} className="text-sm font-medium">
        {label}
      </label>
      {children({
        id,
        ...((hint || error) && { "aria-describedby": note }),
        ...(error && { "aria-invalid": true }),
      })}
      {(hint || error) && (
        <p id={note} className={cx("text-[0.8125rem] leading-snug", error ? "text-error" : "text-ink-faint")}>
          {error || hint}
        </p>
      )}
    </div>
  );
}

export function TextField({ label, hint, error, className, ...rest }: FieldProps & ComponentProps<"input">) {
  return (
    <Frame label={label} hint={hint} error={error}>
      {(wiring) => <input type="text" className={cx(inputClass, className)} {...wiring} {...rest} />}
    </Frame>
  );
}

export function SelectField({
  label,
  hint,
  error,
  children,
  ...rest
}: FieldProps & ComponentProps<"select">) {
  return (
    <Frame label={label} hint={hint} error={error}>
      {(wiring) => (
        <select className={inputClass} {...wiring} {...rest}>
          {children}
        </select>
      )}
    </Frame>
  );
}

/** On or off, at once. */
export function Switch({
  label,
  hint,
  className,
  ...rest
}: ComponentProps<"input"> & { label: string; hint?: string }) {
  return (
    <label className={cx("flex min-h-11 items-center justify-between gap-4 md:min-h-10", className)}>
      <span className="grid">
        <span className="text-sm">{label}</span>
        {hint && <span className="text-[0.8125rem] text-ink-faint">{hint}</span>}
      </span>
      <input
        type="checkbox"
        // biome-ignore lint/a11y/useAriaPropsForRole: a checkbox tells its state by itself
        role="switch"
        className={cx(
          "relative h-6 w-10 shrink-0 appearance-none rounded-full border border-line-strong bg-well transition-colors checked:border-primary checked:bg-primary",
          "before:absolute before:top-0.5 before:left-0.5 before:size-4.5 before:rounded-full before:bg-ink-faint before:transition-transform",
          "checked:before:translate-x-4 checked:before:bg-on-primary",
        )}
        {...rest}
      />
    </label>
  );
}

import { LoaderCircle, type LucideIcon } from "lucide-react";
import type { ComponentProps } from "react";
import { cx } from "./cx";

const LOOKS = {
  primary: "bg-primary text-on-primary hover:bg-primary-hover",
  quiet: "border border-line bg-sheet text-ink hover:bg-well",
  ghost: "text-ink-soft hover:bg-well hover:text-ink",
  danger: "bg-error text-sheet hover:brightness-110",
  clear: "bg-clear-fill text-on-clear hover:bg-clear-fill-hover font-semibold",
} as const;

const SIZES = {
  md: "h-11 md:h-10 px-4 text-sm gap-2",
  sm: "h-11 md:h-9 px-3 text-sm gap-1.5",
  lg: "h-14 px-6 text-base gap-2.5",
  icon: "size-11 md:size-9 justify-center",
} as const;

export interface ButtonProps extends ComponentProps<"button"> {
  look?: keyof typeof LOOKS;
  size?: keyof typeof SIZES;
  icon?: LucideIcon;
  /** Shows that the action is under way and takes no second press. */
  busy?: boolean;
}

export function buttonClass(look: keyof typeof LOOKS = "quiet", size: keyof typeof SIZES = "md"): string {
  return cx(
    "inline-flex shrink-0 items-center justify-center rounded-xl font-medium whitespace-nowrap transition-colors",
    "disabled:opacity-55 disabled:pointer-events-none select-none",
    LOOKS[look],
    SIZES[size],
  );
}

export function Button({
  look = "quiet",
  size = "md",
  icon: Icon,
  busy,
  className,
  children,
  ...rest
}: ButtonProps) {
  return (
    <button
      type="button"
      className={cx(buttonClass(look, size), className)}
      aria-busy={busy || undefined}
      {...rest}
      disabled={rest.disabled || busy}
    >
      {busy ? (
        <LoaderCircle aria-hidden className="size-4.5 shrink-0 animate-spin" />
      ) : (
        Icon && <Icon aria-hidden className={size === "lg" ? "size-5.5 shrink-0" : "size-4.5 shrink-0"} />
      )}
      {children}
    </button>
  );
}

/** A button that shows only an icon; its label is read aloud and shown as a hint. */
export function IconButton({ label, ...rest }: ButtonProps & { label: string }) {
  return <Button look="ghost" size="icon" aria-label={label} title={label} {...rest} />;
}

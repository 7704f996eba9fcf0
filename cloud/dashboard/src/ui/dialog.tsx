import * as Alert from "@radix-ui/react-alert-dialog";
import * as Radix from "@radix-ui/react-dialog";
import { X } from "lucide-react";
import type { ReactNode } from "react";
import { Button, IconButton } from "./button";
import { cx } from "./cx";

// As high as the dialogs: the later one lies above, so a dialog over another dims that too.
const overlay = "fixed inset-0 z-50 animate-fade bg-[oklch(0.2_0.02_205/0.45)] dark:bg-[oklch(0_0_0/0.6)]";
const modal =
  "fixed z-50 flex flex-col bg-sheet shadow-2xl animate-rise inset-x-0 bottom-0 max-h-[94dvh] rounded-t-3xl sm:inset-auto sm:left-1/2 sm:top-1/2 sm:w-[min(34rem,calc(100vw-2rem))] sm:max-h-[88dvh] sm:-translate-x-1/2 sm:-translate-y-1/2 sm:rounded-2xl";
const side =
  "fixed z-50 flex flex-col bg-sheet shadow-2xl animate-sheet-in inset-0 sm:left-auto sm:w-[min(34rem,100vw)] sm:border-l";

interface DialogProps {
  title: string;
  /** Under the title: a state, a name. */
  subtitle?: ReactNode;
  onClose: () => void;
  children: ReactNode;
  /** Stays in view below the scrolling content. */
  footer?: ReactNode;
  form?: "modal" | "side";
}

/** Typing can begin at once where there is a keyboard; else the dialog itself has the focus, not one of its buttons. */
function focusFirst(event: Event): void {
  const content = event.currentTarget as HTMLElement;
  const typed = "input:not([type=radio], [type=checkbox], [type=number]), textarea";
  const touch = window.matchMedia("(pointer: coarse)").matches;
  event.preventDefault();
  ((!touch && content.querySelector<HTMLElement>(typed)) || content).focus();
}

/** A dialog in the middle of the page, from below on a phone; or a sheet at the side. */
export function Dialog({ title, subtitle, onClose, children, footer, form = "modal" }: DialogProps) {
  return (
    <Radix.Root open onOpenChange={(open) => !open && onClose()}>
      <Radix.Portal>
        <Radix.Overlay className={overlay} />
        <Radix.Content
          className={cx(form === "side" ? side : modal, "outline-none")}
          aria-describedby={undefined}
          onOpenAutoFocus={focusFirst}
        >
          <header className="flex items-start gap-3 px-5 pt-4 pb-4">
            <div className="min-w-0 grow pt-1.5">
              <Radix.Title className="truncate text-lg leading-snug font-semibold">{title}</Radix.Title>
              {subtitle && <div className="mt-1.5 text-sm text-ink-soft">{subtitle}</div>}
            </div>
            <Radix.Close asChild>
              <IconButton label="Close" icon={X} className="-mr-2" />
            </Radix.Close>
          </header>
          <div className="min-h-0 grow overflow-y-auto overscroll-contain px-5 pb-6">{children}</div>
          {footer && (
            <footer className="flex flex-wrap justify-end gap-2 border-t px-5 py-3 pb-[max(0.75rem,env(safe-area-inset-bottom))]">
              {footer}
            </footer>
          )}
        </Radix.Content>
      </Radix.Portal>
    </Radix.Root>
  );
}

interface ConfirmProps {
  title: string;
  text: ReactNode;
  action: string;
  busy?: boolean;
  onConfirm: () => void;
  onClose: () => void;
}

/** Asked only before what cannot be undone. The way out has the focus. */
export function Confirm({ title, text, action, busy, onConfirm, onClose }: ConfirmProps) {
  return (
    <Alert.Root open onOpenChange={(open) => !open && onClose()}>
      <Alert.Portal>
        <Alert.Overlay className={overlay} />
        <Alert.Content className={cx(modal, "p-5 sm:w-[min(26rem,calc(100vw-2rem))]")}>
          <Alert.Title className="text-lg font-semibold">{title}</Alert.Title>
          <Alert.Description className="mt-1.5 text-sm text-ink-soft">{text}</Alert.Description>
          <div className="mt-5 flex flex-wrap justify-end gap-2">
            <Alert.Cancel asChild>
              <Button>Keep it</Button>
            </Alert.Cancel>
            <Button look="danger" busy={busy ?? false} onClick={onConfirm}>
              {action}
            </Button>
          </div>
        </Alert.Content>
      </Alert.Portal>
    </Alert.Root>
  );
}

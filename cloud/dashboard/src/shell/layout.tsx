import {
  FileBox,
  LayoutGrid,
  ListOrdered,
  LogOut,
  type LucideIcon,
  Menu,
  Monitor,
  Moon,
  Package,
  Router,
  Settings,
  Sun,
} from "lucide-react";
import { type ReactNode, useEffect, useRef, useState } from "react";
import { Toaster } from "sonner";
import { Link, useLocation } from "wouter";
import { answer, api } from "../api/client";
import { queryClient } from "../api/queries";
import type { User } from "../api/types";
import { Button } from "../ui/button";
import { cx } from "../ui/cx";
import { setTheme, type Theme, useTheme } from "../ui/theme";
import { ConnectionBanner } from "./banner";
import { DropZone } from "./drop-zone";
import { Logo } from "./logo";
import { UploadPanel } from "./upload-panel";

interface Place {
  to: string;
  label: string;
  icon: LucideIcon;
  match: RegExp;
  /** On a phone's bar there is room for four; the others stand under More. */
  more?: true;
}

const PLACES: readonly Place[] = [
  { to: "/", label: "Printers", icon: LayoutGrid, match: /^\/($|printers)/ },
  { to: "/jobs", label: "Jobs", icon: ListOrdered, match: /^\/jobs/ },
  { to: "/files", label: "Files", icon: FileBox, match: /^\/files/ },
  { to: "/products", label: "Products", icon: Package, match: /^\/products/ },
  { to: "/hubs", label: "Hubs", icon: Router, match: /^\/hubs/, more: true },
  { to: "/settings", label: "Settings", icon: Settings, match: /^\/settings/, more: true },
];

const THEMES: { theme: Theme; label: string; icon: LucideIcon }[] = [
  { theme: "light", label: "Light", icon: Sun },
  { theme: "dark", label: "Dark", icon: Moon },
  { theme: "system", label: "As the system", icon: Monitor },
];

function ThemeChoice() {
  const theme = useTheme();
  return (
    <fieldset className="flex rounded-xl bg-well p-1">
      <legend className="sr-only">Theme</legend>
      {THEMES.map(({ theme: one, label, icon: Icon }) => (
        <label
          key={one}
          title={label}
          className={cx(
            "grid h-9 grow place-items-center rounded-lg md:h-7 has-focus-visible:outline-2 has-focus-visible:outline-focus",
            theme === one ? "bg-sheet text-ink shadow-sm" : "text-ink-faint hover:text-ink",
          )}
        >
          <input
            type="radio"
            name="theme"
            className="sr-only"
            aria-label={label}
            checked={theme === one}
            onChange={() => setTheme(one)}
          />
          <Icon aria-hidden className="size-4" />
        </label>
      ))}
    </fieldset>
  );
}

async function signOut(): Promise<void> {
  await answer(api.POST("/api/auth/logout"));
  queryClient.clear();
  window.location.assign("/login");
}

function Person({ user }: { user: User }) {
  return (
    <div className="grid gap-3">
      <ThemeChoice />
      <div className="min-w-0 px-1">
        <p className="truncate text-sm font-medium">{user.name || user.email}</p>
        <p className="truncate text-[0.8125rem] text-ink-faint">{user.role}</p>
      </div>
      <Button
        look="ghost"
        size="sm"
        icon={LogOut}
        className="justify-start! px-2!"
        onClick={() => void signOut()}
      >
        Sign out
      </Button>
    </div>
  );
}

function SideLink({ place, path }: { place: Place; path: string }) {
  const { to, label, icon: Icon, match } = place;
  return (
    <Link
      href={to}
      aria-current={match.test(path) ? "page" : undefined}
      className="flex h-11 items-center gap-3 rounded-xl px-3 text-[0.9375rem] text-ink-soft transition-colors hover:bg-well hover:text-ink aria-[current]:bg-well aria-[current]:font-medium aria-[current]:text-ink md:h-10"
    >
      <Icon aria-hidden className="size-4.5" strokeWidth={1.9} />
      {label}
    </Link>
  );
}

function SideBar({ user }: { user: User }) {
  const [path] = useLocation();
  return (
    <aside className="sticky top-0 hidden h-dvh w-56 shrink-0 flex-col border-r px-3 py-5 md:flex">
      <Link
        href="/"
        className="mb-7 flex items-center gap-2.5 rounded-lg px-2 text-[1.0625rem] font-semibold tracking-tight"
      >
        <Logo className="size-8" />
        PrintFarm
      </Link>
      <nav aria-label="Main" className="grid gap-1">
        {PLACES.map((place) => (
          <SideLink key={place.to} place={place} path={path} />
        ))}
      </nav>
      <div className="mt-auto">
        <Person user={user} />
      </div>
    </aside>
  );
}

function BottomBar({ user }: { user: User }) {
  const [path] = useLocation();
  const [more, setMore] = useState(false);
  const panel = useRef<HTMLDivElement>(null);
  // biome-ignore lint/correctness/useExhaustiveDependencies: going to another page closes the panel
  useEffect(() => setMore(false), [path]);
  const item =
    "grid h-14 min-w-14 content-center justify-items-center gap-0.5 rounded-xl text-[0.6875rem] font-medium text-ink-faint aria-[current]:text-ink aria-expanded:text-ink";
  return (
    <div className="fixed inset-x-0 bottom-0 z-30 border-t bg-sheet pb-[env(safe-area-inset-bottom)] md:hidden">
      {more && (
        <div ref={panel} id="more" className="animate-rise border-b p-4">
          <nav aria-label="More" className="mb-3 grid grid-cols-2 gap-1">
            {PLACES.filter((place) => place.more).map((place) => (
              <SideLink key={place.to} place={place} path={path} />
            ))}
          </nav>
          <Person user={user} />
        </div>
      )}
      <nav aria-label="Main" className="grid grid-cols-5 px-1">
        {PLACES.filter((place) => !place.more).map(({ to, label, icon: Icon, match }) => (
          <Link key={to} href={to} aria-current={match.test(path) ? "page" : undefined} className={item}>
            <Icon aria-hidden className="size-5.5" strokeWidth={1.8} />
            {label}
          </Link>
        ))}
        <button
          type="button"
          aria-current={PLACES.some((place) => place.more && place.match.test(path)) ? "page" : undefined}
          aria-expanded={more}
          aria-controls="more"
          className={item}
          onClick={() => setMore(!more)}
        >
          <Menu aria-hidden className="size-5.5" strokeWidth={1.8} />
          More
        </button>
      </nav>
    </div>
  );
}

export function Layout({ user, children }: { user: User; children: ReactNode }) {
  return (
    <>
      <a
        href="#content"
        className="sr-only z-50 rounded-xl bg-primary px-4 py-2 text-on-primary focus:not-sr-only focus:fixed focus:top-3 focus:left-3"
      >
        Skip to the content
      </a>
      <div className="flex">
        <SideBar user={user} />
        <div className="min-w-0 grow">
          <ConnectionBanner />
          <main
            id="content"
            tabIndex={-1}
            className="mx-auto max-w-[110rem] px-4 pt-4 pb-28 outline-none sm:px-6 md:pt-6 md:pb-12 lg:px-8"
          >
            {children}
          </main>
        </div>
      </div>
      <BottomBar user={user} />
      <UploadPanel />
      {user.role !== "viewer" && <DropZone />}
      <Toaster
        position="top-center"
        offset={16}
        toastOptions={{
          classNames: {
            toast: "!bg-primary !text-on-primary !border-0 !rounded-xl !font-sans !shadow-lg",
            actionButton: "!bg-on-primary !text-primary !rounded-lg !h-8 !px-3",
          },
        }}
      />
    </>
  );
}

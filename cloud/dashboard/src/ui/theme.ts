import { useSyncExternalStore } from "react";

export type Theme = "light" | "dark" | "system";
const KEY = "printfarm.theme"; // public/theme.js reads it before the first paint
const listeners = new Set<() => void>();
const system = window.matchMedia("(prefers-color-scheme: dark)");

const chosen = (): Theme => {
  const stored = localStorage.getItem(KEY);
  return stored === "light" || stored === "dark" ? stored : "system";
};

const apply = (): void => {
  const dark = chosen() === "dark" || (chosen() === "system" && system.matches);
  document.documentElement.classList.toggle("dark", dark);
  for (const listener of listeners) listener();
};

system.addEventListener("change", apply);

export function setTheme(theme: Theme): void {
  if (theme === "system") localStorage.removeItem(KEY);
  else localStorage.setItem(KEY, theme);
  apply();
}

const subscribe = (listener: () => void) => {
  listeners.add(listener);
  return () => listeners.delete(listener);
};

export const useTheme = (): Theme => useSyncExternalStore(subscribe, chosen);

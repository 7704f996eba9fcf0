import { FileUp } from "lucide-react";
import { useEffect, useRef, useState } from "react";
import { uploads } from "../api/upload";

const carriesFiles = (event: DragEvent): boolean => event.dataTransfer?.types.includes("Files") ?? false;

/** Files may be dropped anywhere on any page. */
export function DropZone() {
  const [over, setOver] = useState(false);
  const depth = useRef(0); // dragenter and dragleave come once for every element the pointer crosses

  useEffect(() => {
    const move = (event: DragEvent, step: number) => {
      if (!carriesFiles(event)) return;
      event.preventDefault();
      depth.current = Math.max(0, depth.current + step);
      setOver(depth.current > 0);
    };
    const enter = (event: DragEvent) => move(event, 1);
    const leave = (event: DragEvent) => move(event, -1);
    const hover = (event: DragEvent) => move(event, 0);
    const drop = (event: DragEvent) => {
      if (!carriesFiles(event)) return;
      event.preventDefault();
      depth.current = 0;
      setOver(false);
      uploads.add(event.dataTransfer?.files ?? []);
    };
    const handlers = { dragenter: enter, dragleave: leave, dragover: hover, drop } as const;
    for (const [name, handler] of Object.entries(handlers)) window.addEventListener(name as "drop", handler);
    return () => {
      for (const [name, handler] of Object.entries(handlers))
        window.removeEventListener(name as "drop", handler);
    };
  }, []);

  if (!over) return null;
  return (
    <div className="pointer-events-none fixed inset-0 z-50 grid animate-fade place-items-center bg-paper/85 p-6">
      <div className="grid w-full max-w-lg justify-items-center gap-3 rounded-3xl border-2 border-dashed border-line-strong bg-sheet px-8 py-16 text-center">
        <FileUp aria-hidden className="size-10 text-ink-soft" strokeWidth={1.5} />
        <p className="text-lg font-semibold">Drop sliced files to upload them</p>
        <p className="text-sm text-ink-soft">.gcode.3mf, as your slicer exports it</p>
      </div>
    </div>
  );
}

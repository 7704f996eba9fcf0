import { Check, Undo2 } from "lucide-react";
import { useEffect, useRef, useState } from "react";
import { toast } from "sonner";
import { actOnPrinter } from "../../api/actions";
import { sentence } from "../../api/errors";
import { Button } from "../../ui/button";

/** How long a mistaken press can be taken back: after it the next print may start on this bed. */
export const UNDO_MS = 4_000;

/** "Bed cleared": one tap, with a moment to take it back. */
export function BedCleared({ id, name }: { id: string; name: string }) {
  const [phase, setPhase] = useState<"waiting" | "undoable" | "sending">("waiting");
  const timer = useRef<ReturnType<typeof setTimeout>>(undefined);

  const send = () => {
    clearTimeout(timer.current);
    timer.current = undefined;
    setPhase("sending");
    actOnPrinter(id, "clear").catch((error) => {
      toast.error(`${name}: ${sentence(error)}`);
      setPhase("waiting");
    });
  };
  const sendNow = useRef(send);
  sendNow.current = send;

  useEffect(() => {
    // Leaving the page does not lose what was pressed.
    const leave = () => timer.current && sendNow.current();
    window.addEventListener("pagehide", leave);
    return () => {
      window.removeEventListener("pagehide", leave);
      leave();
    };
  }, []);

  const press = () => {
    setPhase("undoable");
    timer.current = setTimeout(() => sendNow.current(), UNDO_MS);
  };
  const undo = () => {
    clearTimeout(timer.current);
    timer.current = undefined;
    setPhase("waiting");
  };

  if (phase === "undoable") {
    return (
      <Button size="lg" icon={Undo2} className="relative z-10 w-full" onClick={undo}>
        Cleared – undo
      </Button>
    );
  }
  return (
    <Button
      look="clear"
      size="lg"
      icon={Check}
      busy={phase === "sending"}
      className="relative z-10 w-full"
      aria-label={`Bed cleared: ${name}`}
      onClick={press}
    >
      Bed cleared
    </Button>
  );
}

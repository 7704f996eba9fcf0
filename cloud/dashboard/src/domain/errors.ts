/** The printer's own error numbers in words. Only the ones a farm meets; any other shows its code. */

const PRINT_ERRORS: Record<string, string> = {
  "0300_400C": "Cancelled on the printer.",
  "0500_400E": "Cancelled.",
  "0300_8000": "Paused for a reason the printer does not tell. Look at its screen.",
  "0300_8001": "Paused by a person.",
  "0300_8003": "The camera sees spaghetti. Check the print.",
  "0300_8004": "The filament ran out. Load a new spool, then resume.",
  "0300_8006": "The plate's marker was not found. Is the plate in place?",
  "0300_8007": "A power cut interrupted the print. Answer on the printer's screen.",
  "0300_8008": "The nozzle temperature is faulty. Do not use this printer until it is repaired.",
  "0300_8009": "The bed temperature is faulty. Do not use this printer until it is repaired.",
  "0300_800A": "Purged filament piles up. Clear the chute, then resume.",
  "0300_800B": "The filament cutter is stuck.",
  "0300_800C": "The axes lost steps. Check that nothing blocks them.",
  "0300_800E": "The printer cannot read the file. Is its memory card in place?",
  "0300_800F": "The door is open.",
  "0300_8011": "Another plate lies on the bed than the file asks for.",
  "0300_8013": "Paused by the file itself.",
  "0300_8014": "The nozzle is covered, or the plate is wrong.",
  "0300_8015": "The external spool ran out. Load a new one, then resume.",
  "0300_8016": "The nozzle is clogged.",
  "0300_4000": "Homing failed.",
  "0300_4002": "Bed levelling failed.",
  "0300_4006": "The nozzle is clogged.",
  "0300_4008": "The AMS could not change the filament.",
  "0300_400D": "The print could not be resumed after the power cut.",
  "0500_4002": "The printer does not support the file's name.",
  "0500_4003": "The printer cannot read the file.",
  "0500_4004": "The printer is busy.",
  "0500_4005": "The printer updates its firmware.",
  "0500_4006": "The printer's storage is full.",
  "0500_4015": "The printer's storage is full.",
  "0500_4016": "The printer's memory card is write-protected.",
  "0500_4037": "The file was sliced for another model.",
  "0500_4038": "The file was sliced for another nozzle.",
  "0500_403A": "It is too cold to print (below 10 °C).",
  "0500_806E": "Something lies on the bed. Clear it.",
  "0500_C010": "The printer's storage cannot be read or written. Check its memory card.",
  "0502_4007": "The printer refuses commands. Turn on Developer Mode on its screen.",
  "0C00_8001": "The first layer has a defect.",
};

const FEED_ERRORS: Record<string, string> = {
  "8004": "The filament cannot be pulled back.",
  "8006": "The filament cannot be fed to the extruder.",
  "8011": "The spool ran out. Load a new one, then resume.",
  "8012": "The printer does not know which filament to use.",
  "8013": "Purging took too long.",
  C006: "The printer waits for filament in the external tube.",
};

const hex = (value: number): string => (value >>> 16).toString(16).padStart(4, "0").toUpperCase();
const lowHex = (value: number): string => (value & 0xffff).toString(16).padStart(4, "0").toUpperCase();

export const errorCode = (error: number): string => `${hex(error)}_${lowHex(error)}`;
export const hmsCode = (hms: { attr: number; code: number }): string =>
  `${errorCode(hms.attr)}_${errorCode(hms.code)}`;

const amsPlace = (high: string): string =>
  high === "07FF"
    ? "External spool: "
    : `AMS ${String.fromCharCode(65 + Number.parseInt(high.slice(2), 16))}: `;

export function errorText(error: number): string {
  const known = PRINT_ERRORS[errorCode(error)];
  if (known) return known;
  const feed = hex(error).startsWith("07") ? FEED_ERRORS[lowHex(error)] : undefined;
  if (feed) return amsPlace(hex(error)) + feed;
  return "The printer reports an error. Its screen tells more.";
}

const HMS_PARTS: [RegExp, string][] = [
  [/^0300_0100_/, "The bed heater or its sensor is faulty."],
  [/^0300_0200_/, "The nozzle heater or its sensor is faulty."],
  [/^0300_0300_/, "The hotend fan is slow or has stopped."],
  [/^0300_0D00_/, "The plate is not placed properly."],
  [/^0300_1000_/, "The X axis resonates low. Check the belt."],
  [/^0300_1200_/, "The toolhead's front cover fell off."],
  [/^0500_0300_/, "A part of the printer's electronics hangs. Restart the printer."],
  [/^0500_0500_0001_0007$/, "The printer refuses commands. Turn on Developer Mode on its screen."],
  [/^07.._2.00_0002_0001$/, "A spool in the AMS ran out."],
  [/^07.._2.00_0002_0002$/, "A slot of the AMS is empty."],
  [/^07.._2.00_0002_0003$/, "The filament may be broken inside the AMS."],
  [/^07.._2.00_0001_008[1-6]$/, "A spool's tag cannot be read."],
  [/^0C00_0100_/, "The lidar is offline or its lens is dirty."],
];

/** 1 fatal, 2 serious, 3 common, 4 information. */
export const hmsSeverity = (hms: { code: number }): number => hms.code >>> 16;

export function hmsText(hms: { attr: number; code: number }): string {
  const code = hmsCode(hms);
  return (
    HMS_PARTS.find(([pattern]) => pattern.test(code))?.[1] ??
    "The printer reports a condition. Its screen tells more."
  );
}

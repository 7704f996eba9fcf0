"""What printers and hubs report, in sentences for the person who runs the farm.

Codes and meanings: reference/bambu.md §9.2, §1.5; the wording is our own.
"""

from typing import Final

CANCELLED_CODES: Final = frozenset({0x0300400C, 0x0500400E})
"""Shown for seconds when somebody stops a print."""
POWER_LOSS: Final = 0x03008007
WRONG_URL_CODES: Final = frozenset({0x0500C010, 0x05004003, 0x0500400B, 0x0500403F})
"""What a printer says when it does not find the file under the address: the other form may do."""
BUSY_CODES: Final = frozenset({0x05004004, 0x05004005})
OBJECT_ON_PLATE: Final = 0x0500806E
UNAUTHORISED: Final = range(0x05024007, 0x0502400D)

LOCKED: Final = (
    "The printer refuses commands because Developer Mode is off. Switch it on at the printer: Settings, "
    "LAN Only Mode, Developer Mode; then restart the printer."
)

_ERRORS: Final = {
    0x0300400C: "The print was stopped at the printer.",
    0x0500400E: "The print was stopped at the printer.",
    0x03008007: "The printer lost power during the print. It offers to go on: answer at its screen.",
    0x0300400D: "The print could not be resumed after the power loss.",
    0x03004000: "Homing the Z axis failed. Look for something in the way.",
    0x03004002: "Levelling the bed failed. Clean plate and nozzle.",
    0x03004006: "The nozzle is clogged.",
    0x03008016: "The nozzle is clogged.",
    0x03004008: "The AMS could not change the filament.",
    0x03008000: "The printer paused without saying why.",
    0x03008001: "Paused by a person.",
    0x03008003: "The printer suspects spaghetti: look at the print.",
    0x03008004: "The filament ran out.",
    0x03008006: "The printer does not find the marker of its plate.",
    0x03008008: "The nozzle's temperature is at fault. Do not use this printer.",
    0x03008009: "The bed's temperature is at fault. Do not use this printer.",
    0x0300800A: "Purged filament is piling up in the chute.",
    0x0300800B: "The filament cutter is stuck.",
    0x0300800C: "The printer lost steps: something blocked its motion.",
    0x0300800E: "The printer cannot read the print file. Was the card taken out?",
    0x0300800F: "The door is open.",
    0x03008011: "The plate in the printer is not the one the file is for.",
    0x03008013: "Paused by a command in the file.",
    0x03008014: "The nozzle is covered with filament, or the plate lies wrong.",
    0x03008015: "The filament on the external spool ran out.",
    0x07FF8011: "The filament on the external spool ran out.",
    0x07FF8004: "The filament cannot be pulled back to the AMS.",
    0x07FF8013: "Purging the old filament took too long.",
    0x07FFC006: "The printer waits for filament from the external spool.",
    0x07FF8012: "The printer found no spool for the print's filaments.",
    0x05004002: "The printer refuses the name of the file.",
    0x05004003: "The printer cannot read the file.",
    0x05004004: "The printer is busy.",
    0x05004005: "The printer is installing a firmware update.",
    0x05004006: "The printer's storage is full.",
    0x05004015: "The printer's storage is full.",
    0x0500400A: "The printer refuses the name of the file.",
    0x0500400B: "The printer could not fetch the file.",
    0x0500403F: "The printer could not fetch the file.",
    0x05004016: "The printer's card is write-protected.",
    0x05004037: "The file was sliced for another printer model.",
    0x05004038: "The file was sliced for another nozzle.",
    0x0500403A: "It is too cold for the printer (below 10 °C).",
    0x0500806E: "The printer sees an object on the plate.",
    0x0500C010: "The printer could not read the file from its storage.",
    0x0C008001: "The printer found a defect in the first layer.",
}
_AMS_ERRORS: Final = {
    0x8006: "The AMS cannot feed the filament into the extruder.",
    0x8011: "The filament in an AMS slot ran out.",
    0x8012: "The printer found no spool for the print's filaments.",
}

_FAILURES: Final = {
    "hub_offline": "The hub is offline.",
    "offline": "The printer is offline.",
    "unknown_printer": "The hub does not know the printer yet.",
    "auth_failed": "The printer refuses the access code. Compare it with the one on the printer's screen.",
    "locked": LOCKED,
    "cert_changed": "The printer shows another certificate than before: trust the new one if the printer was reset.",
    "wrong_serial": "Another printer answers at this address: compare the serial number.",
    "busy": "The printer is busy.",
    "wrong_state": "The printer is not in a state in which that can be done.",
    "expired": "The hub received the command too late and did not carry it out.",
    "rejected": "The printer refused.",
    "no_answer": "The printer did not answer.",
    "interrupted": "The hub restarted while it carried out the command.",
    "storage": "The printer's storage is missing, full or write-protected.",
    "name_refused": "The printer refuses the name of the file.",
    "exists": "Another file has this name on the printer.",
    "incomplete": "The file did not arrive whole on the printer.",
    "timeout": "The printer took too long.",
    "broken": "The connection to the printer broke.",
    "refused": "The printer refuses connections.",
    "unreachable": "The printer cannot be reached in its network.",
    "reset": "The printer closed the connection.",
    "no_socket": "The hub has no connection free.",
    "missing": "The file is no longer in the store.",
    "no_camera": "This model's camera cannot be read.",
    "no_frame": "The camera sent no picture.",
}


_HUB_FAILURES: Final = {
    "hub_offline": "The hub is offline.",
    "offline": "The hub went offline.",
    "unknown_command": "The hub's firmware does not know this yet: update it.",
    "busy": "The hub is busy with something else: try again in a minute.",
    "expired": "The hub received the command too late and did not carry it out.",
    "interrupted": "The hub restarted while it carried out the command.",
    "no_answer": "The hub did not answer. It may have happened: look at the hub.",
    "broken": "The hub's answer makes no sense: update its firmware.",
    # Of a printer that was tried before it is added.
    "unreachable": "Nothing answers at this address. Is the printer switched on, and in the same network as the hub?",
    "not_a_printer": "What answers at this address is not a Bambu Lab printer. Compare it with the printer's screen.",
    "auth_failed": "The access code is wrong. The printer's screen shows it: Settings, LAN Only Mode.",
    "wrong_serial": "Another printer answers at this address: compare the serial number.",
    "lan_only_off": "LAN Only Mode is off. Switch it on at the printer: Settings, LAN Only Mode.",
    "developer_mode_off": LOCKED,
    "locked": LOCKED,
}


def error_code(error: int) -> str:
    """A `print_error` as people look it up: 0300_400C."""
    return f"{error >> 16:04X}_{error & 0xFFFF:04X}"


def error_sentence(error: int) -> str:
    """A `print_error` in words, with its code."""
    if error in UNAUTHORISED:
        return LOCKED
    sentence = _ERRORS.get(error)
    if sentence is None and error >> 24 == 0x07:
        sentence = _AMS_ERRORS.get(error & 0xFFFF)
    return f"{sentence or 'The printer reports an error.'} (code {error_code(error)})"


def failure_sentence(code: str, message: str = "") -> str:
    """The code of a failed ask in words; an unknown code falls back to what came with it."""
    sentence = _FAILURES.get(code) or message or f"The printer could not do it ({code})."
    if code == "rejected" and message:
        return f"{sentence} It says: {message}"
    return sentence


def hub_sentence(code: str, message: str = "") -> str:
    """The code of a failed command to a hub itself in words; an unknown code falls back to what came with it."""
    if code == "busy" and message:
        return message  # with what, only the hub knows
    return _HUB_FAILURES.get(code) or message or f"The hub could not do it ({code})."

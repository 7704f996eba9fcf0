"""How an attempt to print ends early. Raised inside an attempt, settled by its runner; never leave the room."""


class RequeueError(Exception):
    """Nothing was printed and the job goes back to the queue. `counted` tries are limited."""

    def __init__(self, code: str, sentence: str, *, counted: bool = False, plate_occupied: bool = False) -> None:
        super().__init__(code, sentence)
        self.code = code
        self.sentence = sentence
        self.counted = counted
        self.plate_occupied = plate_occupied


class HopelessError(Exception):
    """The job has failed; trying again would not help, or might print it twice."""

    def __init__(self, code: str, sentence: str, *, error: int = 0) -> None:
        super().__init__(code, sentence)
        self.code = code
        self.sentence = sentence
        self.error = error


class WithdrawnError(Exception):
    """The job was to be cancelled, and is certain not to be printing."""


class SupersededError(Exception):
    """Somebody else moved the job on: this attempt has nothing more to do."""

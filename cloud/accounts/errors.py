"""What accounts refuse."""


class AccountsError(Exception):
    """Base of what this room raises."""


class BadCredentialsError(AccountsError):
    """Unknown address, wrong password, or a user switched off: nobody is told which."""


class TooManyAttemptsError(AccountsError):
    """Wait before the next try."""

    def __init__(self, seconds: float) -> None:
        super().__init__(f"wait {seconds:.0f} s")
        self.seconds = seconds


class BusyError(AccountsError):
    """More passwords wait to be checked than the machine can check soon."""


class BadLinkError(AccountsError):
    """The set-up link was used, has expired, or never was one."""


class WeakPasswordError(AccountsError):
    """The password is too short to be one."""

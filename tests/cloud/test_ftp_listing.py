"""What printers answer to LIST, in every style seen, and what hostile ones might."""

from datetime import UTC, datetime

import pytest

from cloud.printing.ftp_listing import parse_listing

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


def parsed(text: str | bytes) -> list[tuple[str, int, str | None]]:
    data = text if isinstance(text, bytes) else text.encode()
    return [(line.name, line.size, line.modified) for line in parse_listing(data, NOW)]


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("-rw-r--r--    1 0        0            1234 Feb 11 09:05 a.3mf", ("a.3mf", 1234, "2026-02-11T09:05:00")),
        ("-rw-rw-rw-   1 root  root     7 Dec 24  2025 b c.3mf", ("b c.3mf", 7, "2025-12-24T00:00:00")),
        ("-rw-rw-rw- 1 owner 99 Nov 30 23:59 last year", ("last year", 99, "2025-11-30T23:59:00")),
        ("-rwxr-xr-x 1 u g 5 Mar  2 01:00 zone ahead", ("zone ahead", 5, "2026-03-02T01:00:00")),
        ("-rw-r--r-- 1 0 0 5 Feb 29 01:00 no such day", ("no such day", 5, None)),
        ("-rw-r--r-- 1 0 0 5 Foo 11 01:00 no such month", ("no such month", 5, None)),
        ("-rw-r--r-- 1 0 0 5 Feb 11 01:00  leading space", (" leading space", 5, "2026-02-11T01:00:00")),
        ("-rw-r--r-- 1 0 0 5 Feb 11 01:00 größe 12 Jan 3 2020 x", ("größe 12 Jan 3 2020 x", 5, "2026-02-11T01:00:00")),
        ("-rw-r--r-- 1 0 0 5 Feb 11 01:00 /cache/full.3mf", ("full.3mf", 5, "2026-02-11T01:00:00")),
        ("02-11-26  09:05PM       1234 dos.3mf", ("dos.3mf", 1234, "2026-02-11T21:05:00")),
        ("02-31-2026  09:05AM       1 dos.3mf", ("dos.3mf", 1, None)),
    ],
)
def test_files_are_understood(line: str, found: tuple[str, int, str | None]) -> None:
    assert parsed(line + "\r\n") == [found]


@pytest.mark.parametrize(
    "line",
    [
        "",
        "total 12",
        "drwxr-xr-x    1 0        0               0 Feb 11 09:05 cache",
        "lrwxrwxrwx    1 0        0               0 Feb 11 09:05 link -> /etc/passwd",
        "02-11-26  09:05PM  <DIR>  folder",
        "-rw-r--r-- 1 0 0 5 Feb 11 01:00 ..",
        "-rw-r--r-- 1 0 0 5 Feb 11 01:00 ../../etc/passwd",
        "-rw-r--r-- 1 0 0 5 Feb 11 01:00 a/../../b",
        "-rw-r--r-- 1 0 0 5 Feb 11 01:00 bell\u0007",
        "-rw-r--r-- 1 0 0 5 Feb 11 01:00 turned\u202eround",
        "-rw-r--r-- 1 0 0 5 Feb 11 01:00 carriage\rDELE x",
        f"-rw-r--r-- 1 0 0 {10**30} Feb 11 01:00 too large",
        f"-rw-r--r-- 1 0 0 5 Feb 11 01:00 {'x' * 256}",
        f"-rw-r--r-- {' 1' * 2000} Feb 11 01:00 long line",
    ],
)
def test_what_is_no_plain_file_is_passed_over(line: str) -> None:
    assert parsed(line) == []


def test_a_name_that_is_no_text_spoils_no_other() -> None:
    assert [name for name, *_ in parsed(b"-r 1 0 0 5 Feb 11 01:00 \xff\n-r 1 0 0 5 Feb 11 01:00 fine\n")] == ["fine"]

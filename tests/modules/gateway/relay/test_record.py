"""Records and the ids they are kept under."""

import os
from uuid import RFC_4122, UUID

import pytest

from paifang.modules.gateway.relay.record import Record, new_request_id


def test_a_request_id_is_a_uuid_of_version_7_with_the_time_it_was_made() -> None:
    made = UUID(new_request_id(1_790_000_000.123))
    assert (made.version, made.variant) == (7, RFC_4122)
    assert made.int >> 80 == 1_790_000_000_123


def test_request_ids_of_one_moment_differ() -> None:
    assert len({new_request_id(1_790_000_000.0) for _ in range(1000)}) == 1000


def test_request_ids_sort_by_time() -> None:
    ids = [new_request_id(second) for second in (1.0, 10.5, 1_790_000_000.0, 1_790_000_000.001)]
    assert ids == sorted(ids)
    assert {len(request_id) for request_id in ids} == {32}


def test_a_record_comes_back_as_it_was() -> None:
    record = Record("01", 1.5, "g", "chat", "/v1/chat/completions", status=200, cost=7)
    assert Record.from_bytes(record.to_bytes()) == record


def test_fields_of_a_newer_version_are_ignored() -> None:
    record = Record("01", 1.5, "g", "chat", "/v1/chat/completions")
    newer = record.to_bytes()[:-1] + b',"colour":"red"}'
    assert Record.from_bytes(newer) == record


@pytest.mark.parametrize("data", [b"[]", b"{", b'{"request_id":"01"}', b'{"colour":"red"}'])
def test_bytes_that_are_no_record_are_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        Record.from_bytes(data)


def test_a_forked_process_does_not_go_on_with_its_parents_ids() -> None:
    new_request_id(1.0)
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        try:
            os.write(writing, "".join(new_request_id(1.0) for _ in range(50)).encode())
        finally:
            os._exit(0)
    os.waitpid(child, 0)
    text = os.read(reading, 4096).decode()
    os.close(reading)
    os.close(writing)
    theirs = {text[at : at + 32] for at in range(0, len(text), 32)}
    ours = {new_request_id(1.0) for _ in range(1000)}
    assert len(theirs) == 50
    assert not theirs & ours

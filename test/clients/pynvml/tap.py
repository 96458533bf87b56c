"""Enough TAP for these programs: one line for each expectation."""

import sys

_count = 0
_failed = 0


def holds(held, sentence, detail=""):
    global _count, _failed
    _count += 1
    if not held:
        _failed += 1
        for line in str(detail).splitlines():
            print(f"# {line}")
    print(f"{'ok' if held else 'not ok'} {_count} - {sentence}", flush=True)
    return held


def same(got, wanted, sentence):
    return holds(got == wanted, sentence, f"   got {got!r}\nwanted {wanted!r}")


def raises(error, call, *arguments):
    """That the call raises just this class of NVMLError, by its own words where pynvml has them from NVML."""
    sentence = f"{call.__name__} raises {error.__name__}"
    try:
        result = call(*arguments)
    except Exception as thrown:  # any other is what the test is about
        return holds(type(thrown) is error, sentence, f"it raised {type(thrown).__name__}: {thrown}")
    return holds(False, sentence, f"it returned {result!r}")


def done():
    print(f"1..{_count}")
    sys.exit(1 if _failed else 0)

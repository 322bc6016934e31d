"""The functions that loops, branches, maps and observers compile to; they never know a pipeline's structure."""

from collections.abc import Callable, Sequence
from typing import Any

from trainer.pipeline.interventions import Intervention
from trainer.pipeline.place import Loop, Place
from trainer.pipeline.steps import Function, Repeat


def repeated(step: Repeat, body: Function, loop: Loop, place: Place) -> Function:
    """The loop of `step`: at most `times` iterations, fewer if `until` holds or a hook asked to stop."""
    times, until, save, done = step.times, step.until, step.save, step.done

    def run(x: Any) -> Any:
        loop.inbox.clear()
        try:
            for number in range(1 if done is None else done(x) + 1, times + 1):
                loop.number = number
                x = body(x)
                if loop.inbox and _stop_requested(loop, place, save, x):
                    break
                if until is not None and until(x):
                    break
        except Exception as error:
            place.mark(error)
            raise
        return x

    return run


def mapped(body: Function, loop: Loop) -> Function:
    """The list of what `body` makes of each element."""

    def run(elements: Any) -> Any:
        results: list[Any] = []
        for number, element in enumerate(elements, 1):
            loop.number = number
            results.append(body(element))
        return results

    return run


def branched(condition: Function, then: Function, otherwise: Function | None) -> Function:
    """One of the two, chosen by the value."""

    def run(x: Any) -> Any:
        if condition(x):
            return then(x)
        return x if otherwise is None else otherwise(x)

    return run


def observed(watches: Sequence[Callable[[Any], None]]) -> Function:
    """Show the value to each in turn, and return it."""
    if len(watches) == 1:
        only = watches[0]

        def show(x: Any) -> Any:
            only(x)
            return x

        return show

    def show_all(x: Any) -> Any:
        for watch in watches:
            watch(x)
        return x

    return show_all


def _stop_requested(loop: Loop, place: Place, save: Function | None, x: Any) -> bool:
    stop, saved = False, False
    while loop.inbox:
        request = loop.inbox.pop(0)
        if request.intervention is Intervention.STOP_EARLY:
            stop = True
            request.honoured_by.append(place.path())
        elif save is not None and not request.honoured_by:
            if not saved:
                save(x)
                saved = True
            request.honoured_by.append(place.path())
    return stop
